"""The loops that own time. They ask the core what to do and the ports to do it."""
