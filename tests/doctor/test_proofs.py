"""The proofs: what is tried, and that what hangs or crashes is a finding and not the end."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.case import Case
from bench.doctor import _proofs
from bench.doctor._checks import judge
from bench.errors import NothingToMeasureError
from bench.result import CaseResult, DeviceInfo, Status
from bench.running.pool import Pool, usual_start_method
from tests.doctor import records
from tests.doctor.records import named

CPU = [("cpu", "fp32", "single"), ("cpu", "amp_bf16", "single"), ("cpu", "amp_fp16", "single")]
WORKLOADS = """
import ctypes
import time


def hangs():
    time.sleep(600)


def crashes():
    ctypes.string_at(0)
"""


def _gpu(index: int, capability: tuple[int, int] = (9, 0)) -> DeviceInfo:
    return DeviceInfo(type="cuda", index=index, name="H100", capability=capability)


def _planned(devices: Sequence[DeviceInfo]) -> list[tuple[str, str, str]]:
    return [(case.device, case.precision, case.strategy) for case in _proofs.plan(devices)]


@dataclasses.dataclass
class ScriptedPool:
    """Answers each visit with the status that its device and strategy are written down for."""

    statuses: dict[tuple[str, str], Status]
    visited: list[Case] = dataclasses.field(default_factory=list)

    def visit(self, case: Case, **_fields: Any) -> CaseResult:
        self.visited.append(case)
        status = self.statuses.get((case.device, case.strategy), "ok")
        return CaseResult(case=case, round=0, status=status, reason=None if status == "ok" else f"it {status}")


def _run(pool: ScriptedPool, devices: Sequence[DeviceInfo]) -> list[tuple[str, str, str]]:
    proofs = _proofs.run(cast("Pool", pool), _proofs.plan(devices), lambda _text: None)
    return [(proof.device, proof.strategy, proof.status) for proof in proofs]


def test_without_a_gpu_the_cpu_is_tried_in_every_precision_and_with_two_ranks() -> None:
    assert _planned([]) == [*CPU, ("cpu", "fp32", "ddp")]


def test_every_gpu_is_tried_in_every_precision_and_two_of_them_together() -> None:
    singles = [
        (f"cuda:{index}", precision, "single")
        for index in (0, 1)
        for precision in ("fp32", "tf32", "amp_bf16", "amp_fp16")
    ]
    assert _planned([_gpu(0), _gpu(1)]) == [*CPU, *singles, ("cpu", "fp32", "ddp"), ("cuda", "fp32", "ddp")]


def test_what_a_card_cannot_do_is_not_tried_nor_two_ranks_on_one_card() -> None:
    planned = _planned([_gpu(0, capability=(7, 5))])
    assert ("cuda:0", "tf32", "single") not in planned
    assert ("cuda:0", "amp_fp16", "single") in planned
    assert ("cuda", "fp32", "ddp") not in planned


def test_a_device_that_hung_is_left_alone_and_the_others_are_not() -> None:
    pool = ScriptedPool({("cuda:0", "single"): "timeout"})
    proofs = _run(pool, [_gpu(0), _gpu(1)])
    assert [status for device, _, status in proofs if device == "cuda:0"] == ["timeout", *["untried"] * 3]
    assert [status for device, _, status in proofs if device == "cuda:1"] == ["ok"] * 4
    assert ("cuda", "ddp", "untried") in proofs
    assert ("cpu", "ddp", "ok") in proofs


def test_a_crash_costs_only_the_proof_that_crashed() -> None:
    pool = ScriptedPool({("cpu", "ddp"): "crashed"})
    proofs = _run(pool, [])
    assert proofs == [*[("cpu", "single", "ok")] * 3, ("cpu", "ddp", "crashed")]
    assert [case.batch_size for case in pool.visited] == [_proofs.BATCH_SIZE] * 4


def test_where_no_more_workers_can_be_started_what_is_left_stays_untried(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ScriptedPool({})
    visit = pool.visit

    def dies(case: Case, **fields: Any) -> CaseResult:
        if pool.visited:
            raise NothingToMeasureError("a process that starts workers died and cannot be replaced: no")
        return visit(case, **fields)

    monkeypatch.setattr(pool, "visit", dies)
    proofs = list(_proofs.run(cast("Pool", pool), _proofs.plan([]), lambda _text: None))
    assert [proof.status for proof in proofs] == ["ok", "crashed", "untried", "untried"]
    assert {proof.reason for proof in proofs[1:]} == {
        "a process that starts workers died and cannot be replaced: no",
    }


def test_a_planted_hang_and_a_planted_segfault_are_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "planted.py"
    path.write_text(WORKLOADS)
    monkeypatch.chdir(tmp_path)
    hangs, crashes = (_proofs.plan([], f"{path}:{name}")[0] for name in ("hangs", "crashes"))
    works = _proofs.plan([])[0]
    with Pool(1, usual_start_method(), dict(os.environ)) as pool:
        first = list(_proofs.run(pool, [crashes, hangs], lambda _text: None, timeout_seconds=1.0))
        second = list(_proofs.run(pool, [works], lambda _text: None))
    assert [proof.status for proof in (*first, *second)] == ["crashed", "timeout", "ok"]
    found = named(judge(records.cpu_facts(proofs=(*first, *second))), "proof")
    assert [(finding.severity, finding.finding) for finding in found] == [
        ("error", "cpu: training in fp32 fails (crashed)"),
        ("error", "cpu: training in fp32 fails (timeout)"),
        ("ok", "cpu: training works in fp32"),
    ]
    assert "SIGSEGV" in found[0].evidence
    assert all(finding.remedy for finding in found[:2])
