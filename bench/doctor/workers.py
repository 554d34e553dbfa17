"""Workers can be started the usual way."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts


def check(facts: Facts) -> Iterator[Finding]:
    """Pass on what the pool of workers had to say."""
    for note in facts.notes:
        yield Finding(
            severity="warning",
            finding="workers start slowly",
            evidence=note,
            remedy="see what this Python imports when it starts (sitecustomize, a .pth file): it may start threads",
        )
