"""The precisions: one row each."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Precision:
    """How the arithmetic of a step is done."""

    name: str
    summary: str
    autocast_dtype: str | None = None
    """Name of the torch dtype that `torch.autocast` casts to; None: autocast is off."""
    grad_scaler: bool = False
    """Whether `torch.amp.GradScaler` scales the loss (fp16's exponent is too short for gradients)."""
    tf32: bool = False
    """Whether CUDA may round the inputs of fp32 matrix products and convolutions to TF32."""
    unsupported_on: tuple[tuple[str, str], ...] = ()
    """Device type and the sentence that says why it cannot be had there."""
    min_cuda_capability: tuple[int, int] | None = None
    tolerance_ratio: float
    """
    How far the first loss and gradient norm may be from fp32 on one device before the row is `diverged`.

    Ten times the largest that the built-in workloads showed on a CPU, over three seeds: 0.0045 in bf16, 0.0009 in fp16
    and 4e-7 for DDP in fp32. A step that computes something else is further off by far.
    """

    @property
    def number_format(self) -> str:
        """What the inputs of matrix products are rounded to: fp32, tf32, bf16 or fp16."""
        if self.autocast_dtype is not None:
            return {"bfloat16": "bf16", "float16": "fp16"}[self.autocast_dtype]
        return "tf32" if self.tf32 else "fp32"


_NO_TF32 = "TF32 is a number format of NVIDIA GPUs; this device has none"

PRECISIONS: dict[str, Precision] = {
    row.name: row
    for row in (
        Precision(name="fp32", summary="32-bit everywhere; TF32 is off for convolutions too", tolerance_ratio=0.001),
        Precision(
            name="tf32",
            summary="32-bit storage, TF32 matrix products and convolutions",
            tf32=True,
            tolerance_ratio=0.01,
            unsupported_on=(("cpu", _NO_TF32), ("mps", _NO_TF32), ("xpu", _NO_TF32)),
            min_cuda_capability=(8, 0),  # Ampere, NVIDIA A100 white paper (2020)
        ),
        Precision(name="amp_bf16", summary="autocast to bfloat16", autocast_dtype="bfloat16", tolerance_ratio=0.05),
        Precision(
            name="amp_fp16",
            summary="autocast to float16 with GradScaler",
            autocast_dtype="float16",
            grad_scaler=True,
            tolerance_ratio=0.02,
        ),
    )
}
