"""Torch sees the cards that the driver sees."""

import re
from collections.abc import Iterator, Sequence

from bench.doctor._containers import start_with_card
from bench.doctor._finding import Finding
from bench.doctor._seen import Card, Facts, Machine
from bench.doctor.build import driver_needed

OF_CUDA = "CUDA_VISIBLE_DEVICES"
OF_CONTAINER = "NVIDIA_VISIBLE_DEVICES"
"""Is read when a container starts, and by nothing in it."""
HIDING = (OF_CUDA, OF_CONTAINER, "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
NOTHING = re.compile(r"\s*|-1|none|void|NoDevFiles", re.IGNORECASE)
"""Values of them that leave no device."""


def check(facts: Facts) -> Iterator[Finding]:
    """Find why torch sees no device, or fewer than there are; on a machine without one, say that."""
    torch = facts.torch
    if torch is None:
        return
    hidden = [name for name in HIDING if NOTHING.fullmatch(facts.variables.get(name, "0"))]
    is_of_another_make = facts.has_driver and not torch.cuda  # the build is what is wrong, whatever is hidden
    if not torch.devices and hidden and (torch.cuda or torch.hip) and not is_of_another_make:
        yield _hidden(facts, hidden[0])
    elif not torch.devices and not facts.may_have_card:
        yield _no_gpu(facts)
    elif not torch.devices and torch.cuda and facts.has_driver and driver_needed(facts) is None:
        yield _unusable(facts, torch.error)
    elif torch.devices and torch.cuda and facts.has_driver and len(facts.cuda_devices) < len(facts.driver.cards):
        yield _fewer(facts)


def _hidden(facts: Facts, name: str) -> Finding:
    is_all = facts.has_driver and driver_needed(facts) is None  # else there is an error of the driver's before this
    return Finding(
        severity="error" if is_all else "warning",
        finding=f"{name} hides every device",
        evidence=f"{name}={facts.variables[name]!r}",
        remedy=f"start the container with {name}=all"
        if name == OF_CONTAINER
        else f"run `unset {name}`, or set it to the devices that you want, such as {name}=0",
    )


def _no_gpu(facts: Facts) -> Finding:
    return Finding(
        severity="note",
        finding="no GPU is visible here; training runs on the CPU",
        evidence="no NVIDIA card on the PCI bus, no driver, no device of torch",
        remedy=_where_it_may_be(facts.machine),
    )


def _where_it_may_be(machine: Machine) -> str:
    """Return what to do if the person knows that there is a card."""
    if machine.is_wsl:
        return "if Windows has a card: install NVIDIA's driver in Windows (none in WSL), and run `wsl --update`"
    if machine.container:
        return f"if the host has a card: {start_with_card(machine)}"
    if machine.is_virtual:
        return "if the host has a card: pass it through to this virtual machine, or rent a type of machine with a GPU"
    return ""


def _unusable(facts: Facts, error: str) -> Finding:
    cards = facts.driver.cards
    if _names_no_card(facts.variables.get(OF_CUDA, "0"), cards):
        return Finding(
            severity="error",
            finding=f"{OF_CUDA} names no card that is there, so torch sees none",
            evidence=f"{OF_CUDA}={facts.variables[OF_CUDA]!r}, and the driver knows {len(cards)}",
            remedy=f"run `unset {OF_CUDA}`, or use an index below {len(cards)}, such as {OF_CUDA}=0",
        )
    without_slice = [card for card in cards if card.mig == "Enabled" and not card.mig_devices]
    if without_slice:
        return Finding(
            severity="error",
            finding="MIG is on and no slice has been made, so there is nothing to compute on",
            evidence=f"{without_slice[0].name}: MIG mode Enabled, no MIG device",
            remedy="make a slice (`sudo nvidia-smi mig -cgi 0 -C`) or turn MIG off (`sudo nvidia-smi -mig 0`)",
        )
    busy = [card for card in cards if card.compute_mode == "Prohibited" or _is_taken(card)]
    if busy:
        return Finding(
            severity="error",
            finding=f"the card admits no further process ({busy[0].compute_mode})",
            evidence=error or f"{busy[0].processes} on {busy[0].name}",
            remedy="wait for the other process, or let several in: `sudo nvidia-smi -c DEFAULT`",
        )
    return Finding(
        severity="error",
        finding="the driver sees a card and torch cannot use it",
        evidence=error or "torch.cuda.device_count() is 0",
        remedy=_cure(facts, error),
    )


def _names_no_card(value: str, cards: Sequence[Card]) -> bool:
    """Whether CUDA stops at the first entry of *value*: it takes them up to the first that it does not know."""
    first = value.partition(",")[0].strip()
    index = re.match(r"[+-]?\d+", first)
    if index is not None:
        return not 0 <= int(index.group()) < len(cards)
    if first.startswith("MIG-"):  # names of slices are not collected
        return not any(card.mig == "Enabled" for card in cards)
    known = [card.uuid for card in cards]
    return not (first.startswith("GPU-") and ("" in known or any(uuid.startswith(first) for uuid in known)))


def _is_taken(card: Card) -> bool:
    return card.compute_mode == "Exclusive_Process" and card.processes > 0


def _cure(facts: Facts, error: str) -> str:
    if re.search(r"802|not yet initialized", error):
        return (
            "cards with NVSwitch need the fabric manager, of the driver's version: "
            "`sudo systemctl start nvidia-fabricmanager`"
        )
    if facts.machine.is_wsl:
        return (
            "see that the only libcuda is Windows' (/usr/lib/wsl/lib): remove a Linux driver installed in WSL, then "
            "`wsl --shutdown`"
        )
    if facts.machine.container and not facts.machine.device_files:
        return "start the container with `--gpus all`, so that it gets the device files too"
    if re.search(r"unknown error|999", error, re.IGNORECASE):
        return (
            "load the module for unified memory again (`sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm`; it breaks "
            "after suspend), else restart the machine"
        )
    return (
        "restart the machine if the driver is new; else ask about the text: python run_bench.py doctor --explain TEXT"
    )


def _fewer(facts: Facts) -> Finding:
    named = [f"{name}={facts.variables[name]}" for name in HIDING if name in facts.variables]
    return Finding(
        severity="note",
        finding=f"torch uses {len(facts.cuda_devices)} of {len(facts.driver.cards)} cards",
        evidence=", ".join(named) or "no variable says so",
        remedy="" if named else "a card may have failed, or be in MIG mode: compare with `nvidia-smi -L`",
    )
