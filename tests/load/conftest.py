"""One panel a test, on the session's engine, Postgres and git server."""

from tests.acceptance.stand import backend_repository, backend_wheels, panel

__all__ = ["backend_repository", "backend_wheels", "panel"]
