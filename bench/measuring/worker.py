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
from pathlib import Path

import torch

from bench import registry
from bench.case import Case
from bench.measuring import arithmetic, memory
from bench.measuring.building import build
from bench.measuring.clock import Window
from bench.measuring.device import Device, devices_of
from bench.measuring.placement import tensors_of
from bench.measuring.ranks import Ranks, join_ranks
from bench.measuring.sampling import MAX_STEPS, samples_of, steps_per_worker
from bench.measuring.training_step import StepError
from bench.measuring.warm_up import ACCELERATOR_PLAN, CPU_PLAN, warm_up
from bench.precisions import PRECISIONS
from bench.result import Measurement
from bench.strategies._base import Strategy

UNSETTLED_NOTE = "the loss scale or the allocator's reserve changed during the timed window"


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


class Worker:
    """One rank of one case."""

    def __init__(self, case: Case, *, rank: int, rendezvous: Path, deadline_seconds: float) -> None:
        self._started = time.perf_counter()
        self.case = case
        self.strategy: Strategy = registry.load("strategies", case.strategy).STRATEGY
        self.device: Device = devices_of(case, rank, distributed=self.strategy.distributed)
        self.clock = self.device.clock()
        self.ranks = Ranks()
        self.notes: list[str] = []
        self.warmup_samples: dict[str, list[float]] = defaultdict(list)
        self.warmup_steps = 0
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
        self.warmup_seconds = time.perf_counter() - started
        self.device.reset_peak_memory()
        memory.reset_process_peak()

    def run_block(self, steps: int) -> Block:
        """Train *steps* steps from a common barrier and return what was seen; the loss must be finite."""
        run, clock = self.step.run, self.clock
        border, before = clock.border, self._evidence()
        self.ranks.barrier()
        clock.begin()
        for _ in range(steps):
            run(border)
        window = clock.end()
        self._check_loss()
        wall_seconds, rank_seconds = self._wall_of(window)
        return Block(
            steps=steps,
            wall_seconds=wall_seconds,
            rank_seconds=rank_seconds,
            samples_seconds=samples_of(window, self.step.phases),
            is_settled=self.ranks.everywhere(self._evidence() == before),
        )

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
        peaks = self.ranks.gather([known or -1 for known in (*self.device.peak_memory(), memory.process_peak_bytes())])
        allocated, reserved, process_peak = (
            max(column) if max(column) > 0 else None for column in zip(*peaks, strict=True)
        )
        skipped = int(self.clock.drops_first_step and block.steps > 1)
        return Measurement(
            clock=self.clock.name,
            window_seconds=block.wall_seconds,
            window_steps=block.steps,
            samples_seconds=_rounded({phase: values[skipped:] for phase, values in block.samples_seconds.items()}),
            warmup_seconds=_rounded(self.warmup_samples),
            warmup_steps=self.warmup_steps,
            first_step_seconds=self.first_step_seconds,
            rank_window_seconds=block.rank_seconds,
            item=self.workload.item,
            items_per_sample=self.workload.items_per_sample,
            parameters=sum(parameter.numel() for parameter in self.workload.model.parameters()),
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
            notes=(*self.notes, *(() if block.is_settled else (UNSETTLED_NOTE,))),
        )

    def with_cpu_memory(self, measurement: Measurement) -> Measurement:
        """Return *measurement* with the CPU's allocation peak, from one more step; unchanged on an accelerator."""
        if self.device.is_accelerator:
            return measurement
        batch = (tensor for _, tensor in tensors_of(self.step.batch))
        state = memory.state_bytes(self.workload.model, self.step.optimizer, batch)
        state += self.strategy.extra_bytes(self.workload.model)
        peak = state + memory.peak_of_step_bytes(lambda: self.step.run(lambda: None))
        largest = max(known for (known,) in self.ranks.gather([peak]))
        return dataclasses.replace(measurement, peak_allocated_bytes=largest, memory_source="allocator")

    def _build(self) -> None:
        built = build(self.case, self.strategy, self.device, self.ranks.rank)
        self.workload, self.step = built.workload, built.step
        self.notes += built.notes
        self.build_seconds = time.perf_counter() - self._started

    def _warm_up_block(self, steps: int) -> tuple[float, bool]:
        is_first = self.warmup_steps == 0
        block = self._first_block() if is_first else self.run_block(steps)
        if is_first:
            self.first_step_seconds, self.first_loss = block.wall_seconds, self._check_loss()
        self.warm_step_seconds = statistics.median(block.samples_seconds["step"])
        self.warmup_steps += steps
        for phase, seconds in block.samples_seconds.items():
            room = MAX_STEPS - len(self.warmup_samples[phase])  # the first ones are those that people look at
            self.warmup_samples[phase] += seconds[:room]
        return block.wall_seconds, block.is_settled

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
            self.step.explain_failure(self.workload.model, error)
        except StepError:
            raise
        except Exception:  # noqa: BLE001 (most likely the same again; the first is the one to show)
            return

    def _evidence(self) -> list[object]:
        """Return what must hold still before a step counts as warm."""
        return [self.step.scaler.get_scale(), *self.device.allocator_state()]

    def _wall_of(self, window: Window) -> tuple[float, tuple[float, ...]]:
        """Return the seconds from the barrier to the latest end, and each rank's own."""
        spans_ns = self.ranks.gather([window.start_ns, window.end_ns])
        # On one machine the ranks' monotonic clocks are one clock, so the window of all runs from the first one that
        # left the barrier to the last one that ended.
        wall_ns = max(end for _, end in spans_ns) - min(start for start, _ in spans_ns)
        return wall_ns / 1e9, tuple((end - start) / 1e9 for start, end in spans_ns)

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
        deadline_seconds: How much of it is left limits the window.
    """
    worker.prepare()
    startup_seconds = (time.monotonic_ns() - ordered_at_ns) / 1e9
    wanted = steps_per_worker(startup_seconds, worker.warm_step_seconds, deadline_seconds - startup_seconds)
    steps = worker.ranks.agree(wanted)
    block = worker.run_block(steps)
    if not block.is_settled and worker.ranks.agree(int(2 * block.wall_seconds < deadline_seconds - startup_seconds)):
        worker.device.reset_peak_memory()
        block = worker.run_block(steps)
    return worker.finish(block, start_seconds=start_seconds)


def _rounded(samples: dict[str, list[float]]) -> dict[str, tuple[float, ...]]:
    """Return *samples* to the nanosecond, the resolution of the clock, so that the journal holds no noise digits."""
    return {phase: tuple(round(value, 9) for value in values) for phase, values in samples.items()}
