"""The switches that a precision sets."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from bench.measuring import arithmetic
from bench.measuring.training_step import StepError
from bench.precisions import PRECISIONS


@pytest.fixture(autouse=True)
def _flags_as_they_were() -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    onednn = torch._C._get_mkldnn_enabled()
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.backends.mkldnn.set_flags(onednn)


class RefusingLSTM(nn.Module):
    """An LSTM on a CPU for which oneDNN has none in reduced precision."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()

    def forward(self, inputs: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu") and torch._C._get_mkldnn_enabled():
            raise RuntimeError("could not create a primitive descriptor for the LSTM forward propagation primitive")
        return inputs


class WillingLSTM(RefusingLSTM):
    """An LSTM where oneDNN has all of them."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("precision", list(PRECISIONS))
def test_only_tf32_allows_tf32_in_matrix_products_and_convolutions(precision: str, before: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = before
    arithmetic.set_tf32(PRECISIONS[precision])
    allowed = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    assert allowed == ((True, True) if precision == "tf32" else (False, False))


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", None), ("tf32", None), ("amp_bf16", torch.bfloat16), ("amp_fp16", torch.float16)],
)
def test_autocast_casts_to_the_dtype_of_the_precision_and_to_none_without_amp(
    precision: str, dtype: torch.dtype | None
) -> None:
    with arithmetic.autocast_for(PRECISIONS[precision], "cpu")():
        assert torch.is_autocast_enabled("cpu") == (dtype is not None)
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (dtype or torch.float32)
    assert not torch.is_autocast_enabled("cpu")


def test_autocast_is_of_the_cases_device_type_alone() -> None:
    with arithmetic.autocast_for(PRECISIONS["amp_bf16"], "cpu")():
        assert not torch.is_autocast_enabled("cuda")


def test_the_maker_of_autocast_can_be_used_again_and_again() -> None:
    autocast = arithmetic.autocast_for(PRECISIONS["amp_bf16"], "cpu")
    for _ in range(2):
        with autocast():
            assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("precision", list(PRECISIONS))
def test_only_fp16_scales_gradients(precision: str) -> None:
    scaler = arithmetic.scaler_for(PRECISIONS[precision], "cpu")
    assert scaler.is_enabled() == (precision == "amp_fp16")
    assert scaler.scale(torch.tensor(1.0)).item() == (65536.0 if precision == "amp_fp16" else 1.0)


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_onednn_is_turned_off_where_it_has_no_recurrent_layer(
    monkeypatch: pytest.MonkeyPatch, layer: Callable[..., nn.Module]
) -> None:
    model = nn.Sequential(nn.Linear(2, 2), layer(2, 2))
    monkeypatch.setattr(nn, "LSTM", RefusingLSTM)
    note = arithmetic.turn_onednn_off_where_it_has_no_lstm(model, PRECISIONS["amp_bf16"])
    assert note == "oneDNN is off: it has no bfloat16 recurrent layer for this CPU"
    assert not torch._C._get_mkldnn_enabled()


def test_onednn_stays_on_where_it_has_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.LSTM(2, 2)
    monkeypatch.setattr(nn, "LSTM", WillingLSTM)
    assert arithmetic.turn_onednn_off_where_it_has_no_lstm(model, PRECISIONS["amp_bf16"]) is None
    assert torch._C._get_mkldnn_enabled()


@pytest.mark.parametrize(("model", "precision"), [(nn.Linear(2, 2), "amp_bf16"), (nn.LSTM(2, 2), "fp32")])
def test_onednn_stays_on_without_a_recurrent_layer_or_without_amp(
    monkeypatch: pytest.MonkeyPatch, model: nn.Module, precision: str
) -> None:
    monkeypatch.setattr(nn, "LSTM", RefusingLSTM)
    assert arithmetic.turn_onednn_off_where_it_has_no_lstm(model, PRECISIONS[precision]) is None
    assert torch._C._get_mkldnn_enabled()


def test_an_lstm_trains_in_bf16_on_this_cpu_once_the_switch_is_set() -> None:
    model = nn.LSTM(4, 4)
    arithmetic.turn_onednn_off_where_it_has_no_lstm(model, PRECISIONS["amp_bf16"])
    with arithmetic.autocast_for(PRECISIONS["amp_bf16"], "cpu")():
        output, _ = model(torch.randn(3, 2, 4))
    output.float().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(("precision", "found"), [("fp32", True), ("tf32", False), ("amp_bf16", True)])
def test_a_workload_that_switches_tf32_while_it_runs_is_found_out_on_cuda(precision: str, found: bool) -> None:
    arithmetic.set_tf32(PRECISIONS[precision])
    arithmetic.check_tf32(PRECISIONS[precision], "cuda")
    torch.backends.cudnn.allow_tf32 = found
    arithmetic.check_tf32(PRECISIONS[precision], "cpu")
    with pytest.raises(StepError, match=f"leave them to --precision {precision}"):
        arithmetic.check_tf32(PRECISIONS[precision], "cuda")
