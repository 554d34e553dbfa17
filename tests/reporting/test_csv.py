"""The tables that others read."""

import gzip
from pathlib import Path

import pandas as pd

from bench.reporting import csv
from bench.results.frame import COLUMNS, Run


def test_results_csv_has_the_columns_of_the_design_and_a_row_a_case(mixed_run: Run, tmp_path: Path) -> None:
    assert csv.write(mixed_run, tmp_path) == [tmp_path / "results.csv", tmp_path / "samples.csv.gz"]
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert len(lines) == 1 + 6


def test_what_is_not_known_is_empty_and_never_0(mixed_run: Run, tmp_path: Path) -> None:
    csv.write(mixed_run, tmp_path)
    table = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False).set_index("case_id")
    skipped = table[table["status"] == "skipped"]
    for name in ("step_seconds", "peak_allocated_bytes", "speedup", "item", "mfu_ratio", "final_loss"):
        assert set(skipped[name]) == {""}, name
    assert set(table["h2d_seconds"]) == {""}


def test_numbers_survive_the_way_through_the_file(mixed_run: Run, tmp_path: Path) -> None:
    csv.write(mixed_run, tmp_path)
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["step_seconds"][0] == 0.004
    assert table["peak_allocated_bytes"][0] == 12 * 2**20
    assert "12582912," in (tmp_path / "results.csv").read_text()


def test_samples_hold_nine_digits_of_every_step(mixed_run: Run, tmp_path: Path) -> None:
    csv.write(mixed_run, tmp_path)
    text = gzip.decompress((tmp_path / "samples.csv.gz").read_bytes()).decode()
    lines = text.splitlines()
    assert lines[0] == "case_id,round,step_index,is_warmup,phase,seconds"
    assert lines[1] == f"{mixed_run.plan.cases[0].id},0,0,True,forward,0.0024"
    # Two cases, two rounds, two warm-up and ten timed steps, three phases and the step.
    assert len(lines) == 1 + 2 * 2 * 12 * 4


def test_the_same_run_gives_the_same_bytes(mixed_run: Run, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        csv.write(mixed_run, folder)
    for name in ("results.csv", "samples.csv.gz"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    assert (folders[0] / "samples.csv.gz").read_bytes()[4:8] == bytes(4), "the time in the gzip header"
