"""Reads what NVIDIA's own tool says of the driver and the cards: the XML of `nvidia-smi -q -x`."""

import re
from xml.etree import ElementTree

from bench.doctor._seen import Card, Driver

SLOWDOWNS = {
    "sw_power_cap": "its power limit",
    "hw_slowdown": "hardware protection",
    "hw_thermal_slowdown": "its temperature (hardware)",
    "sw_thermal_slowdown": "its temperature (driver)",
    "hw_power_brake_slowdown": "the power supply",
}
"""Reasons that hold clocks back although there is work, in words; the others are idleness and somebody's settings."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def driver_from(xml: str) -> Driver:
    """
    Return the driver and the cards that *xml* describes.

    Raises:
        ValueError: If it is not what `nvidia-smi -q -x` prints.
    """
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 (from the driver's own tool, not from the net)
    except ElementTree.ParseError as error:
        raise ValueError(f"nvidia-smi printed no XML ({error})") from None
    return Driver(
        outcome="ok",
        version=_text(root, "driver_version"),
        cuda_version=_text(root, "cuda_version"),
        cards=tuple(_card(gpu) for gpu in root.iter("gpu")),
    )


def _card(gpu: ElementTree.Element) -> Card:
    return Card(
        name=_text(gpu, "product_name"),
        uuid=_text(gpu, "uuid"),
        architecture=_text(gpu, "product_architecture"),
        persistence=_text(gpu, "persistence_mode"),
        mig=_text(gpu, "mig_mode/current_mig"),
        mig_devices=len(gpu.findall("mig_devices/mig_device")),
        compute_mode=_text(gpu, "compute_mode"),
        power_limit_watts=_power(gpu, "current_power_limit", "enforced_power_limit", "power_limit"),
        default_power_limit_watts=_power(gpu, "default_power_limit"),
        ecc=_text(gpu, "ecc_mode/current_ecc"),
        uncorrected_errors=sum(_uncorrected(gpu)),
        remapping_pending=_text(gpu, "remapped_rows/remapped_row_pending") == "Yes",
        remapping_failed=_text(gpu, "remapped_rows/remapped_row_failure") == "Yes",
        slowdowns=tuple(words for name, words in SLOWDOWNS.items() if _is_active(gpu, name)),
        temperature_celsius=_number(gpu, "temperature/gpu_temp"),
        link_generation=_whole(gpu, "pci/pci_gpu_link_info/pcie_gen/current_link_gen"),
        max_link_generation=_whole(gpu, "pci/pci_gpu_link_info/pcie_gen/max_link_gen"),
        link_width=_whole(gpu, "pci/pci_gpu_link_info/link_widths/current_link_width"),
        max_link_width=_whole(gpu, "pci/pci_gpu_link_info/link_widths/max_link_width"),
        # G is a desktop's drawing; C and C+G compute.
        processes=sum("C" in _text(process, "type") for process in gpu.findall("processes/process_info")),
    )


def _text(element: ElementTree.Element, path: str) -> str:
    """Return the text at *path*; empty where the tool says that it does not know."""
    text = " ".join((element.findtext(path) or "").split())
    return "" if text in ("N/A", "[N/A]", "Unknown Error", "None") else text


def _number(element: ElementTree.Element, path: str) -> float | None:
    found = _NUMBER.match(_text(element, path))
    return float(found.group()) if found else None


def _whole(element: ElementTree.Element, path: str) -> int | None:
    number = _number(element, path)
    return None if number is None else round(number)


def _power(gpu: ElementTree.Element, *names: str) -> float | None:
    """Return the first of *names* that is there; drivers before 535 had another name for the group."""
    paths = (f"{group}/{name}" for group in ("gpu_power_readings", "power_readings") for name in names)
    return next((watts for path in paths if (watts := _number(gpu, path)) is not None), None)


def _uncorrected(gpu: ElementTree.Element) -> list[int]:
    """Return the counts of memory errors that ECC could not correct since the driver was loaded."""
    counts = gpu.find("ecc_errors/volatile")
    return [
        int(child.text or 0)
        for child in (() if counts is None else counts)
        if "uncorrectable" in child.tag and (child.text or "").strip().isdigit()
    ]


def _is_active(gpu: ElementTree.Element, reason: str) -> bool:
    """Whether *reason* holds the clocks back now; drivers before 535 say throttle for event."""
    names = (f"clocks_{word}_reasons/clocks_{word}_reason_{reason}" for word in ("event", "throttle"))
    return any(_text(gpu, name) == "Active" for name in names)
