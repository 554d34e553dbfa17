"""What the fixture `train_step` does: fresh workers through pytest-benchmark, and the bars of a test."""

import contextlib
import dataclasses
import itertools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.comparing.comparison import compare
from bench.comparing.pytest_benchmark import Benchmark, Document, document_of, read_document
from bench.comparing.sides import Side, figures_of, figures_of_benchmark
from bench.errors import BenchError, UsageError
from bench.exporting.pytest_benchmark import extra_info
from bench.flags import DOUBTFUL
from bench.metrics import step_seconds
from bench.pytest_plugin import ReplayTimer
from bench.result import CaseResult, Plan, SamplingPlan
from bench.results.frame import Run
from bench.results.rows import Row, rows
from bench.running.matrix import PlannedCase, expand, num_processes
from bench.running.pool import Pool, usual_start_method
from bench.statistics import MARGIN_RATIO, Interval
from bench.suite import AxisValues, Suite, check_axis_value, check_workload
from bench.workload_spec import canonical_workload

ROUNDS = 8
"""The fewest after which a 95 % interval over workers holds what it says."""
TIMEOUT_SECONDS = 60.0
NUM_SERVERS = 3
"""As of a run."""


class InconclusiveWarning(UserWarning):
    """A bar passed because nothing could be told."""


class StepError(BenchError):
    """A worker did not come to its end; the text says how it ended, and what it wrote last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A training step that was timed; figures as in results.csv."""

    _row: Row
    _side: Side
    _saved: Callable[[str], Side | None]

    @property
    def seconds(self) -> float:
        """Of a step: the geometric mean over workers."""
        return self["step_seconds"]

    @property
    def interval(self) -> Interval:
        """The same with the ends of its 95 % interval; without them where one worker is all there was."""
        found = self._row.interval("step_seconds")
        assert found is not None
        return found

    @property
    def samples_per_second(self) -> float:
        """Throughput over all devices."""
        return self["throughput_samples_per_second"]

    @property
    def peak_memory(self) -> int:
        """Bytes in tensors at the peak of a step, on the fullest device."""
        return int(self["peak_allocated_bytes"])

    @property
    def flags(self) -> tuple[str, ...]:
        """Reasons to doubt it."""
        return self._row.flags

    def __getitem__(self, column: str) -> float:
        """
        Return a figure by its column of results.csv, such as ``operators`` or ``forward_seconds``.

        Raises:
            KeyError: If it is not known of this step, or is no number.
        """
        value = self._row.columns.get(column)
        if not isinstance(value, (int, float)):
            raise KeyError(f"no figure '{column}' is known of {self._row.case.slug}")
        return float(value)

    def must_not_be_slower_than(self, name: str, *, margin: float = MARGIN_RATIO) -> None:
        """
        Fail the test if the step takes longer than in the saved benchmarks called *name*, by the rule of `compare`.

        Both were timed at their own time, and a shared machine may differ from itself by more than *margin*; `ab` is
        the stricter judge. What cannot be told, such as of a step with a doubtful flag, is an `InconclusiveWarning`.

        Args:
            name: Of ``--benchmark-save=NAME``, or the path of a file of pytest-benchmark. While a run saves under this
                name it is its own baseline. Where pytest-benchmark is disabled, as under xdist, nothing is judged.
            margin: The smallest change that matters.
        """
        with told_in_a_line():
            base = self._saved(name)
        if base is None:
            return
        found = compare(base, self._side, margin)
        again = f"save it again with --benchmark-save={name}"
        if hard := [difference for difference in found.differences if difference.is_hard]:
            pytest.fail(f"'{name}' was saved elsewhere: {hard[0]}; {again}", pytrace=False)
        if not found.rows:
            pytest.fail(f"'{name}' was saved of another case than {self._row.case.slug}; {again}", pytrace=False)
        (row,) = found.rows
        if row.ratio is None:
            pytest.fail(f"'{name}': {row.gap or row.why}; {again}", pytrace=False)
        if row.verdict == "slower":
            assert row.ratio.low is not None
            least = f"at least {_more(row.ratio.low)}"
            pytest.fail(f"slower than '{name}' by {_more(row.ratio.value)}, {least}", pytrace=False)
        if row.verdict == "inconclusive":
            is_base = any(not DOUBTFUL.isdisjoint(figures.flags) for figures in base.cases.values())
            why = f"{row.why}; the baseline is, {again}" if is_base else row.why
            warnings.warn(f"not slower than '{name}' for all that is known: {why}", InconclusiveWarning, stacklevel=2)


def _more(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


@dataclasses.dataclass(kw_only=True)
class Stepper:
    """The fixture: called with a workload and axes, it returns a `Step`; once in a test."""

    request: pytest.FixtureRequest
    benchmark: Any
    pool: Pool
    timer: ReplayTimer
    _is_used: bool = False

    def __call__(
        self,
        workload: str | Callable[[], Any],
        *,
        device: str | None = None,
        strategy: str = "single",
        precision: str = "fp32",
        compile: str = "eager",  # noqa: A002 (the name of the axis)
        input: str = "resident",  # noqa: A002 (the same)
        loop: str = "clean",
        batch_size: int | None = None,
        global_batch_size: int | None = None,
        num_devices: int | None = None,
        rounds: int = ROUNDS,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Step:
        """
        Time a training step; a mistake fails the test in one line.

        Args:
            workload: As on the command line, a path from the test's folder or the current one; or a function at the
                top of a file.
            device: By default the accelerator, where there is one.
            strategy: As on the command line; so are the following.
            precision: See above.
            compile: See above.
            input: See above.
            loop: See above.
            batch_size: Per device.
            global_batch_size: Over all devices; instead of *batch_size*.
            num_devices: Processes, or replicas.
            rounds: Fresh workers; one where pytest-benchmark is disabled, as it is under xdist.
            timeout: Seconds of one worker.
        """
        texts = {"strategy": strategy, "precision": precision, "compile": compile, "input": input, "loop": loop}
        numbers = {"batch_size": batch_size, "global_batch_size": global_batch_size, "num_devices": num_devices}
        with told_in_a_line():
            if self._is_used:
                raise UsageError("train_step: a test times one step; use pytest.mark.parametrize for others")
            self._is_used = True
            if self.benchmark._timer != self.timer.read:  # noqa: SLF001 (it has no public way to it)
                raise UsageError("train_step: 'benchmark' was made before it; ask for train_step alone")
            _check_numbers({**numbers, "rounds": rounds})
            planned = self._planned(self._spec(workload), device, texts, numbers)
        if planned.status is not None:
            pytest.skip(f"{planned.status}: {planned.reason}")
        with told_in_a_line():
            return self._timed(planned, rounds, timeout)

    def _timed(self, planned: PlannedCase, rounds: int, timeout: float) -> Step:
        results: list[CaseResult] = []
        indices = itertools.count()

        def visit() -> None:
            results.append(self._visit(planned.case, next(indices), timeout))
            figures = results[-1].figures
            assert figures is not None
            self.timer.advance(step_seconds(figures))

        # A worker warms up by itself, and counts one round.
        self.benchmark.pedantic(visit, rounds=rounds, iterations=1, warmup_rounds=0)
        plan = Plan(
            cases=(planned.case,), sampling=SamplingPlan(rounds=len(results)), environment=self.pool.environment
        )
        run = Run(directory=None, plan=plan, results=results)
        (row,) = rows(run)
        self.benchmark.extra_info.update(extra_info(row, run))
        side = Side(name="now", environment=plan.environment, cases=figures_of(plan, results))
        return Step(_row=row, _side=side, _saved=self._saved)

    def _visit(self, case: Case, number: int, timeout: float) -> CaseResult:
        result = self.pool.visit(
            case,
            num_processes=num_processes(case),
            round_index=number,
            timeout_seconds=timeout,
            with_extras=number == 0,
        )
        if result.status != "ok":
            # Not pytest.fail, which pytest-benchmark does not see: it would store what was timed so far.
            tails = result.failure.last_lines if result.failure else ()
            raise StepError("\n".join([f"{case.slug}: {result.status}: {result.why}", *tails]))
        return result

    def _spec(self, workload: str | Callable[[], Any]) -> str:
        """Return how *workload* is called on the command line, from where the workers are."""
        if not isinstance(workload, str):
            from bench.api import spec_of  # noqa: PLC0415 (pandas and more, which a name needs none of)

            workload = spec_of(workload)
        file, colon, function = workload.rpartition(":")
        if not file.endswith(".py"):
            return workload
        beside = self.request.path.parent / file
        path = beside if beside.is_file() and not Path(file).is_file() else Path(file)
        # A test may have changed the current directory since the workers' was chosen.
        is_here = Path.cwd() == self.pool.place.working_directory
        return f"{os.path.relpath(path) if is_here else path.resolve()}{colon}{function}"

    def _planned(
        self, spec: str, device: str | None, texts: Mapping[str, str], numbers: Mapping[str, int | None]
    ) -> PlannedCase:
        devices = self.pool.environment.devices
        check_workload(spec, "train_step: ")
        texts = {"device": device or (devices[0].type if devices else "cpu"), **texts}
        for name, value in texts.items():
            check_axis_value(name, value, f"train_step: {name}: ")
        given = {name: number for name, number in numbers.items() if number is not None}
        if len(given.keys() & {"batch_size", "global_batch_size"}) > 1:
            raise UsageError("train_step: batch_size (per device) cannot stand beside global_batch_size (over all)")
        values: dict[str, Any] = {name: (value,) for name, value in {**texts, **given}.items()}
        table = AxisValues(workload=(canonical_workload(spec),), **values)
        (planned,) = expand(Suite(name="pytest", summary="", tables=(table,)), AxisValues(), devices, seed=0)
        return planned

    def _saved(self, name: str) -> Side | None:
        """
        Return what was saved of this test under *name*, the newest; None while it is being saved, or not timed.

        Raises:
            UsageError: If nothing was saved so.
            JournalError: If a file that is named is none of pytest-benchmark.
        """
        if self.benchmark.disabled or self.request.config.getoption("benchmark_save", default=None) == name:
            return None
        documents = [read_document(Path(name))] if name.endswith(".json") else self._stored(name)
        saved = [document.benchmarks.get(self.request.node.nodeid) for document in documents]
        ours = [found for found in saved if found and found.columns]
        if not ours:
            raise UsageError(
                f"there is no benchmark of this test saved as '{name}'; save it once with --benchmark-save={name}"
            )
        return _side(ours[-1], name)

    def _stored(self, name: str) -> list[Document]:
        """Return what the storage has under *name*, oldest first."""
        session = getattr(self.request.config, "_benchmarksession", None)  # the plugin has no public way to it
        found = session.storage.load() if session is not None else ()
        return [document_of(content, str(path)) for path, content in found if Path(path).stem.partition("_")[2] == name]


def _check_numbers(numbers: Mapping[str, int | None]) -> None:
    for name, number in numbers.items():
        if number is not None and (not isinstance(number, int) or number < 1):
            raise UsageError(f"train_step: {name}: {number!r} is no whole number above 0")


def _side(saved: Benchmark, name: str) -> Side:
    case_id = str(saved.columns.get("case_id"))
    return Side(name=name, environment=saved.environment, cases={case_id: figures_of_benchmark(name, saved)})


@contextlib.contextmanager
def told_in_a_line() -> Iterator[None]:
    """Fail the test with what an error of ours says, without the lines of this program on the way to it."""
    try:
        yield
    except BenchError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@contextlib.contextmanager
def pool(config: pytest.Config) -> Iterator[Pool]:
    """Give what starts workers: one server where pytest-benchmark is disabled, since a step then has one worker."""
    session = getattr(config, "_benchmarksession", None)  # the plugin has no public way to it
    num_servers = 1 if session is not None and session.disabled else NUM_SERVERS
    with told_in_a_line(), Pool(num_servers, usual_start_method(), dict(os.environ)) as started:
        yield started
