"""A timer for pytest-benchmark that shows what a worker measured, so that there is one timing path and not two."""


class ReplayTimer:
    """Stands still but for what it is told: pytest-benchmark reads it before and after each call of its target."""

    def __init__(self) -> None:
        self._now = 0.0

    def read(self) -> float:
        """Return the seconds so far; what goes to ``@pytest.mark.benchmark(timer=...)``."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._now += seconds
