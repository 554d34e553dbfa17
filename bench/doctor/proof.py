"""Training works on every device in every precision, and between two ranks."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts, Proof
from bench.explanations import explain

LEFT_OUT = {"untried": "not tried", "skipped": "skipped", "unsupported": "not supported"}
"""Status of what neither worked nor failed, in words."""


def check(facts: Facts) -> Iterator[Finding]:
    """Give a line for each failure, and one a device for what worked."""
    for proof in facts.proofs:
        if proof.status in LEFT_OUT:
            yield Finding(severity="note", finding=f"{_name(proof)}: {LEFT_OUT[proof.status]}", evidence=proof.reason)
        elif proof.status != "ok":
            yield _failed(proof)
    passed = [proof for proof in facts.proofs if proof.status == "ok"]
    for device in dict.fromkeys(proof.device for proof in passed if not proof.is_all_reduce):
        precisions = [proof.precision for proof in passed if proof.device == device and not proof.is_all_reduce]
        yield Finding(severity="ok", finding=f"{device}: training works in {', '.join(precisions)}")
    for proof in passed:
        if proof.is_all_reduce:
            yield Finding(severity="ok", finding=f"{_name(proof)} works")


def _failed(proof: Proof) -> Finding:
    known = explain(proof.reason)
    usual = {
        "timeout": "it hangs: end other programs that use the device, restart the machine, and try again",
        "crashed": "native code broke: install torch again, and the driver if it is a GPU's",
    }
    return Finding(
        severity="error",
        finding=f"{_name(proof)} fails ({proof.status})",
        evidence=proof.reason,
        remedy=known.remedy if known else usual.get(proof.status, "see the evidence"),
    )


def _name(proof: Proof) -> str:
    if proof.is_all_reduce:
        backend = "gloo" if proof.device == "cpu" else "NCCL"
        return f"{proof.device}: an all-reduce between two ranks ({backend})"
    return f"{proof.device}: training in {proof.precision}"
