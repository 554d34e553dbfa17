"""
The worker: builds one case, runs blocks of steps on demand, and reports.

Three calls, so that different drivers can use it: the ordinary run (`measure`), and whatever alternates several
workers block by block.
"""

import contextlib
import dataclasses
import gc
import math
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from bench import registry
from bench.case import Case
from bench.measuring import arithmetic, memory
from bench.measuring.clock import Window
from bench.measuring.device import Device, devices_of
from bench.measuring.loading import load_workload
from bench.measuring.placement import map_tensors, tensors_of, to_channels_last
from bench.measuring.ranks import Ranks, join_ranks
from bench.measuring.sampling import samples_of, steps_per_worker
from bench.measuring.training_step import StepError, TrainingStep
from bench.measuring.warm_up import ACCELERATOR_PLAN, CPU_PLAN, warm_up
from bench.precisions import PRECISIONS
from bench.result import Measurement
from bench.strategies._base import Strategy
from bench.workload import Workload


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
    """Of this rank."""


class Worker:
    """One rank of one case."""

    def __init__(self, case: Case, *, rank: int, rendezvous: Path, deadline_seconds: float) -> None:
        self.case = case
        self.precision = PRECISIONS[case.precision]
        self.strategy: Strategy = registry.load("strategies", case.strategy).STRATEGY
        self.device: Device = devices_of(case, rank, distributed=self.strategy.distributed)
        self.ranks = Ranks()
        self.notes: list[str] = []
        self.warmup_samples: dict[str, list[float]] = defaultdict(list)
        self.first_step_seconds = self.warmup_seconds = self.first_loss = math.nan
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
        warm_up(plan, self._warm_up_block, self._evidence, self.ranks.agree)
        self.warmup_seconds = time.perf_counter() - started
        self.device.reset_peak_memory()
        memory.reset_process_peak()

    def run_block(self, steps: int) -> Block:
        """Train *steps* steps from a common barrier and return what was seen; the loss must be finite."""
        clock = self.clock
        run, border = self.step.run, clock.border
        self.ranks.barrier()
        clock.begin()
        for _ in range(steps):
            run(border)
        window = clock.end()
        self._check_loss()
        wall_seconds, rank_seconds = self._wall_of(window)
        drop_first_step = clock.drops_first_step and steps > 1
        samples = samples_of(window, self.step.phases, drop_first_step=drop_first_step)
        return Block(steps=steps, wall_seconds=wall_seconds, rank_seconds=rank_seconds, samples_seconds=samples)

    def finish(self, block: Block, *, start_seconds: float, with_memory: bool) -> Measurement:
        """
        Return the measurement whose timed window is *block*.

        Args:
            block: The last one.
            start_seconds: What it took to start this process.
            with_memory: Whether to run one more step for the CPU's allocation peak.
        """
        final_loss = self._check_loss()  # before the step for memory, which trains too
        process_peak = memory.process_peak_bytes()
        allocated, reserved = self.device.peak_memory()
        if with_memory and not self.device.is_accelerator:
            allocated = self._cpu_peak_bytes()
        peaks = self.ranks.gather([allocated or -1, reserved or -1, process_peak or -1])
        allocated, reserved, process_peak = (
            max(column) if max(column) >= 0 else None for column in zip(*peaks, strict=True)
        )
        return Measurement(
            clock=self.clock.name,
            window_seconds=block.wall_seconds,
            window_steps=block.steps,
            samples_seconds=_rounded(block.samples_seconds),
            warmup_seconds=_rounded(self.warmup_samples),
            first_step_seconds=self.first_step_seconds,
            rank_window_seconds=block.rank_seconds,
            item=self.workload.item,
            items_per_sample=self.workload.items_per_sample,
            parameters=sum(parameter.numel() for parameter in self.workload.model.parameters()),
            first_loss=self.first_loss,
            final_loss=final_loss,
            peak_allocated_bytes=allocated,
            peak_reserved_bytes=reserved,
            memory_source=None if allocated is None else "allocator",
            process_peak_bytes=process_peak,
            start_seconds=start_seconds,
            build_seconds=self.build_seconds,
            warmup_total_seconds=self.warmup_seconds,
            num_threads=torch.get_num_threads(),
            notes=tuple(self.notes),
        )

    def _build(self) -> None:
        started = time.perf_counter()
        primary = self.device.torch_devices[0]
        arithmetic.set_tf32(self.precision)
        torch.manual_seed(self.case.seed)  # the same initial parameters on every rank and in every case
        self.workload = load_workload(self.case.workload)
        if primary.type == "cpu" and (
            note := arithmetic.turn_onednn_off_where_it_has_no_lstm(self.workload.model, self.precision)
        ):
            self.notes.append(note)
        model = self.workload.model.to(primary)
        channels_last = self.workload.channels_last and self.device.is_accelerator
        if channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        model.train()
        optimizer = _optimizer_of(self.workload, model, primary)
        autocast = arithmetic.autocast_for(self.precision, primary.type)
        self.step = TrainingStep(
            model=self.strategy.wrap(model, self.device.torch_devices, autocast),
            batch=self._batch(channels_last=channels_last),
            compute_loss=self.workload.compute_loss,
            optimizer=optimizer,
            scaler=arithmetic.scaler_for(self.precision, primary.type),
            autocast=autocast,
            device=primary,
            moves_batch=self.case.input != "resident",
        )
        self.clock = self.device.clock()
        self.build_seconds = time.perf_counter() - started

    def _batch(self, *, channels_last: bool) -> Any:
        """Return this rank's batch: its own random samples, in the place that the input axis says."""
        torch.manual_seed(self.case.seed + 1 + self.ranks.rank)
        samples = self.case.batch_size if self.strategy.distributed else self.case.global_batch_size
        batch = self.workload.make_batch(samples)
        if channels_last:
            batch = map_tensors(to_channels_last, batch)
        if self.case.input == "resident":
            return map_tensors(lambda tensor: tensor.to(self.device.torch_devices[0]), batch)
        if self.case.input == "pinned":
            return map_tensors(torch.Tensor.pin_memory, batch)
        return batch

    def _warm_up_block(self, steps: int) -> float:
        is_first = not self.warmup_samples
        block = self._first_block() if is_first else self.run_block(steps)
        if is_first:
            self.first_step_seconds, self.first_loss = block.wall_seconds, self._check_loss()
        for phase, seconds in block.samples_seconds.items():
            self.warmup_samples[phase] += seconds
        return block.wall_seconds

    def _first_block(self) -> Block:
        """Run the first step; a workload that cannot be trained fails here, and is told why in its own words."""
        try:
            return self.run_block(1)
        except (StepError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:
            with contextlib.suppress(RuntimeError, TypeError, AttributeError):
                self.step.explain_failure(self.workload.model)
            raise

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

    def _cpu_peak_bytes(self) -> int:
        batch = (tensor for _, tensor in tensors_of(self.step.batch))
        state = memory.state_bytes(self.workload.model, self.step.optimizer, batch)
        state += self.strategy.extra_bytes(self.workload.model)
        return state + memory.peak_of_step_bytes(lambda: self.step.run(lambda: None))


def measure(worker: Worker, *, start_seconds: float, deadline_seconds: float, with_memory: bool) -> Measurement:
    """
    Drive *worker* through one ordinary visit: prepare, one window, finish.

    Args:
        worker: Not yet prepared.
        start_seconds: What it took to start this process.
        deadline_seconds: From the order on; how much of it is left limits the window.
        with_memory: See `Worker.finish`.
    """
    started = time.perf_counter()
    worker.prepare()
    startup_seconds = start_seconds + time.perf_counter() - started
    warm_step_seconds = min(worker.warmup_samples["step"])
    wanted = steps_per_worker(startup_seconds, warm_step_seconds, deadline_seconds - startup_seconds)
    block = worker.run_block(worker.ranks.agree(wanted))
    return worker.finish(block, start_seconds=start_seconds, with_memory=with_memory)


def _optimizer_of(workload: Workload, model: torch.nn.Module, device: torch.device) -> torch.optim.Optimizer:
    parameters: Iterable[torch.nn.Parameter] = (
        parameter for parameter in model.parameters() if parameter.requires_grad
    )
    if workload.optimizer is not None:
        return workload.optimizer(parameters)
    # Fused: one kernel instead of many, and GradScaler need not synchronise to learn whether a step is skipped.
    fused = device.type in ("cpu", "cuda", "xpu", "mps")
    return torch.optim.AdamW(parameters, lr=1e-3, fused=fused)


def _rounded(samples: dict[str, list[float]]) -> dict[str, tuple[float, ...]]:
    """Return *samples* to the nanosecond, the resolution of the clock, so that the journal holds no noise digits."""
    return {phase: tuple(round(value, 9) for value in values) for phase, values in samples.items()}
