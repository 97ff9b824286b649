"""refitd keeps a backend container in step with a Postgres `modules` table."""

__version__ = "0.1.0"
