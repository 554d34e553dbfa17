"""Warm-up by evidence: enough steps, enough time, and nothing that still changes."""

import dataclasses
from collections.abc import Callable, Sequence

FIRST_STEP = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmUpPlan:
    """How long to warm up; the reasons are in docs/method.md."""

    min_steps: int
    min_seconds: float
    long_enough_seconds: float
    """A step so slow that `min_steps` would take longer than this is warm after `few_steps`."""
    few_steps: int = 3
    """DDP rebuilds its buckets within the first two steps, and an Adam step has happened."""
    block_steps: int = 5
    max_seconds: float = 60.0

    def next_steps(self, steps: int, seconds: float, *, settled: bool) -> int:
        """
        Return how many more steps to run before asking again; 0: warm.

        Args:
            steps: Run so far, the first one included.
            seconds: That they took.
            settled: Whether the evidence was the same before and after the last block.
        """
        step_seconds = seconds / steps
        long_enough = steps >= self.few_steps and seconds >= self.long_enough_seconds
        enough = (steps >= self.min_steps and seconds >= self.min_seconds) or long_enough
        if (enough and settled) or seconds >= self.max_seconds:
            return 0
        if enough:
            return self.block_steps
        missing_steps = max(self.min_steps - steps, int((self.min_seconds - seconds) / step_seconds) + 1)
        affordable_steps = int((self.long_enough_seconds - seconds) / step_seconds) + 1
        return max(1, self.few_steps - steps, min(missing_steps, affordable_steps))


CPU_PLAN = WarmUpPlan(min_steps=10, min_seconds=0.0, long_enough_seconds=3.0)
"""Measured on a CPU MLP: steps take 2.24, 1.51, 1.07 times the usual, and within 1 % of it from the sixth."""

ACCELERATOR_PLAN = WarmUpPlan(min_steps=20, min_seconds=2.0, long_enough_seconds=6.0, block_steps=10)
"""Clocks ramp up for about two seconds, and cuDNN tries its algorithms."""


def warm_up(
    plan: WarmUpPlan,
    run_block: Callable[[int], float],
    evidence: Callable[[], Sequence[object]],
    agree: Callable[[int], int],
) -> None:
    """
    Run blocks of steps until the case is warm.

    Args:
        plan: When it is.
        run_block: Runs that many steps and returns the seconds that they took.
        evidence: What must not change during the last block: loss scale, skipped steps, allocator, compiled graphs.
        agree: Makes all ranks take rank 0's decision, since their clocks differ.
    """
    steps = FIRST_STEP
    seconds = run_block(FIRST_STEP)
    settled = True  # the first step changes everything, so it says nothing
    while (more := agree(plan.next_steps(steps, seconds, settled=settled))) > 0:
        before = tuple(evidence())
        seconds += run_block(more)
        steps += more
        settled = tuple(evidence()) == before
