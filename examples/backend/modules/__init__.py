"""A module is one file here, with a `start(routes)` that is called where it is enabled."""
