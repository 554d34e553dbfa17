"""The cards are well connected: to the host, and to each other."""

import re
from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Card, Facts

FULL_WIDTH = 16
_CARD = re.compile(r"GPU\d+")
_LINK = re.compile(r"NV\d+|PIX|PXB|PHB|NODE|SYS")
ITSELF = "X"
WORDS = {
    "PIX": "one PCIe switch",
    "PXB": "several PCIe switches",
    "PHB": "the host's PCIe bridge",
    "NODE": "PCIe bridges of one NUMA node",
    "SYS": "the link between the processors",
}


def check(facts: Facts) -> Iterator[Finding]:
    """Look at every card's link to the host, then at the links between them."""
    for index, card in enumerate(facts.driver.cards):
        if finding := _to_host(index, card):
            yield finding
    if len(facts.cuda_devices) > 1:
        yield from _between(facts)


def _to_host(index: int, card: Card) -> Finding | None:
    if not (card.link_width and card.max_link_width):
        return None
    # Generations are not judged: an idle card goes down to the first to save power.
    evidence = f"PCIe generation {card.link_generation} of {card.max_link_generation}"
    if card.link_width >= card.max_link_width:
        return Finding(severity="ok", finding=f"card {index}: PCIe x{card.link_width}", evidence=evidence)
    return Finding(
        severity="warning",
        finding=f"card {index} has {card.link_width} of {card.max_link_width} PCIe lanes: copies take longer",
        evidence=evidence,
        remedy="seat the card again, or use a slot with all lanes"
        if card.max_link_width <= FULL_WIDTH
        else "see the machine's manual",
    )


def _links(topology: str) -> list[str]:
    """Return the links of each card to each; the columns after those of the cards are network cards and cores."""
    lines = [line.split() for line in topology.splitlines()]
    rows = [words for words in lines if ITSELF in words and _CARD.fullmatch(words[0])]
    return [word for words in rows for word in words[1 : 1 + len(rows)] if _LINK.fullmatch(word)]


def _between(facts: Facts) -> Iterator[Finding]:
    assert facts.torch is not None
    found = dict.fromkeys(_links(facts.driver.topology))
    nvlinks = [link for link in found if link.startswith("NV")]
    others = [WORDS[link] for link in found if link in WORDS]
    how = [f"NVLink ({', '.join(nvlinks)})"] if nvlinks else []
    if how or others:
        yield Finding(severity="ok", finding=f"cards reach each other over {', '.join([*how, *others])}")
    if facts.torch.blocked_peers:
        pairs = ", ".join(facts.torch.blocked_peers)
        yield Finding(
            severity="note",
            finding=f"no direct access between the memories of cards {pairs}: exchanges go through the host",
            evidence="torch.cuda.can_device_access_peer is False",
            remedy="usual for GeForce cards; elsewhere a virtual machine or the IOMMU (ACS) forbids it",
        )
    if facts.variables.get("NCCL_P2P_DISABLE") == "1":
        yield Finding(
            severity="warning",
            finding="NCCL is told not to use direct access between cards",
            evidence="NCCL_P2P_DISABLE=1",
            remedy="run `unset NCCL_P2P_DISABLE`, unless it was set against a hang",
        )
