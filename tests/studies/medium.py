"""The built-in models between their CPU-sized and their GPU-filling size: 0.3 to 2 s a step on two cores."""

from bench.workload import Workload
from bench.workloads import cnn, lstm, mlp, transformer
from bench.workloads._language_model import language_model

BATCH_SIZES = {"mlp_1024": 6144, "resnet18": 32, "gpt_256": 16, "lstm_512": 32}


def mlp_1024() -> Workload:
    """784 inputs, three hidden layers of 1024, 10 classes."""
    return mlp._classifier(hidden=1024, hidden_layers=3)


def resnet18() -> Workload:
    """ResNet-18 for 32 x 32 images, the built-in one."""
    return cnn.resnet18()


def gpt_256() -> Workload:
    """GPT of 4 layers of width 256 over 256 tokens of 4096."""
    return transformer._gpt(layers=4, heads=4, width=256, vocabulary=4096, length=256)


def lstm_512() -> Workload:
    """Two LSTM layers of width 512 over 64 tokens of 4096."""
    model = lstm._LSTM(layers=2, width=512, vocabulary=4096)
    return language_model(model, vocabulary=4096, length=64)
