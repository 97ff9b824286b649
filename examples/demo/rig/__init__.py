"""The rig: real parts to run refitd on, for the demo and the tests.

An engine, a base image, wheels, a Postgres, a git server: each file has one of them, each is a
context manager, and none of them outlives the process that asked for it (see `keeper`). What a
machine lacks is fetched where that is possible and said first; else `MissingPart` says what to
install.
"""
