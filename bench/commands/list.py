"""Show the workloads, strategies, precisions and suites that there are."""

import argparse

from bench import registry, suite, workload_file
from bench.precisions import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: there is one list."""
    parser.usage = f"{parser.prog} [-h]"


def execute(_options: argparse.Namespace) -> int:
    """Print the list; imports neither torch nor a workload."""
    _print_section("workloads (--workload)", _workloads())
    print("  path/to/file.py:function      your own, see the README")
    print("  package.module:function       the same, by its import name\n")
    _print_section(
        "strategies (--strategy)", {n: registry.summary("strategies", n) for n in registry.names("strategies")}
    )
    _print_section("\nprecisions (--precision)", {name: row.summary for name, row in PRECISIONS.items()})
    _print_section("\nsuites (--suite)", {name: suite.load(name).summary for name in suite.names()})
    _print_section(
        "\noutput formats (--format)", {n: registry.summary("reporting", n) for n in registry.names("reporting")}
    )
    return 0


def _workloads() -> dict[str, str]:
    rows = {}
    for name in registry.names("workloads"):
        path = registry.PACKAGE_DIR / "workloads" / f"{name}.py"
        sizes, summaries = workload_file.batch_sizes(path), workload_file.functions(path)
        for number, size in enumerate(sizes or summaries):
            usual = f" (the usual {name})" if number == 0 else ""
            rows[f"{name}:{size}"] = f"{summaries.get(size, '')}{usual}"
    return rows


def _print_section(title: str, rows: dict[str, str]) -> None:
    print(title)
    for name, text in rows.items():
        print(f"  {name:<29} {text}")
