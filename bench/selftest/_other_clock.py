"""Another clock than the harness's, to judge it by."""

import time

WAIT_SECONDS = 0.02
"""Of known duration: short enough for ten blocks of five in a second, and long against what surrounds it in a step."""

_CLOCK_ID = getattr(time, "CLOCK_MONOTONIC_RAW", None)  # Linux and macOS; NTP does not even slow it down


def now_ns() -> int:
    """Return nanoseconds since some moment; where the machine has only one such clock, it is the harness's."""
    return time.monotonic_ns() if _CLOCK_ID is None else time.clock_gettime_ns(_CLOCK_ID)


def wait(seconds: float, since_ns: int) -> float:
    """Keep the processor busy until *seconds* after *since_ns*; return how long after it really is."""
    while (passed_ns := now_ns() - since_ns) < seconds * 1e9:
        pass
    return passed_ns / 1e9
