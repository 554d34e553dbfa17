"""One visit of a case in a long measurement, whose figure is all that is wanted."""

from bench.case import Case
from bench.metrics import step_seconds
from bench.running.matrix import num_processes
from bench.running.pool import Pool


def step_of_visit(pool: Pool, case: Case, round_index: int, timeout_seconds: float) -> float:
    """Return the step's seconds in a fresh worker; ends the program, to be continued, where that fails."""
    result = pool.visit(
        case,
        num_processes=num_processes(case),
        round_index=round_index,
        timeout_seconds=timeout_seconds,
        with_extras=False,  # after the window, and so without influence on it
    )
    if result.measurement is None:
        raise SystemExit(f"{case.slug}: {result.status}: {result.reason}; run the same command to continue")
    return step_seconds(result.measurement)
