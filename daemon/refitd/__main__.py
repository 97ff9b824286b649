"""`python -m refitd` is the `refitd` command."""

from refitd.cli import main

if __name__ == "__main__":
    main()
