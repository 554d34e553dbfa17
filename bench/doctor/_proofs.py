"""Plans and runs the proofs: one small training each, in processes of its own, with a deadline."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from bench.case import Case
from bench.doctor._seen import Proof
from bench.errors import NothingToMeasureError
from bench.precisions import PRECISIONS
from bench.result import DeviceInfo, Status
from bench.running.matrix import USUAL_INPUT, judge, num_processes
from bench.running.pool import Pool

WORKLOAD, BATCH_SIZE = "mlp:small", 8
TIMEOUT_SECONDS = 30.0
"""As in a run; a first touch of a GPU takes seconds, the training less than one."""


def plan(devices: Sequence[DeviceInfo], workload: str = WORKLOAD) -> list[Case]:
    """Return a case for each device and precision that can work, and one of two ranks a type of device."""
    places = ["cpu", *(device.id if device.type == "cuda" else device.type for device in devices)]
    cases = [
        _case(place, precision, "single", 1, workload) for place in dict.fromkeys(places) for precision in PRECISIONS
    ]
    types = dict.fromkeys(["cpu", *(device.type for device in devices)])
    cases += [_case(device_type, "fp32", "ddp", 2, workload) for device_type in types]
    return [case for case in cases if judge(case, devices).status is None]


def run(
    pool: Pool, cases: Sequence[Case], say: Callable[[str], None], *, timeout_seconds: float = TIMEOUT_SECONDS
) -> Iterator[Proof]:
    """
    Run *cases* one after the other and yield what came of each.

    A device that has hung once is left alone: every further try would cost the deadline again. Where no more workers
    can be started, all that is left stays untried.
    """
    hung: list[str] = []
    ended = ""
    for number, case in enumerate(cases, start=1):
        if ended:
            yield _proof(case, "untried", ended)
            continue
        what = f"{case.device} {case.precision}" + (" between two ranks" if case.strategy == "ddp" else "")
        if stuck := [place for place in hung if case.device in (place, place.partition(":")[0])]:
            yield _proof(case, "untried", f"{stuck[0]} hung before")
            continue
        say(f"[{number}/{len(cases)}] a small training: {what}")
        try:
            result = pool.visit(
                case,
                num_processes=num_processes(case),
                round_index=0,
                timeout_seconds=timeout_seconds,
                with_extras=False,
            )
        except NothingToMeasureError as error:
            ended = str(error)
            yield _proof(case, "crashed", ended)
            continue
        if result.status == "timeout":
            hung.append(case.device)
        yield _proof(case, result.status, result.reason or "")


def _proof(case: Case, status: Status | Literal["untried"], reason: str) -> Proof:
    return Proof(device=case.device, precision=case.precision, strategy=case.strategy, status=status, reason=reason)


def _case(device: str, precision: str, strategy: str, num_devices: int, workload: str) -> Case:
    return Case(
        workload=workload,
        device=device,
        strategy=strategy,
        precision=precision,
        input=USUAL_INPUT.get(device.partition(":")[0], "pageable"),
        batch_size=BATCH_SIZE,
        num_devices=num_devices,
    )
