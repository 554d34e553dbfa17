"""The pairs of AMP and fp32."""

import dataclasses

from bench.case import Case

NAMES = {"amp_bf16": "AMP bf16", "amp_fp16": "AMP fp16"}


def in_fp32(case: Case) -> tuple[Case, ...]:
    """Return the same in fp32."""
    return (dataclasses.replace(case, precision="fp32"),) if case.precision in NAMES else ()
