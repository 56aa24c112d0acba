"""Builds a workload's network from `nn` modules: PyTorch's or chainrule's, by the same words."""

from __future__ import annotations

from typing import Any

from benchmarks.layers import (
    LSTM,
    Activation,
    BatchNorm,
    Conv,
    Embedding,
    Flatten,
    GlobalAverage,
    Layer,
    Linear,
    Pool,
    Residual,
)
from benchmarks.workloads import Workload


def build(nn: Any, workload: Workload) -> Any:
    """An `nn.Sequential` whose state dict has the names of `workload.weights`."""

    class Block(nn.Module):
        def __init__(self, layer: Residual) -> None:
            super().__init__()
            parts = {k: convert(part) for k, part in layer.parts().items()}
            self.conv1, self.norm1 = parts["conv1"], parts["norm1"]
            self.conv2, self.norm2 = parts["conv2"], parts["norm2"]
            shortcut = [v for k, v in parts.items() if k.startswith("shortcut")]
            self.shortcut = nn.Sequential(*shortcut)
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            y = self.relu(self.norm1(self.conv1(x)))
            return self.relu(self.norm2(self.conv2(y)) + self.shortcut(x))

    class Recurrent(nn.Module):
        def __init__(self, layer: LSTM) -> None:
            super().__init__()
            self.lstm = nn.LSTM(layer.inputs, layer.units, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.lstm(x)[0]

    def convert(layer: Layer) -> Any:
        match layer:
            case Conv(inputs, outputs, kernel, stride, padding, bias):
                return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)
            case BatchNorm(channels):
                return nn.BatchNorm2d(channels)
            case Activation("relu"):
                return nn.ReLU()
            case Activation("sigmoid"):
                return nn.Sigmoid()
            case Pool("max", size):
                return nn.MaxPool2d(size)
            case Pool("average", size):
                return nn.AvgPool2d(size)
            case GlobalAverage():
                return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
            case Flatten():
                return nn.Flatten()
            case Linear(inputs, outputs):
                return nn.Linear(inputs, outputs)
            case Embedding(rows, width):
                return nn.Embedding(rows, width)
            case LSTM():
                return Recurrent(layer)
            case Residual():
                return Block(layer)
        raise TypeError(f"no module for {layer}")

    return nn.Sequential(*(convert(layer) for layer in workload.layers))


def load(model: Any, weights: dict[str, Any]) -> None:
    """Puts the initial weights into the model; only the norms' step counters may be left out."""
    state = model.state_dict()
    absent = {name for name in state.keys() - weights.keys() if "num_batches" not in name}
    if absent or weights.keys() - state.keys():
        raise ValueError(f"names differ: {sorted(absent | weights.keys() - state.keys())}")
    model.load_state_dict({**state, **weights})
