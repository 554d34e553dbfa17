"""
The worker: builds one case, runs blocks of steps on demand, and reports.

Three calls, so that different drivers can use it: the ordinary run (`measure`), and whatever alternates several
workers block by block.
"""

import dataclasses
import gc
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from bench import registry
from bench.case import Case
from bench.measuring import arithmetic, compiling, incidents, memory, usage
from bench.measuring.building import build
from bench.measuring.device import Device, devices_of
from bench.measuring.incidents import Incidents
from bench.measuring.ranks import Ranks, join_ranks
from bench.measuring.rocm import driver_of
from bench.measuring.sampling import MAX_STEPS, samples_of, steps_per_worker
from bench.measuring.training_step import StepError
from bench.measuring.warm_up import ACCELERATOR_PLAN, CPU_PLAN, warm_up
from bench.precisions import PRECISIONS
from bench.result import Measurement, Usage
from bench.strategies._base import Strategy

LEAD_STEPS = 1
"""Untimed, before a window: what runs between two blocks cools the caches, and the step after it took 4 % longer."""
UNSETTLED_NOTE = "the loss scale, the allocator's reserve or a compiled graph changed during the timed window"


class NonFiniteLossError(StepError):
    """The loss is NaN or infinite, so the timings are of arithmetic that nobody wants."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """What one call of `run_block` saw."""

    steps: int
    wall_seconds: float
    """From the common barrier to the latest rank's end."""
    rank_seconds: tuple[float, ...]
    samples_seconds: dict[str, list[float]]
    """Of this rank; the first step begins on an idle device."""
    is_settled: bool
    """Whether nothing changed in it, on any rank, that makes steps unlike each other."""
    usage: Usage
    """Of the lead steps too."""
    drain_seconds: float | None
    incidents: Incidents
    """Of this rank."""


class Worker:
    """
    One rank of one case.

    Args:
        case: What it trains.
        rank: From 0.
        rendezvous: A file in which the ranks find each other.
        deadline_seconds: How long a rank waits for the others.
        mark_compiling: Called where a compiled case begins to compile, and again after the first block of the warm-up
            in which it compiled nothing.
    """

    def __init__(
        self,
        case: Case,
        *,
        rank: int,
        rendezvous: Path,
        deadline_seconds: float,
        mark_compiling: Callable[[], None] = lambda: None,
    ) -> None:
        self._started = time.perf_counter()
        self.case = case
        self.strategy: Strategy = registry.load("strategies", case.strategy).STRATEGY
        self.device: Device = devices_of(case, rank, distributed=self.strategy.distributed)
        self.clock = self.device.clock()
        self.driver = driver_of(self.device.torch_devices)
        self.usage_meter = usage.Meter(self.driver)
        self.ranks = Ranks()
        self.is_in_step = True
        """Whether the other ranks can count on this one."""
        self.warmup_samples: dict[str, list[float]] = defaultdict(list)
        self.warmup_steps = 0
        self._mark_compiling = mark_compiling
        self._is_compiling = False
        self._compiles_from_nothing = compiling.is_cache_empty()
        self._compiling_seconds, self._compiling_steps = 0.0, 0
        self.warm_step_seconds = self.first_step_seconds = self.warmup_seconds = self.first_loss = math.nan
        if self.strategy.distributed:
            world_size = self.strategy.num_processes(case)
            self.ranks = join_ranks(rank, world_size, case.device_type, rendezvous, deadline_seconds)

    def prepare(self) -> None:
        """
        Build the workload, move it, wrap it, and warm up.

        Raises:
            StepError: If the workload cannot be trained, in one line.
        """
        self._build()
        gc.freeze()  # a full collection over the libraries' objects takes 0.2 s, and would do so inside some step
        started = time.perf_counter()
        plan = ACCELERATOR_PLAN if self.device.is_accelerator else CPU_PLAN
        warm_up(plan, self._warm_up_block, self.ranks.agree)
        self._be_compiling(is_compiling=False)
        compiling.end_helpers()
        self.warmup_seconds = time.perf_counter() - started
        self.device.reset_peak_memory()
        memory.reset_process_peak()

    @property
    def compile_seconds(self) -> float | None:
        """What the blocks of the warm-up that compiled took above their usual steps; None where none did."""
        if not self._compiling_steps:
            return None
        return max(0.0, self._compiling_seconds - self._compiling_steps * self.warm_step_seconds)

    def run_block(self, steps: int, lead_steps: int = 0) -> Block:
        """
        Train from a common barrier and return what was seen; the loss must be finite.

        Args:
            steps: To time.
            lead_steps: To train before the barrier, untimed.
        """
        run, clock, border = self.step.run, self.clock, self.clock.border
        # Before the lead: the kernel's files cool the caches, and between lead and window that makes steps 1 % longer.
        before, usage_before = incidents.look(self.step, self.device), self.usage_meter.read()
        self.train(lead_steps)
        self.ranks.barrier()
        clock.begin()
        for _ in range(steps):
            run(border)
        window = clock.end()
        used = self.usage_meter.read().since(usage_before)
        self._check_loss()
        after = incidents.look(self.step, self.device)
        answers = self.ranks.gather([window.start_ns, window.end_ns, int(after == before), *used])
        starts_ns, ends_ns, settled = zip(*(answer[:3] for answer in answers), strict=True)
        # On one machine the ranks' monotonic clocks are one clock, so the window of all runs from the first one that
        # left the barrier to the last one that ended.
        return Block(
            steps=steps,
            wall_seconds=(max(ends_ns) - min(starts_ns)) / 1e9,
            rank_seconds=tuple((end - start) / 1e9 for start, end in zip(starts_ns, ends_ns, strict=True)),
            samples_seconds=samples_of(window, self.step.phases),
            is_settled=all(settled),
            usage=usage.usage_of([answer[3:] for answer in answers]),
            drain_seconds=window.drain_seconds,
            incidents=incidents.between(before, after, self.step.scaler),
        )

    def train(self, steps: int) -> None:
        """Train *steps* steps that nobody looks at."""
        for _ in range(steps):
            self.step.run(_no_border)

    def finish(self, block: Block, *, start_seconds: float) -> Measurement:
        """
        Return the measurement whose timed window is *block*.

        Args:
            block: The last one.
            start_seconds: What it took to start this process.

        Raises:
            StepError: If the case was not computed as its precision says.
        """
        arithmetic.check_tf32(PRECISIONS[self.case.precision], self.case.device_type)
        allocated, reserved, process_peak = self._largest(*self.device.peak_memory(), memory.process_peak_bytes())
        (foreign_processes,) = self._largest(self.driver.foreign_processes())
        notes = (compiling.uncompiled_note(self.case.compile), None if block.is_settled else UNSETTLED_NOTE)
        skipped = int(self.clock.drops_first_step and block.steps > 1)
        return Measurement(
            clock=self.clock.name,
            window_seconds=block.wall_seconds,
            window_steps=block.steps,
            samples_seconds=_rounded({phase: values[skipped:] for phase, values in block.samples_seconds.items()}),
            warmup_seconds=_rounded(self.warmup_samples),
            warmup_steps=self.warmup_steps,
            first_step_seconds=self.first_step_seconds,
            compile_seconds=self.compile_seconds,
            compiles_from_nothing=self._compiles_from_nothing,
            rank_window_seconds=block.rank_seconds,
            item=self.built.workload.item,
            items_per_sample=self.built.workload.items_per_sample,
            parameters=sum(parameter.numel() for parameter in self.built.workload.model.parameters()),
            first_loss=self.first_loss,
            final_loss=self._check_loss(),
            peak_allocated_bytes=allocated,
            peak_reserved_bytes=reserved,
            memory_source=None if allocated is None else "allocator",
            process_peak_bytes=process_peak,
            start_seconds=start_seconds,
            build_seconds=self.build_seconds,
            warmup_total_seconds=self.warmup_seconds,
            num_threads=torch.get_num_threads(),
            rank_forward_seconds=self._rank_forward_seconds(block),
            usage=block.usage,
            drain_seconds=block.drain_seconds,
            foreign_processes=foreign_processes,
            allocator_retries=block.incidents.allocator_retries,
            skipped_steps=block.incidents.skipped_steps,
            window_compilations=block.incidents.compilations,
            notes=(*self.built.notes, *(note for note in notes if note)),
        )

    def _largest(self, *values: int | None) -> list[int | None]:
        """Return the largest of each value over the ranks; None where no rank knows it."""
        answers = self.ranks.gather([-1 if value is None else value for value in values])
        return [max(column) if max(column) >= 0 else None for column in zip(*answers, strict=True)]

    def _rank_forward_seconds(self, block: Block) -> tuple[float, ...]:
        own_ns = round(1e9 * statistics.median(block.samples_seconds["forward"]))
        return tuple(known / 1e9 for (known,) in self.ranks.gather([own_ns]))

    def _build(self) -> None:
        self.built = build(self.case, self.strategy, self.device, self.ranks.rank)
        self.step = self.built.step
        self.build_seconds = time.perf_counter() - self._started

    def _warm_up_block(self, steps: int) -> tuple[float, bool]:
        is_first = self.warmup_steps == 0
        if is_first:
            self._be_compiling(is_compiling=self.case.is_compiled)
        block = self._first_block() if is_first else self.run_block(steps)
        if is_first:
            self.first_step_seconds, self.first_loss = block.wall_seconds, self._check_loss()
        self.warm_step_seconds = statistics.median(block.samples_seconds["step"])
        self.warmup_steps += steps
        if block.incidents.compilations:
            self._compiling_seconds += block.wall_seconds
            self._compiling_steps += steps
        elif not is_first:
            self._be_compiling(is_compiling=False)
        for phase, values in block.samples_seconds.items():
            room = MAX_STEPS - len(self.warmup_samples[phase])  # the first ones are those that people look at
            self.warmup_samples[phase] += values[:room]
        # Of a block that compiled, what it would have taken without: only that is warm-up.
        usual_seconds = steps * min(block.samples_seconds["step"])
        return usual_seconds if block.incidents.compilations else block.wall_seconds, block.is_settled

    def _be_compiling(self, *, is_compiling: bool) -> None:
        """Note a change, for whoever keeps the deadline."""
        if is_compiling != self._is_compiling:
            self._is_compiling = is_compiling
            self._mark_compiling()

    def _first_block(self) -> Block:
        """Run the first step; a workload that cannot be trained fails here, and is told why in its own words."""
        try:
            return self.run_block(1)
        except (StepError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            self._explain(error)
            raise

    def _explain(self, error: Exception) -> None:
        try:
            self.step.explain_failure(self.built.workload.model, error)
        except StepError:
            raise
        except Exception:  # noqa: BLE001 (most likely the same again; the first is the one to show)
            return

    def _check_loss(self) -> float:
        assert self.step.loss is not None
        loss = float(self.step.loss)
        if not math.isfinite(loss):
            raise NonFiniteLossError(f"the loss is {loss} on rank {self.ranks.rank}; timings of it mean nothing")
        return loss


def measure(worker: Worker, *, ordered_at_ns: int, start_seconds: float, deadline_seconds: float) -> Measurement:
    """
    Drive *worker* through one ordinary visit: prepare, one window, finish.

    Args:
        worker: Not yet prepared.
        ordered_at_ns: `time.monotonic_ns` when the visit was ordered; the deadline counts from there.
        start_seconds: What it took to start this process.
        deadline_seconds: How much of it is left limits the window; compilation does not count.
    """
    worker.prepare()
    startup_seconds = (time.monotonic_ns() - ordered_at_ns) / 1e9 - (worker.compile_seconds or 0.0)
    wanted = steps_per_worker(startup_seconds, worker.warm_step_seconds, deadline_seconds - startup_seconds)
    steps = worker.ranks.agree(wanted)
    block = worker.run_block(steps, LEAD_STEPS)
    if not block.is_settled and worker.ranks.agree(int(2 * block.wall_seconds < deadline_seconds - startup_seconds)):
        worker.device.reset_peak_memory()
        block = worker.run_block(steps, LEAD_STEPS)
    return worker.finish(block, start_seconds=start_seconds)


def _no_border() -> None:
    pass


def _rounded(samples: dict[str, list[float]]) -> dict[str, tuple[float, ...]]:
    """Return *samples* to the nanosecond, the resolution of the clock, so that the journal holds no noise digits."""
    return {phase: tuple(round(value, 9) for value in values) for phase, values in samples.items()}
