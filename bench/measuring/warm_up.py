"""Warm-up by evidence: enough steps, enough time, and nothing that still changes."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmUpPlan:
    """
    How long to warm up; the reasons are in docs/method.md.

    Steps and seconds are counted from the second step on: the first loads libraries, tries algorithms and compiles, and
    says nothing of how warm the rest is.
    """

    min_steps: int
    min_seconds: float
    long_enough_seconds: float
    """A step so slow that `min_steps` would take longer than this is warm after `few_steps`."""
    few_steps: int = 2
    """With the first one, DDP has rebuilt its buckets and Adam has its state."""
    block_steps: int = 5
    max_seconds: float = 60.0

    def next_steps(self, steps: int, seconds: float, *, settled: bool) -> int:
        """
        Return how many more steps to run before asking again; 0: warm.

        Args:
            steps: Run so far, without the first one.
            seconds: That they took.
            settled: Whether nothing changed in the last block.
        """
        if steps < self.few_steps:
            return self.few_steps - steps
        enough = steps >= self.min_steps and seconds >= self.min_seconds
        enough = enough or seconds >= self.long_enough_seconds
        if (enough and settled) or seconds >= self.max_seconds:
            return 0
        if enough:
            return self.block_steps
        step_seconds = seconds / steps
        missing_steps = max(self.min_steps - steps, int((self.min_seconds - seconds) / step_seconds) + 1)
        affordable_steps = int((self.long_enough_seconds - seconds) / step_seconds) + 1
        return max(1, min(missing_steps, affordable_steps))


CPU_PLAN = WarmUpPlan(min_steps=9, min_seconds=0.0, long_enough_seconds=3.0)
"""Measured on a CPU MLP: steps take 2.24, 1.51, 1.07 times the usual, and within 1 % of it from the sixth."""

ACCELERATOR_PLAN = WarmUpPlan(min_steps=20, min_seconds=2.0, long_enough_seconds=6.0, block_steps=10)
"""Clocks ramp up for about two seconds, and cuDNN tries its algorithms."""


def warm_up(plan: WarmUpPlan, run_block: Callable[[int], tuple[float, bool]], agree: Callable[[int], int]) -> None:
    """
    Run the first step, then blocks of steps until the case is warm.

    Args:
        plan: When it is.
        run_block: Runs that many steps; returns the seconds that they took, and whether nothing changed in them that
            makes steps unlike each other, such as the loss scale or the allocator's reserve.
        agree: Makes all ranks take rank 0's decision, since their clocks differ.
    """
    run_block(1)
    steps, seconds, settled = 0, 0.0, False
    while (more := agree(plan.next_steps(steps, seconds, settled=settled))) > 0:
        block_seconds, settled = run_block(more)
        seconds += block_seconds
        steps += more
