"""The Docker adapter keeps the contract on a real engine."""

from tests.contracts.engine import EngineContract


class TestDockerEngine(EngineContract):
    """The contract, for real."""
