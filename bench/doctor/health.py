"""The cards are healthy: memory errors, heat, power, other people's work, persistence."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Card, Facts
from bench.doctor._smi import SLOWDOWNS

POWER_SHARE = 0.95
"""Below this share of the card's usual limit, somebody has set it."""
POWER_LIMIT = SLOWDOWNS["sw_power_cap"]


def check(facts: Facts) -> Iterator[Finding]:
    """Go through what the driver says of each card; one without complaint gets one line."""
    for index, card in enumerate(facts.driver.cards):
        complaints = list(_complaints(f"card {index}", card))
        yield from complaints or [_healthy(index, card)]
    if any(card.persistence == "Disabled" for card in facts.driver.cards):
        yield Finding(
            severity="note",
            finding="persistence mode is off: the first use of an idle card takes seconds longer",
            remedy="sudo nvidia-smi -pm 1",
        )


def _complaints(name: str, card: Card) -> Iterator[Finding]:
    if card.remapping_failed:
        yield Finding(
            severity="error",
            finding=f"{name}: its memory is defect, and no spare rows are left",
            evidence="remapped rows: failure",
            remedy="have the card replaced; results computed on it cannot be trusted",
        )
    elif card.remapping_pending or card.uncorrected_errors:
        yield Finding(
            severity="error",
            finding=f"{name}: uncorrected memory errors",
            evidence=f"{card.uncorrected_errors} since the driver was loaded"
            + (", a row waits to be remapped" if card.remapping_pending else ""),
            remedy="reset the card (`sudo nvidia-smi --gpu-reset`) or restart the machine, then look again",
        )
    if card.slowdowns:
        heat = f", {card.temperature_celsius:.0f} °C" if card.temperature_celsius is not None else ""
        by_power_alone = card.slowdowns == (POWER_LIMIT,)
        yield Finding(
            severity="note" if by_power_alone else "warning",
            finding=f"{name}: its clocks are held back now",
            evidence=f"by {', '.join(card.slowdowns)}{heat}",
            remedy="usual while it works; see who uses it"
            if by_power_alone
            else "wait until it is idle and cool; if it stays, see to cooling and power cables",
        )
    limit, usual = card.power_limit_watts, card.default_power_limit_watts
    if limit is not None and usual and limit < POWER_SHARE * usual:
        yield Finding(
            severity="warning",
            finding=f"{name}: its power limit is below the usual one, so it is slower than its data sheet",
            evidence=f"{limit:.0f} of {usual:.0f} W",
            remedy=f"sudo nvidia-smi -pl {usual:.0f}",
        )
    if card.processes:
        others = "1 other process computes" if card.processes == 1 else f"{card.processes} other processes compute"
        yield Finding(
            severity="warning",
            finding=f"{name}: {others} on it",
            remedy="see `nvidia-smi` for whose; measurements beside them are worth little",
        )


def _healthy(index: int, card: Card) -> Finding:
    words = [f"ECC {card.ecc.lower()}"] if card.ecc else []
    if card.power_limit_watts is not None:
        words.append(f"power limit {card.power_limit_watts:.0f} W")
    if card.temperature_celsius is not None:
        words.append(f"{card.temperature_celsius:.0f} °C")
    return Finding(severity="ok", finding=f"card {index}: no complaint of the driver", evidence=", ".join(words))
