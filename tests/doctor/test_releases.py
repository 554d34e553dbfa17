"""Drivers, builds and cards: what fits."""

import pytest

from bench.doctor._releases import BUILDS, MIN_DRIVERS, index_of, install_line, min_driver, version_of
from bench.doctor.architecture import is_covered


@pytest.mark.parametrize(
    ("text", "version"),
    [("580.65.06", (580, 65, 6)), ("12.4", (12, 4)), ("2.13.0+cu130", (2, 13, 0)), ("", ()), ("x.1", ())],
)
def test_a_version_is_its_numbers(text: str, version: tuple[int, ...]) -> None:
    assert version_of(text) == version


def test_versions_are_compared_as_numbers_not_as_text() -> None:
    assert version_of("525.60.13") > version_of("525.9.1")


@pytest.mark.parametrize(
    ("cuda", "driver"),
    [("11.8", "450.80.02"), ("12.6", "525.60.13"), ("13.0", "580.65.06"), ("10.2", None), ("", None)],
)
def test_each_cuda_has_its_oldest_driver(cuda: str, driver: str | None) -> None:
    assert min_driver(cuda) == driver


@pytest.mark.parametrize(
    ("driver", "capabilities", "index"),
    [
        ("580.65.06", [(9, 0)], "cu130"),
        ("580.65.05", [(9, 0)], "cu126"),
        ("580.65.06", [(9, 0), (6, 1)], "cu126"),  # one build for both cards
        ("570.00.00", [(12, 0)], "cu128"),
        ("570.00.00", [(12, 0), (7, 0)], "cu128"),
        ("525.60.13", [], "cu126"),
        ("525.60.12", [(8, 0)], "cu118"),
        ("", [(8, 0)], "cu130"),  # nothing is known of the driver
    ],
)
def test_the_newest_build_that_fits_driver_and_cards_is_installed(
    driver: str, capabilities: list[tuple[int, ...]], index: str
) -> None:
    line = install_line(driver, capabilities)
    assert line is not None
    assert line.endswith(f" --index-url https://download.pytorch.org/whl/{index}")


@pytest.mark.parametrize(("capabilities", "asked"), [([(12, 0)], "'torch<2.12'"), ([(12, 0), (7, 5)], "'torch<2.12'")])
def test_a_line_that_has_ended_is_asked_for_up_to_where(capabilities: list[tuple[int, ...]], asked: str) -> None:
    assert f"install {asked} --" in (install_line("570.00.00", capabilities) or "")
    assert "install 'torch<2.11' --" in (install_line("570.00.00", [*capabilities, (7, 0)]) or "")


@pytest.mark.parametrize(
    ("version", "cuda", "hip", "index"),
    [
        ("2.9.1+rocm6.4", "", "6.4.43482", "rocm6.4"),
        ("2.9.1", "", "6.4.43482-0f2d6", "rocm6.4"),
        ("2.9.1+cu126", "12.6", "", "cu126"),
        ("2.9.1", "12.8", "", "cu128"),
        ("2.9.1+cpu", "", "", "cpu"),
        ("2.9.1", "", "", "cpu"),
        ("2.9.1+xpu", "", "", "xpu"),
    ],
)
def test_the_index_of_a_torch_is_known_by_its_version(version: str, cuda: str, hip: str, index: str) -> None:
    assert index_of(version, cuda, hip) == f"https://download.pytorch.org/whl/{index}"


@pytest.mark.parametrize(
    ("driver", "capabilities"), [("440.33", []), ("580.65.06", [(3, 5)]), ("580.65.06", [(12, 0), (6, 1)])]
)
def test_there_may_be_no_build_for_both(driver: str, capabilities: list[tuple[int, ...]]) -> None:
    assert install_line(driver, capabilities) is None


def test_every_build_has_a_known_oldest_driver() -> None:
    assert {build.cuda_major for build in BUILDS} <= MIN_DRIVERS.keys()


@pytest.mark.parametrize(
    ("capability", "architectures", "covered"),
    [
        ((8, 6), ["sm_80"], True),  # machine code of the same major version
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_80"], False),
        ((9, 0), ["sm_80", "compute_80"], True),  # PTX, for every newer card
        ((7, 0), ["compute_80"], False),
        ((9, 0), ["sm_90a"], True),
        ((12, 0), ["sm_120"], True),
        ((12, 1), ["sm_120"], True),
        ((12, 1), ["sm_120a"], False),
        ((12, 1), ["sm_120f"], True),
        ((10, 3), ["compute_100f"], True),
        ((12, 0), ["compute_100f"], False),
        ((12, 0), ["sm_121f"], False),
        ((10, 3), ["sm_100"], True),
        ((9, 0), ["gfx942"], False),
        ((9, 0), [], False),
    ],
)
def test_a_card_is_covered_by_code_that_runs_on_it(
    capability: tuple[int, ...], architectures: list[str], covered: bool
) -> None:
    assert is_covered(capability, architectures) is covered
