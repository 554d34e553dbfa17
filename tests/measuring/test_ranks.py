"""The ranks of a case: one alone, and two that really talk over gloo."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from bench.measuring.ranks import Ranks, join_ranks
from tests.launch import run_ranks

DEADLINE_SECONDS = 60.0
LATE_SECONDS = 0.5


def _two_ranks_at_work(rank: int, folder: str) -> None:
    """Use everything that ranks offer, and leave what came of it."""
    torch.set_num_threads(1)
    ranks = join_ranks(rank, 2, "cpu", Path(folder) / "rendezvous", DEADLINE_SECONDS)
    seen: dict[str, Any] = {
        "ranks": [ranks.rank, ranks.world_size],
        "gathered": ranks.gather([10 + rank, 2**62 + rank]),
        "agreed": ranks.agree(100 + rank),
        "average": ranks.average(0.1 + rank),
        "everywhere": [ranks.everywhere(True), ranks.everywhere(rank == 0), ranks.everywhere(False)],
    }
    tensor = torch.tensor([[1.0, -2.0], [10.0, 0.0]]) * (1 + 2 * rank)
    ranks.average_tensor(tensor)
    seen["average_tensor"] = tensor.tolist()
    if rank == 1:
        time.sleep(LATE_SECONDS)
    seen["arrived_at"] = time.monotonic()
    ranks.barrier()
    seen["left_at"] = time.monotonic()
    ranks.leave()
    seen["still_in_group"] = dist.is_initialized()
    (Path(folder) / f"{rank}.json").write_text(json.dumps(seen))


def test_one_rank_alone_needs_no_group() -> None:
    ranks = Ranks()
    ranks.barrier()
    ranks.leave()
    assert ranks.agree(7) == 7
    assert ranks.gather((1, 2)) == [[1, 2]]
    assert ranks.average(0.3) == 0.3
    assert (ranks.everywhere(True), ranks.everywhere(False)) == (True, False)
    tensor = torch.tensor([1.5, -2.0])
    ranks.average_tensor(tensor)
    assert tensor.tolist() == [1.5, -2.0]
    assert not dist.is_initialized()


def test_two_ranks_gather_agree_average_wait_for_each_other_and_leave(tmp_path: Path) -> None:
    run_ranks(_two_ranks_at_work, str(tmp_path))
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [one["ranks"] for one in seen] == [[0, 2], [1, 2]]
    # Times in nanoseconds need all 63 bits.
    assert [one["gathered"] for one in seen] == [[[10, 2**62], [11, 2**62 + 1]]] * 2
    assert [one["agreed"] for one in seen] == [100, 100]
    # Of 0.1 and 1.1, in double precision.
    assert [one["average"] for one in seen] == pytest.approx([0.6, 0.6], rel=1e-15, abs=0)
    assert [one["everywhere"] for one in seen] == [[True, False, False]] * 2
    # Of a tensor and its triple.
    assert [one["average_tensor"] for one in seen] == [[[2.0, -4.0], [20.0, 0.0]]] * 2
    assert seen[1]["arrived_at"] - seen[0]["arrived_at"] > LATE_SECONDS / 2
    assert seen[0]["left_at"] >= seen[1]["arrived_at"]
    assert [one["still_in_group"] for one in seen] == [False, False]
