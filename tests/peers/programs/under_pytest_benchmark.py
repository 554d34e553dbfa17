"""The step as a test with the `benchmark` fixture, as its documentation shows it; collected only when named."""

from pytest_benchmark.fixture import BenchmarkFixture

from tests.peers.programs.step import warm_step


def test_step(benchmark: BenchmarkFixture) -> None:
    benchmark(warm_step())
