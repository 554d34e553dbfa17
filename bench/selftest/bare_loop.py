"""The harness adds nothing to a hand-written loop."""

from typing import TYPE_CHECKING

from bench.running.pool import Pool
from bench.selftest._check import Bar, Finding, Seen, decide
from bench.selftest._other_clock import now_ns

if TYPE_CHECKING:
    from bench.measuring.training_step import TrainingStep
    from bench.selftest._turns import Train

BAR = Bar(low=0.99, high=1.01, text="within ±1 %")
"""Half of the smallest change that matters (method.md, section 5), so that the harness cannot make one."""
LIMIT_SECONDS = 30.0
"""The narrowest bar, against 0.3 to 0.7 % in truth: that takes up to 160 pairs, of 0.2 s."""


def run(pool: Pool) -> Finding:
    """Let them take turns until it is known."""
    return decide(pool, "bench.selftest.bare_loop:observe", judge, limit_seconds=LIMIT_SECONDS)


def judge(seen: Seen) -> Finding:
    """Hold the harness's step over the bare one against the bar."""
    return BAR.judge_ratio(seen, "candidate_seconds", "baseline_seconds")


def observe(blocks: int) -> dict[str, list[float]]:
    """Return the harness's step (the candidate) and the bare one in each of *blocks* pairs; in a worker."""
    from bench.selftest import _turns  # noqa: PLC0415 (imports torch)

    worker = _turns.prepared()
    return _turns.take_turns(_turns.harness(worker), bare(worker.step), blocks)


def bare(step: "TrainingStep") -> "Train":
    """Return the way of a person who trains and looks at a clock once a step; as many steps lead as the harness has."""
    from bench.measuring.worker import LEAD_STEPS  # noqa: PLC0415 (imports torch)

    model, batch, compute_loss, optimizer = step.model, step.batch, step.compute_loss, step.optimizer

    def train(steps: int) -> list[float]:
        seconds = []
        end_ns = now_ns()
        for _ in range(LEAD_STEPS + steps):
            start_ns = end_ns
            loss = compute_loss(model, batch)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            end_ns = now_ns()
            seconds.append((end_ns - start_ns) / 1e9)
        return seconds[LEAD_STEPS:]

    return train
