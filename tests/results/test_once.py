"""What is remembered, and of what."""

from bench.results.once import MAX_KEPT, once


def test_the_same_objects_are_computed_once_and_equal_ones_again() -> None:
    seen: list[list[int]] = []

    @once
    def total(*values: list[int]) -> int:
        seen.extend(values)
        return sum(map(sum, values))

    one, equal = [1], [1]
    assert (total(one), total(one), total(equal), total(one, equal), total(one)) == (1, 1, 1, 2, 1)
    assert len(seen) == 1 + 1 + 2
    assert total.__name__ == "total"


def test_what_was_asked_for_long_ago_is_forgotten() -> None:
    calls: list[object] = []

    @once
    def note(value: object) -> None:
        calls.append(value)

    first = object()
    for value in (first, *(object() for _ in range(MAX_KEPT)), first):
        note(value)
    assert calls.count(first) == 2
