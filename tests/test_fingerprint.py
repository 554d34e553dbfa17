"""Two environments: which keys differ, and which of them forbid a comparison."""

import dataclasses

import pytest

from bench.fingerprint import Difference, differences, hard_keys
from bench.result import DeviceInfo, Environment

H100 = DeviceInfo(type="cuda", index=0, name="NVIDIA H100 80GB HBM3", total_memory_bytes=80 * 2**30)
CARD = "cuda:0 NVIDIA H100 80GB HBM3 80.0 GiB"
HERE = Environment(
    devices=(H100,), hard={"torch": "2.13.0", "cores": "2"}, soft={"hostname": "here", "load_1min": "0.10"}
)


def test_equal_environments_do_not_differ() -> None:
    assert differences(HERE, HERE) == []


def test_a_card_that_may_draw_less_is_another_card() -> None:
    full, limited = (
        dataclasses.replace(HERE, devices=(dataclasses.replace(H100, power_limit_watts=watts),))
        for watts in (700.0, 450.0)
    )
    assert [str(found) for found in differences(full, limited) if found.is_hard] == [
        "power_limits was 700 W and is now 450 W"
    ]


@pytest.mark.parametrize("key", ["cxx", "triton", "driver_major", "precision_flags", "schema"])
def test_what_one_side_did_not_look_for_forbids_nothing(key: str) -> None:
    other = dataclasses.replace(HERE, hard={**HERE.hard, key: "1"})
    empty = dataclasses.replace(HERE, hard={**HERE.hard, key: ""})
    assert differences(HERE, other) == differences(other, HERE) == differences(empty, other) == []
    changed = dataclasses.replace(HERE, hard={**HERE.hard, key: "2"})
    assert [found.key for found in differences(other, changed)] == [key]


def test_a_power_limit_that_one_side_could_not_ask_for_forbids_nothing() -> None:
    known = dataclasses.replace(HERE, devices=(dataclasses.replace(H100, power_limit_watts=700.0),))
    assert differences(HERE, known) == []


def test_what_changes_from_day_to_day_forbids_nothing() -> None:
    later = dataclasses.replace(
        HERE, soft={"hostname": "there", "load_1min": "3.20"}, attained_flops_per_second={"cpu/fp32": 1e11}
    )
    found = differences(HERE, later)
    assert [difference.key for difference in found] == ["attained cpu/fp32", "hostname", "load_1min"]
    assert str(found[0]) == "attained cpu/fp32 was unset and is now 100 GFLOP/s"
    assert not any(difference.is_hard for difference in found)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hard": {"torch": "2.14.0", "cores": "2"}}, "torch was 2.13.0 and is now 2.14.0"),
        ({"hard": {"torch": "2.13.0", "cores": "4"}}, "cores was 2 and is now 4"),
        ({"hard": {**HERE.hard, "OMP_NUM_THREADS": "1"}}, "OMP_NUM_THREADS was unset and is now 1"),
        ({"devices": ()}, f"accelerators was {CARD} and is now none"),
        (
            {"devices": (H100, dataclasses.replace(H100, index=1))},
            f"accelerators was {CARD} and is now {CARD}, cuda:1 NVIDIA H100 80GB HBM3 80.0 GiB",
        ),
    ],
)
def test_a_hard_key_forbids_and_is_named(changes: dict[str, object], sentence: str) -> None:
    (found,) = differences(HERE, dataclasses.replace(HERE, **changes))  # type: ignore[arg-type]  # one field at a time
    assert found.is_hard
    assert str(found) == sentence


def test_what_forbids_comes_first() -> None:
    other = dataclasses.replace(HERE, hard={"torch": "2.14.0", "cores": "2"}, soft={"hostname": "there"})
    assert [difference.is_hard for difference in differences(HERE, other)] == [True, False, False]


def test_a_key_that_is_empty_is_one_that_is_not_there() -> None:
    """So that a new key of a later version does not make every earlier run incomparable where it says nothing."""
    assert differences(HERE, dataclasses.replace(HERE, hard={**HERE.hard, "governor": ""})) == []


def test_the_accelerators_are_a_key() -> None:
    assert hard_keys(Environment())["accelerators"] == "none"
    assert Difference(key="a", before="", now="", is_hard=True).before == ""
