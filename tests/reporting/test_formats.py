"""Output formats are found by name, and none drags in what it does not need."""

import subprocess
import sys

import pytest

from bench import registry

CHOICES = {"batch", "pareto", "scaling", "speedup"}
FORMATS = {"csv", "environment", "findings", "html", "memory", "phases", "throughput"} | CHOICES


def test_every_format_is_found_by_its_file_with_a_line_that_says_what_it_writes() -> None:
    assert set(registry.names("reporting")) >= FORMATS
    for name in FORMATS:
        assert registry.summary("reporting", name).endswith("."), name
        module = registry.load("reporting", name)
        assert callable(getattr(module, "figure", None) or module.write), name


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("csv, environment, findings, _console", "torch matplotlib"),
        ("throughput, memory, phases", "torch matplotlib.pyplot"),
    ],
)
def test_a_format_does_not_import(modules: str, unwanted: str) -> None:
    code = f"import sys; from bench.reporting import {modules}; print(set({unwanted.split()}) & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
