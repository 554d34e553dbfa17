"""Where the wall time of a run went: what the timed windows cost besides themselves."""

from collections.abc import Mapping, Sequence

from bench.result import CaseResult, Sitting


def split_seconds(results: Sequence[CaseResult], sittings: Sequence[Sitting]) -> Mapping[str, float]:
    """
    Return the seconds that each part of a run took, in the order in which they come.

    Args:
        results: All visits.
        sittings: The run's, and those of its continuations; one that was killed left none, so its share of starting
            servers and reporting is missing.
    """
    visits = [(result, result.measurement) for result in results if result.status == "ok" and result.measurement]
    compiling = sum(measurement.compile_seconds or 0.0 for _, measurement in visits)  # a part of the warm-up
    parts = {
        "starting the servers": sum(sitting.servers_seconds for sitting in sittings),
        "start of workers": sum(measurement.start_seconds for _, measurement in visits),
        "build": sum(measurement.build_seconds for _, measurement in visits),
        "compilation": compiling,
        "warm-up": sum(measurement.warmup_total_seconds for _, measurement in visits) - compiling,
        "timed steps": sum(measurement.window_seconds for _, measurement in visits),
        "memory, counters, check": sum(measurement.extras_seconds for _, measurement in visits),
    }
    whole = sum(result.duration_seconds for result, _ in visits)
    inside = sum(parts.values()) - parts["starting the servers"]
    return parts | {
        "tear-down": max(0.0, whole - inside),
        "visits that failed": sum(result.duration_seconds for result in results if result.status != "ok"),
        "reporting": sum(sitting.reporting_seconds for sitting in sittings),
    }
