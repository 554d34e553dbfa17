"""What `env` does once its options are known to be good."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.commands._attained import attained
from bench.fingerprint import Difference, differences, hard_keys, soft_keys
from bench.flags import FLAGS, TAKEN_SHARE
from bench.peaks import peak_of
from bench.precisions import PRECISIONS
from bench.reporting._terminal import stdout_console, text_table
from bench.result import Environment
from bench.running import journal
from bench.running.pool import CallError, Pool, usual_start_method
from bench.running.session import Interrupted, interrupts_raised

EXIT_COMPARABLE, EXIT_NOT_COMPARABLE = 0, 3
CURE = FLAGS["contended"].cure
TF32_CAPABILITY = PRECISIONS["tf32"].min_cuda_capability or ()
PEAK_LEGEND = (
    "attained: the best of some products of large matrices, and of large copies (read and written), by all cores"
)


def show(run: Path) -> int:
    """Print the environment of *run*."""
    _print_environment(journal.read(run).plan.environment)
    return EXIT_COMPARABLE


def show_here(*, measure_peak: bool) -> int:
    """Print the environment of this machine, and what it attains where that is wanted."""
    try:
        with interrupts_raised(), Pool(1, usual_start_method(), dict(os.environ)) as pool:
            for note in pool.notes:
                print(note, file=sys.stderr)
            rows = list(_peak_rows(pool)) if measure_peak else []
            environment = pool.environment
    except Interrupted as interrupted:
        return interrupted.exit_status
    _print_environment(environment)
    if rows:
        print()
        stdout_console().print(text_table(("device", "what", "attained", "data sheet", "share"), rows))
        print(PEAK_LEGEND)
    return EXIT_COMPARABLE


def compare(before: Path, now: Path) -> int:
    """Print what differs between two runs' machines, and whether it forbids to compare their times."""
    found = differences(journal.read(before).plan.environment, journal.read(now).plan.environment)
    if found:
        headers = ("kind", "key", str(before), str(now))
        stdout_console().print(text_table(headers, map(_difference_row, found)))
        print()
    forbidding = [difference for difference in found if difference.is_hard]
    if not forbidding:
        print("comparable: every hard key is equal")
        return EXIT_COMPARABLE
    print(f"not comparable in absolute times: {'; '.join(map(str, forbidding))}")
    return EXIT_NOT_COMPARABLE


def _difference_row(difference: Difference) -> tuple[str, ...]:
    kind = "hard" if difference.is_hard else "soft"
    return kind, difference.key, difference.before or "unset", difference.now or "unset"


def _print_environment(environment: Environment) -> None:
    hard = [("hard", key, value or "none") for key, value in hard_keys(environment).items()]
    soft = [("soft", key, value) for key, value in soft_keys(environment).items()]
    stdout_console().print(text_table(("kind", "key", "value"), [*hard, *soft]))


def _peak_rows(pool: Pool) -> Iterator[tuple[str, ...]]:
    """Measure, and yield a row for each format and the memory of every device."""
    formats = list(dict.fromkeys(precision.number_format for precision in PRECISIONS.values()))
    names = {"cpu": ""} | {device.id: device.name for device in pool.environment.devices}
    with_tf32 = {found.id for found in pool.environment.devices if (found.capability or ()) >= TF32_CAPABILITY}
    for device, name in names.items():
        sheet = peak_of(name)
        try:
            seen = attained(pool, [name for name in formats if name != "tf32" or device in with_tf32], device)
        except CallError as error:
            yield device, "not measured", str(error), "", ""
            continue
        for number_format, rate in seen["flops_per_second"].items():
            peak = sheet.flops_per_second(number_format) if sheet else None
            yield device, number_format, *_figures(rate, peak, "FLOP/s")
        peak = sheet.memory_bytes_per_second if sheet else None
        yield device, "copy", *_figures(seen["bytes_per_second"], peak, "B/s")
        if seen["others_ratio"] > TAKEN_SHARE:
            print(f"{device}: other programs took the processor meanwhile; {CURE}", file=sys.stderr)


def _figures(attained: float, sheet: float | None, unit: str) -> tuple[str, str, str]:
    if sheet is None:
        return _scaled(attained, unit), "", ""
    return _scaled(attained, unit), _scaled(sheet, unit), f"{attained / sheet:.0%}"


def _scaled(value: float, unit: str) -> str:
    """Return *value* with a prefix: 81.3 GFLOP/s."""
    prefix, size = next(((prefix, size) for prefix, size in (("T", 1e12), ("G", 1e9)) if value >= size), ("M", 1e6))
    return f"{value / size:,.3g} {prefix}{unit}"
