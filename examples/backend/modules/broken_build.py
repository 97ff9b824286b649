"""A module that does not import, and so fails the build of any image that has it."""

raise ImportError("broken_build does not import, on purpose")
