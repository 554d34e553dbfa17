"""What the fixture `train_step` does: fresh workers through pytest-benchmark, and the bars of a test."""

import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.comparing.pytest_benchmark import WORKERS_KEY, worker_seconds
from bench.errors import UsageError
from bench.exporting.pytest_benchmark import extra_info
from bench.fingerprint import hard_keys
from bench.metrics import step_seconds
from bench.pytest_plugin import ReplayTimer
from bench.result import CaseResult, Plan, SamplingPlan
from bench.results.frame import Run
from bench.results.rows import Row, rows
from bench.running.matrix import PlannedCase, expand, num_processes
from bench.running.pool import Pool, usual_start_method
from bench.statistics import MARGIN_RATIO, Interval, unpaired_ratio, verdict_of
from bench.suite import AxisValues, Suite, check_axis_value, check_workload
from bench.workload_spec import canonical_workload

ROUNDS = 8
"""The fewest after which a 95 % interval over workers holds what it says."""
TIMEOUT_SECONDS = 60.0
NUM_SERVERS = 3
"""As of a run."""
FINGERPRINT = "stepbench_fingerprint"
"""Key of the hard keys in a benchmark's `extra_info`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A training step that was timed; figures as in results.csv."""

    _row: Row
    _seconds: Sequence[float]
    _benchmarks: Callable[[str], Iterator[Mapping[str, Any]]]

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
            KeyError: If it is not known of this step.
        """
        value = self._row.number(column)
        if value is None:
            raise KeyError(f"{column} is not known of {self._row.case.slug}")
        return value

    def must_not_be_slower_than(self, name: str, *, margin: float = MARGIN_RATIO) -> None:
        """
        Fail the test if the step takes longer than in the saved benchmarks called *name*, certainly and by *margin*.

        Args:
            name: Of ``--benchmark-save=NAME``, or the path of a file of pytest-benchmark. While a run saves under this
                name it is its own baseline.
            margin: The smallest change that matters.
        """
        saved = list(self._benchmarks(name))
        if not saved:  # it is being saved
            return
        theirs = saved[-1]
        if theirs["extra_info"].get(FINGERPRINT) != self._row.columns[FINGERPRINT]:
            pytest.fail(f"'{name}' was saved on another machine or with other versions; save one here", pytrace=False)
        ratio = unpaired_ratio(self._seconds, worker_seconds(theirs))
        if verdict_of(ratio, margin) == "slower":
            low, high = ratio.low or ratio.value, ratio.high or ratio.value
            ends = f"{100 * (low - 1):+.1f} to {100 * (high - 1):+.1f} %"
            pytest.fail(f"slower than '{name}' by {100 * (ratio.value - 1):.1f} % ({ends})", pytrace=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stepper:
    """The fixture: called with a workload and axes, it returns a `Step`; once in a test."""

    request: pytest.FixtureRequest
    benchmark: Any
    pool: Pool
    timer: ReplayTimer

    def __call__(
        self,
        workload: str | Callable[[], Any],
        *,
        device: str | None = None,
        strategy: str = "single",
        precision: str = "fp32",
        compile: str = "eager",  # noqa: A002 (the name of the axis)
        batch_size: int | None = None,
        num_devices: int | None = None,
        rounds: int = ROUNDS,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Step:
        """
        Time a training step.

        Args:
            workload: As on the command line, a path from the test's folder or the current one; or a function at the
                top of a file.
            device: By default the accelerator, where there is one.
            strategy: As on the command line; so are the following.
            precision: See above.
            compile: See above.
            batch_size: Per device.
            num_devices: Processes, or replicas.
            rounds: Fresh workers; one where pytest-benchmark is disabled, as it is under xdist.
            timeout: Seconds of one worker.

        Raises:
            UsageError: If a value is not known; one line.
        """
        axes = {"device": device, "strategy": strategy, "precision": precision, "compile": compile}
        planned = self._planned(self._spec(workload), axes, batch_size, num_devices)
        if planned.status is not None:
            pytest.skip(f"{planned.status}: {planned.reason}")
        results: list[CaseResult] = []
        numbers = itertools.count()

        def visit() -> None:
            results.append(self._visit(planned, next(numbers), timeout))
            figures = results[-1].figures
            assert figures is not None
            self.timer.advance(step_seconds(figures))

        # A worker warms up by itself, and counts one round.
        self.benchmark.pedantic(visit, rounds=rounds, iterations=1, warmup_rounds=0)
        plan = Plan(
            cases=(planned.case,),
            sampling=SamplingPlan(rounds=len(results), min_rounds=len(results)),
            environment=self.pool.environment,
        )
        (row,) = rows(Run(directory=None, plan=plan, results=results))
        fingerprint = dict(hard_keys(plan.environment))
        row = dataclasses.replace(row, columns={**row.columns, FINGERPRINT: fingerprint})
        seconds = [step_seconds(found.figures) for found in results if found.figures]
        self.benchmark.extra_info.update({**extra_info(row), WORKERS_KEY: seconds})
        return Step(_row=row, _seconds=seconds, _benchmarks=self._saved)

    def _visit(self, planned: PlannedCase, number: int, timeout: float) -> CaseResult:
        case = planned.case
        result = self.pool.visit(
            case,
            num_processes=num_processes(case),
            round_index=number,
            timeout_seconds=timeout,
            with_extras=number == 0,
        )
        if result.status != "ok":
            tails = (line for lines in (result.failure.log_tail if result.failure else {}).values() for line in lines)
            pytest.fail("\n".join([f"{case.slug}: {result.status}: {result.why}", *tails]), pytrace=False)
        return result

    def _spec(self, workload: str | Callable[[], Any]) -> str:
        if not isinstance(workload, str):
            from bench.api import spec_of  # noqa: PLC0415 (pandas and more, which a name needs none of)

            return spec_of(workload)
        file, colon, function = workload.rpartition(":")
        beside = self.request.path.parent / file
        if file.endswith(".py") and not Path(file).is_file() and beside.is_file():
            return f"{os.path.relpath(beside)}{colon}{function}"
        return workload

    def _planned(
        self, spec: str, axes: Mapping[str, str | None], batch_size: int | None, num_devices: int | None
    ) -> PlannedCase:
        devices = self.pool.environment.devices
        check_workload(spec, "train_step: ")
        given = {name: value for name, value in axes.items() if value is not None}
        given.setdefault("device", devices[0].type if devices else "cpu")
        for name, value in given.items():
            check_axis_value(name, value, f"train_step: {name}: ")
        values: dict[str, Any] = {name: (value,) for name, value in given.items()}
        table = AxisValues(
            workload=(canonical_workload(spec),),
            batch_size=None if batch_size is None else (batch_size,),
            num_devices=None if num_devices is None else (num_devices,),
            **values,
        )
        planned = expand(Suite(name="pytest", summary="", tables=(table,)), AxisValues(), devices, seed=0)
        if len(planned) != 1:
            raise UsageError(f"train_step: these values make {len(planned)} cases, not one")
        return planned[0]

    def _saved(self, name: str) -> Iterator[Mapping[str, Any]]:
        """
        Yield the benchmarks of this test that were saved under *name*, oldest first.

        Raises:
            UsageError: If nothing was saved so.
        """
        documents = [json.loads(Path(name).read_text(encoding="utf-8"))] if name.endswith(".json") else []
        session = getattr(self.request.config, "_benchmarksession", None)  # the plugin has no public way to it
        if not documents and session is not None:
            documents = [
                content for path, content in session.storage.load() if Path(path).stem.partition("_")[2] == name
            ]
        found = [
            one
            for content in documents
            for one in content["benchmarks"]
            if one["fullname"] == self._name and worker_seconds(one)
        ]
        saving = self.request.config.getoption("benchmark_save", default=None)
        if not found and saving != name:
            raise UsageError(
                f"there is no benchmark of this test saved as '{name}'; save it once with --benchmark-save={name}"
            )
        yield from found

    @property
    def _name(self) -> str:
        return str(self.request.node.nodeid)


def pool() -> Pool:
    """Return what starts workers, once it is entered."""
    return Pool(NUM_SERVERS, usual_start_method(), dict(os.environ))
