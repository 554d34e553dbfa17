"""What a rank leaves behind when its worker ends, in whatever way."""

import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing.spawn import start_processes

from bench.case import Case
from bench.errors import UsageError
from bench.measuring import process
from bench.measuring.task import TASK_FILE, Answer, Task, answer_file, log_file
from bench.measuring.training_step import StepError
from bench.record import from_plain, to_plain

DEADLINE_SECONDS = 60.0

SOURCE = """\
import os
import sys
import torch

def make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randn(batch_size, 4)

def compute_loss(model, batch):
    return torch.nn.functional.mse_loss(model(batch[0]), batch[1])

def good():
    print("to standard output")
    print("to standard error", file=sys.stderr)
    os.write(1, b"past Python\\n")
    print("variable", os.environ["OF_THE_TASK"], "OF_THE_PARENT" in os.environ, "in", os.getcwd())
    print("threads", torch.get_num_threads())
    return torch.nn.Linear(8, 4), make_batch, compute_loss

def oom():
    torch.empty(2**50)

def exits():
    sys.exit(3)
"""
LINES = {name: SOURCE.splitlines().index(text) + 1 for name, text in [("oom", "    torch.empty(2**50)")]}


@dataclasses.dataclass(frozen=True)
class End:
    """How one worker process ended."""

    exit_code: int | None
    answer: Answer
    log: str


def _run_one(index: int, folders: list[str]) -> None:
    """Run rank 0 of the task in one of *folders*."""
    process.run_rank(0, folders[index])


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, End]:
    """Run a worker for each function of the file above, side by side, in real processes."""
    root = tmp_path_factory.mktemp("process")
    (root / "models.py").write_text(SOURCE)
    functions = ["good", "oom", "exits"]
    for function in functions:
        _order(root, function)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])  # the processes import this file by its name from there
        patch.setenv("OF_THE_PARENT", "yes")
        codes = _exit_codes([str(root / function) for function in functions])
    return {function: _end(root / function, code) for function, code in zip(functions, codes, strict=True)}


def _order(root: Path, function: str) -> None:
    (root / function).mkdir()
    case = Case(workload="models.py:" + function, device="cpu", strategy="single", precision="fp32", batch_size=4)
    environment = {**os.environ, "OF_THE_TASK": "7"}
    task = Task(
        case=case,
        ordered_at_ns=time.monotonic_ns(),
        with_extras=True,
        environment=environment,
        working_directory=str(root),
    )
    (root / function / TASK_FILE).write_text(json.dumps(to_plain(task)))


def _exit_codes(folders: list[str]) -> list[int | None]:
    context = start_processes(_run_one, args=(folders,), nprocs=len(folders), join=False, start_method="spawn")
    assert context is not None
    deadline = time.monotonic() + DEADLINE_SECONDS
    for worker in context.processes:
        worker.join(max(0.0, deadline - time.monotonic()))
    codes = [worker.exitcode for worker in context.processes]
    for worker in context.processes:
        worker.kill()
        worker.join()
    return codes


def _end(folder: Path, exit_code: int | None) -> End:
    answer: Answer = from_plain(Answer, json.loads((folder / answer_file(0)).read_text()))
    return End(exit_code, answer, (folder / log_file(0)).read_text())


def test_a_worker_that_ends_well_leaves_its_measurement(ends: dict[str, End]) -> None:
    end = ends["good"]
    assert (end.exit_code, end.answer.status) == (0, "ok")
    assert end.answer.measurement is not None
    assert end.answer.measurement.window_steps >= 15
    assert end.answer.measurement.start_seconds > 0
    assert end.answer.measurement.peak_allocated_bytes is not None
    assert end.answer.measurement.counters is not None
    assert end.answer.measurement.loss_deviation_ratio == 0


def test_all_that_a_worker_prints_goes_to_its_log(ends: dict[str, End]) -> None:
    assert {"to standard output", "to standard error", "past Python"} <= set(ends["good"].log.splitlines())


def test_a_worker_has_the_environment_folder_and_threads_of_its_task(ends: dict[str, End]) -> None:
    lines = ends["good"].log.splitlines()
    folder = next(line for line in lines if line.startswith("variable "))
    assert folder.startswith("variable 7 False in ")
    assert Path(folder.removeprefix("variable 7 False in "), "models.py").is_file()
    assert "threads 1" in lines


def test_an_impossible_allocation_is_oom_and_names_its_line(ends: dict[str, End]) -> None:
    end = ends["oom"]
    assert (end.exit_code, end.answer.status) == (1, "oom")
    assert end.answer.message is not None
    assert end.answer.message.startswith("RuntimeError: ")
    assert end.answer.message.endswith(f" (models.py:{LINES['oom']})")
    assert end.answer.failed_at_ns is not None


def test_a_worker_that_exits_by_itself_is_an_error_and_names_its_line(ends: dict[str, End]) -> None:
    end = ends["exits"]
    line = SOURCE.splitlines().index("    sys.exit(3)") + 1
    assert (end.exit_code, end.answer.status) == (1, "error")
    assert end.answer.message == f"SystemExit: 3 (models.py:{line})"


def test_the_traceback_is_in_the_log(ends: dict[str, End]) -> None:
    assert "Traceback (most recent call last):" in ends["oom"].log
    assert "SystemExit: 3" in ends["exits"].log


def _caught(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 (SystemExit and KeyboardInterrupt are among what is tested)
        return error
    raise AssertionError("nothing was raised")


def _raising(error: BaseException) -> Callable[[], object]:
    def function() -> object:
        raise error

    return function


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_every_way_in_which_torch_says_that_memory_is_out_is_oom(error: Exception) -> None:
    assert process._answer_for(error).status == "oom"


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory"), KeyboardInterrupt(), KeyError()]
)
def test_anything_else_is_an_error(error: BaseException) -> None:
    assert process._answer_for(error).status == "error"


@pytest.mark.parametrize("error", [StepError("the loss is nan"), UsageError("the loss is nan")])
def test_an_error_that_is_written_for_people_stands_as_it_is(error: Exception) -> None:
    assert process._answer_for(_caught(_raising(error))).message == "the loss is nan"


def test_any_other_error_is_shown_with_its_type_first_line_and_place() -> None:
    message = process._answer_for(_caught(_raising(ValueError("\nfirst line\nsecond line")))).message
    line = _raising.__code__.co_firstlineno + 2
    assert message == f"ValueError: first line (test_process.py:{line})"


def test_an_error_without_text_is_shown_with_its_type() -> None:
    assert process._answer_for(ValueError()).message == "ValueError"


def test_the_place_is_the_users_line_and_not_one_inside_torch() -> None:
    error = _caught(lambda: torch.nn.Linear(2, 2)(torch.ones(3, 3)))
    message = process._answer_for(error).message or ""
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in message
    assert "(test_process.py:" in message


def test_the_place_is_not_inside_this_package() -> None:
    assert process._place_of(_caught(lambda: from_plain(Answer, 7))).startswith(" (test_process.py:")


@pytest.mark.parametrize("neighbour", ["benchmarks", "bench_models"])
def test_a_users_folder_beside_this_package_may_begin_with_its_name(neighbour: str) -> None:
    path = Path(process.__file__).parents[2] / neighbour / "model.py"
    code = compile("\n\nraise ValueError", str(path), "exec")
    error = _caught(lambda: exec(code, {}))  # the only way to a frame of a file that is not there
    assert process._place_of(error) == " (model.py:3)"


def test_an_answer_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    write_text = Path.write_text

    def watched_write(path: Path, *arguments: Any, **keywords: Any) -> int:
        length = write_text(path, *arguments, **keywords)
        seen.append((tmp_path / answer_file(1)).exists())
        return length

    monkeypatch.setattr(Path, "write_text", watched_write)
    process._leave_answer(tmp_path, 1, Answer(status="ok"))
    assert seen == [False]
    assert [path.name for path in tmp_path.iterdir()] == [answer_file(1)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("one line", "one line"),
        ("first\nsecond", "first"),
        ("\n  \nfirst\nsecond", "first"),
        ("", ""),
        (
            "backend='inductor' raised:\nCppCompileError: C++ compile error",
            "backend='inductor' raised: CppCompileError: C++ compile error",
        ),
        (
            "C++ compile error\n\nCommand:\ng++ a\n\nOutput:\na.cpp:1: fatal error: omp.h\nmore",
            "C++ compile error (a.cpp:1: fatal error: omp.h)",
        ),
        ("C++ compile error\nOutput:", "C++ compile error"),
    ],
)
def test_the_reason_is_the_first_line_and_what_it_announces(text: str, sentence: str) -> None:
    assert process._first_sentence(text) == sentence
