"""Every test on Postgres has a database of its own, copied from one with the schema applied."""

from tests.panel import bare, listener, migrated, panel, postgres

__all__ = ["bare", "listener", "migrated", "panel", "postgres"]
