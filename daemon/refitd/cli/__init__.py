"""The command line: argv in, output out, and nothing else.

`commands` is what runs the daemon or looks once, `desk` what reads and writes the rows,
`follow` waits for a deployment, `render` shows values, `session` is what all of them share:
settings, the way to the rest of refitd, errors and exit codes.
"""

from refitd.cli.commands import cli, main

__all__ = ["cli", "main"]
