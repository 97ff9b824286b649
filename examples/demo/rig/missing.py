"""What to say when a part cannot be had."""


class MissingPart(RuntimeError):
    """The rig lacks a part that this machine does not have; the message says how to get it."""
