"""A run of workloads that fail in every way a workload can: each is one row, and the others are as they should be."""

import dataclasses
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest

from bench.measuring.sampling import MIN_STEPS
from bench.result import CaseResult
from bench.results import frame
from tests.program.sandbox import Sandbox

WORKLOADS = """
import ctypes
import os
import signal
import subprocess
import time

import torch
import torch.distributed as dist
from torch import nn


def _make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randint(0, 3, (batch_size,))


def _compute_loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def _trains_with(compute_loss):
    return nn.Linear(8, 3), _make_batch, compute_loss


def _on_rank_1(act):
    def compute_loss(model, batch):
        if dist.get_rank() == 1:
            act()
        return _compute_loss(model, batch)

    return _trains_with(compute_loss)


def good():
    return _trains_with(_compute_loss)


def raises():
    def compute_loss(model, batch):
        raise ValueError("the data is wrong\\nand this is a second line")

    return _trains_with(compute_loss)


def oom():
    return _trains_with(lambda model, batch: torch.empty(10**15))


def segfault():
    return _trains_with(lambda model, batch: ctypes.string_at(0))


def endless():
    def spin_for_ever(model, batch):
        while True:
            pass

    return _trains_with(spin_for_ever)


def exits():
    return _trains_with(lambda model, batch: os._exit(3))


def exits_0():
    return _trains_with(lambda model, batch: os._exit(0))


def system_exit():
    raise SystemExit(0)


def nan():
    return _trains_with(lambda model, batch: _compute_loss(model, batch) * float("nan"))


def vector():
    return _trains_with(lambda model, batch: model(batch[0]))


def detached():
    return _trains_with(lambda model, batch: _compute_loss(model, batch).detach())


def nothing():
    return 5


def litters():
    import tempfile

    os.close(tempfile.mkstemp(prefix="litter")[0])
    # A shell that leaves the session, and a child of it that outlives the shell.
    subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"], start_new_session=True)
    return good()


def hangs_in_a_collective():
    def compute_loss(model, batch):
        if dist.get_rank() == 0:
            dist.barrier()
        time.sleep(1000)

    return _trains_with(compute_loss)


def one_exits():
    return _on_rank_1(lambda: os._exit(3))


def one_is_killed():
    return _on_rank_1(lambda: os.kill(os.getpid(), signal.SIGKILL))


def one_raises():
    def act():
        raise ValueError("only rank 1")

    return _on_rank_1(act)
"""

TIMEOUT = 6.0
"""Seconds: thirty times what a good worker takes, on a machine where other tests run too."""

KILLED = "not done after 6 s and killed; raise --timeout, or see in the log's last lines where it hangs"
EXPECTED = {
    ("good", "single"): ("ok", None),
    ("litters", "single"): ("ok", None),
    ("good", "ddp"): ("ok", None),
    ("raises", "single"): ("error", "ValueError: the data is wrong (bad.py:LINE)"),
    ("oom", "single"): ("oom", "RuntimeError: [enforce fail at alloc_cpu.cpp"),
    ("segfault", "single"): (
        "crashed",
        "a worker was killed by SIGSEGV (a bug in native code; the log's last lines show the Python stack)",
    ),
    ("endless", "single"): ("timeout", KILLED),
    ("exits", "single"): (
        "crashed",
        "a worker ended with exit code 3 and left no result; something called exit",
    ),
    ("exits_0", "single"): (
        "crashed",
        "a worker ended with exit code 0 and left no result; something called exit",
    ),
    ("system_exit", "single"): ("error", "SystemExit: 0 (bad.py:LINE)"),
    ("nan", "single"): ("error", "the loss is nan on rank 0; timings of it mean nothing"),
    ("vector", "single"): ("error", "compute_loss returned shape (32, 3); a loss is a scalar tensor (take .mean())"),
    ("detached", "single"): (
        "error",
        "compute_loss returned a tensor that needs no gradient; do not detach it or use no_grad",
    ),
    ("nothing", "single"): ("error", "workload 'bad.py:nothing'"),
    ("hangs_in_a_collective", "ddp"): ("timeout", KILLED),
    ("one_exits", "ddp"): (
        "crashed",
        "a worker ended with exit code 3 and left no result; something called exit",
    ),
    ("one_is_killed", "ddp"): (
        "crashed",
        "a worker was killed by SIGKILL (often the kernel's out-of-memory killer)",
    ),
    ("one_raises", "ddp"): ("error", "ValueError: only rank 1 (bad.py:LINE)"),
}
"""Workload and strategy to status and the beginning of the reason."""

COLUMNS = """
    case_id workload device strategy precision compile input loop batch_size
    global_batch_size num_devices num_nodes status reason rounds samples step_seconds step_seconds_low
    step_seconds_high forward_seconds backward_seconds optimizer_seconds h2d_seconds first_step_seconds compile_seconds
    throughput_samples_per_second throughput_items_per_second item peak_allocated_bytes peak_reserved_bytes
    memory_source process_peak_bytes speedup speedup_low speedup_high reference_case_id step_flops flops_per_second
    mfu_ratio parameters final_loss flags
"""
"""Of results.csv, as the design promises them; others may follow."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BadRun:
    """The one run that the tests below look at."""

    ended: subprocess.CompletedProcess[str]
    sandbox: Sandbox
    out: Path
    results: Mapping[tuple[str, str], CaseResult]
    """Workload and strategy to the one visit."""
    table: pd.DataFrame


@pytest.fixture(name="bad_run", scope="module")
def _bad_run(make_sandbox: Callable[[], Sandbox]) -> BadRun:
    sandbox = make_sandbox()
    (sandbox.directory / "bad.py").write_text(WORKLOADS)
    singles, ranks = (
        [f"bad.py:{name}" for name, under in EXPECTED if under == strategy] for strategy in ("single", "ddp")
    )
    (sandbox.directory / "bad.toml").write_text(
        f'schema = 1\n[[case]]\nworkload = {singles}\n[[case]]\nworkload = {ranks}\nstrategy = "ddp"\nnum_devices = 2\n'
    )
    options = ("--suite", "bad.toml", "--rounds", "1", "--timeout", str(TIMEOUT), "--out", "out")
    ended = sandbox.run(*options, deadline=300.0)
    out = sandbox.directory / "out"
    results = frame.load(out).results
    return BadRun(
        ended=ended,
        sandbox=sandbox,
        out=out,
        results={(entry.case.workload.partition(":")[2], entry.case.strategy): entry for entry in results},
        table=pd.read_csv(out / "results.csv"),
    )


def test_every_case_has_one_row(bad_run: BadRun) -> None:
    assert bad_run.results.keys() == EXPECTED.keys()
    assert len(bad_run.table) == len(EXPECTED) == len(frame.load(bad_run.out).results)


@pytest.mark.parametrize(("workload", "strategy"), EXPECTED, ids=str)
def test_each_end_has_its_status_and_its_reason(bad_run: BadRun, workload: str, strategy: str) -> None:
    result = bad_run.results[workload, strategy]
    status, reason = EXPECTED[workload, strategy]
    assert (result.status, result.reason if reason is None else None) == (status, None), result
    if reason is not None:
        assert "\n" not in str(result.reason)
        beginning, line, end = reason.partition("LINE")
        assert str(result.reason).startswith(beginning)
        assert not line or str(result.reason).removeprefix(beginning).removesuffix(end).isdigit()
        assert result.failure is not None


def test_the_exit_status_says_that_some_cases_failed(bad_run: BadRun) -> None:
    assert bad_run.ended.returncode == 4


@pytest.mark.parametrize(
    ("workload", "strategy", "rank", "line"),
    [
        ("endless", "single", "0", "in spin_for_ever"),
        ("hangs_in_a_collective", "ddp", "0", "in barrier"),
        ("hangs_in_a_collective", "ddp", "1", "in compute_loss"),
        ("segfault", "single", "0", "in string_at"),
        ("raises", "single", "0", "and this is a second line"),
        ("one_raises", "ddp", "1", "ValueError: only rank 1"),
    ],
)
def test_the_journal_keeps_where_it_happened(
    bad_run: BadRun, workload: str, strategy: str, rank: str, line: str
) -> None:
    failure = bad_run.results[workload, strategy].failure
    assert failure is not None
    assert line in "\n".join(failure.log_tail[rank])


def test_the_good_rows_are_whole(bad_run: BadRun) -> None:
    for key in (("good", "single"), ("good", "ddp"), ("litters", "single")):
        measurement = bad_run.results[key].measurement
        assert measurement is not None
        assert measurement.window_steps >= MIN_STEPS  # more only where steps are short, which a busy moment makes long
        assert measurement.parameters == 8 * 3 + 3
        assert (measurement.peak_allocated_bytes or 0) > 0
    table = bad_run.table.set_index(["workload", "strategy"])
    good = table[table["status"] == "ok"]
    for column in (
        "step_seconds",
        "forward_seconds",
        "backward_seconds",
        "throughput_samples_per_second",
        "parameters",
    ):
        assert (good[column] > 0).all()
        assert table.drop(index=good.index)[column].isna().all()
    assert good.loc[("bad.py:good", "ddp"), "num_devices"] == 2
    assert good["global_batch_size"].unique().tolist() == [32]


def test_all_files_of_a_run_are_there(bad_run: BadRun) -> None:
    names = {path.name for path in bad_run.out.iterdir()}
    tables = {"results.jsonl", "environment.json", "results.csv", "samples.csv.gz"}
    assert tables | {"report.html", "throughput.png", "memory.png", "phases.png"} <= names
    assert all(path.stat().st_size > 0 for path in bad_run.out.iterdir())
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in bad_run.out.glob("*.png"))


def test_the_table_has_the_promised_columns_in_the_promised_order(bad_run: BadRun) -> None:
    promised = COLUMNS.split()
    assert list(bad_run.table.columns)[: len(promised)] == promised


def test_the_samples_are_those_of_the_good_rows(bad_run: BadRun) -> None:
    samples = pd.read_csv(bad_run.out / "samples.csv.gz")
    assert list(samples.columns) == ["case_id", "round", "step_index", "is_warmup", "phase", "seconds"]
    good = bad_run.table[bad_run.table["status"] == "ok"]
    assert set(samples["case_id"]) == set(good["case_id"])
    assert set(samples["phase"]) == {"forward", "backward", "optimizer", "step"}


def test_the_console_names_every_failure_once_and_the_files(bad_run: BadRun) -> None:
    shown = bad_run.ended.stdout
    assert all(name in shown for name, _ in EXPECTED)
    assert "results.csv" in shown
    assert "Traceback" not in shown + bad_run.ended.stderr


def test_progress_is_plain_lines_on_standard_error(bad_run: BadRun) -> None:
    lines = bad_run.ended.stderr.splitlines()
    bad = [line for line in lines if "bad.py_segfault" in line]
    assert len(bad) == 1
    assert ": crashed: a worker was killed by SIGSEGV" in bad[0]
    assert sum("ms a step in the first round" in line for line in lines) == 3


def test_piped_output_has_no_colours(bad_run: BadRun) -> None:
    assert "\x1b" not in bad_run.ended.stdout + bad_run.ended.stderr


def test_neither_process_nor_temp_file_nor_shared_memory_is_left(bad_run: BadRun) -> None:
    assert bad_run.sandbox.leftovers() == []


def test_nothing_but_the_destination_was_written(bad_run: BadRun) -> None:
    assert {name.split("/")[0] for name in bad_run.sandbox.files()} == {"bad.py", "bad.toml", "out"}
