"""An NVIDIA driver answers, where there is a card."""

import dataclasses
import re
from collections.abc import Iterator

from bench.doctor._containers import start_with_card
from bench.doctor._finding import Finding
from bench.doctor._seen import Facts

INSTALL = "install NVIDIA's driver (https://www.nvidia.com/drivers) and restart the machine"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """One way in which `nvidia-smi` fails, and what helps."""

    pattern: str
    finding: str
    remedy: str


FAILURES = (
    Failure(
        pattern="couldn.t communicate with the NVIDIA driver",
        finding="the driver's kernel module is not loaded",
        remedy="run `sudo modprobe nvidia`; if that fails, the kernel was updated after the driver (install the driver "
        "again, with the headers of this kernel) or Secure Boot refuses it (`sudo dmesg | grep -i nvidia` says which)",
    ),
    Failure(
        pattern="Driver/library version mismatch",
        finding="the driver was updated while the old one is still loaded",
        remedy="restart the machine (in a container: restart the container, after the host)",
    ),
    Failure(
        pattern="GPU access blocked by the operating system",
        finding="Windows does not let WSL use the card",
        remedy="update NVIDIA's driver in Windows and WSL itself (`wsl --update`), then `wsl --shutdown`; a card of a "
        "data centre in TCC mode cannot be used from WSL",
    ),
    Failure(
        pattern="couldn.t find libnvidia-ml",
        finding="the driver's libraries are missing beside its tool",
        remedy="in a container: start it with `--gpus all` and NVIDIA_DRIVER_CAPABILITIES=compute,utility, then run "
        "`ldconfig`; elsewhere install the driver again, and no driver inside a container or WSL",
    ),
    Failure(
        pattern="Failed to initialize NVML: Unknown Error",
        finding="this container has lost its access to the cards",
        remedy="restart the container; it happens whenever systemd reloads on the host, until Docker's cgroup "
        "driver is cgroupfs or the devices are named (`--device /dev/nvidia0 --device /dev/nvidiactl --device "
        "/dev/nvidia-uvm`)",
    ),
    Failure(
        pattern="Insufficient Permissions",
        finding="this user may not use the cards",
        remedy="join the group that owns them (`ls -l /dev/nvidia*`), or ask the administrator",
    ),
    Failure(
        pattern="No devices were found",
        finding="the driver is loaded and finds no card that it can use",
        remedy="see `sudo dmesg | grep -i nvrm`: a card too old or too new for this driver, without power, or in a "
        "virtual machine not passed through completely",
    ),
    Failure(
        pattern="Unable to determine the device handle|GPU is lost|fallen off the bus",
        finding="a card has stopped answering",
        remedy="restart the machine; if it comes back, check power, temperature and the card's seat "
        "(`sudo dmesg | grep -i xid` gives the driver's reason)",
    ),
)
"""In the words of public issues; tests/doctor/test_broken_set_ups.py links them."""


def check(facts: Facts) -> Iterator[Finding]:
    """Find whether the driver answers; where nothing says that there is a card, only that there is none."""
    driver = facts.driver
    if driver.outcome == "ok" and driver.cards:
        names = ", ".join(dict.fromkeys(card.name for card in driver.cards))
        newest = f", knows CUDA up to {driver.cuda_version}" if driver.cuda_version else ""
        yield Finding(severity="ok", finding=f"NVIDIA driver {driver.version}{newest}", evidence=names)
        if driver.text:
            yield Finding(severity="note", finding="nvidia-smi answers and complains", evidence=driver.text)
    elif driver.outcome == "ok":
        yield _failed(f"No devices were found {driver.text}".strip(), facts)
    elif driver.outcome == "timeout":
        yield Finding(
            severity="error",
            finding="the NVIDIA driver hangs",
            evidence=driver.text,
            remedy="restart the machine; until then everything that touches a card may hang",
        )
    elif driver.outcome == "failed":
        yield _failed(driver.text, facts)
    elif facts.has_card:
        yield _without_tool(facts)


def _failed(text: str, facts: Facts) -> Finding:
    known = next((failure for failure in FAILURES if re.search(failure.pattern, text, re.IGNORECASE)), None)
    if not facts.may_have_card:
        return Finding(
            severity="warning",
            finding="nvidia-smi is installed and fails, and no NVIDIA card is to be seen",
            evidence=text,
            remedy=known.remedy if known else "none, if there is no card",
        )
    return Finding(
        severity="error",
        finding=known.finding if known else "nvidia-smi fails",
        evidence=text,
        remedy=known.remedy if known else INSTALL,
    )


def _without_tool(facts: Facts) -> Finding:
    machine = facts.machine
    if facts.cuda_devices:
        return Finding(
            severity="note",
            finding="nvidia-smi is not on the path, so little is known of the cards' state",
            remedy="in a container: set NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        )
    if machine.container and not machine.device_files:  # the bus and /proc show it all that the host has
        return Finding(
            severity="error",
            finding="this container was started without the card",
            evidence=f"{machine.kernel_module or f'{machine.pci_cards} on the PCI bus'}, and no /dev/nvidia0",
            remedy=start_with_card(machine),
        )
    if machine.kernel_module or machine.device_files:
        return Finding(
            severity="error",
            finding="the driver is loaded, and its tool nvidia-smi is missing",
            evidence=machine.kernel_module or ", ".join(machine.device_files),
            remedy="in a container: start it with NVIDIA_DRIVER_CAPABILITIES=compute,utility; elsewhere install the "
            "driver's utilities of the same version",
        )
    return Finding(
        severity="error",
        finding="there is an NVIDIA card and no driver for it",
        evidence=f"{machine.pci_cards} on the PCI bus, and no nvidia-smi",
        remedy=INSTALL,
    )
