"""The measured workloads: networks, data, and the work that a step cannot avoid."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

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
    Shape,
    Weights,
    walk,
)

Mode = Literal["train", "infer"]
# Adam keeps two moments a parameter, SGD with momentum one.
MOMENTS = {"adam": 2, "sgd": 1}


@dataclass(frozen=True)
class Workload:
    """A network with its data's shape, its batch in training, and its optimiser.

    The rate changes no time. It is one at which the first steps are smooth, for the losses after
    some of them are to show whether peers compute the same.
    """

    title: str
    layers: tuple[Layer, ...]
    sample: Shape
    batch: int
    optimizer: Literal["adam", "sgd"] = "adam"
    rate: float = 1e-3
    momentum: float = 0.9
    classes: int = 10
    # Numbers are drawn from [0, tokens) where the input is text.
    tokens: int = 0

    @property
    def convolves(self) -> bool:
        return any(isinstance(layer, Conv) for layer in self.layers)

    @property
    def recurs(self) -> bool:
        return any(isinstance(layer, LSTM) for layer in self.layers)

    @property
    def targets(self) -> Shape:
        """One class a sample, or one a time step."""
        return self.sample if self.tokens else ()

    def weights(self, mode: Mode) -> Weights:
        """Parameters and buffers from a fixed seed; in inference as if trained: no norm is idle."""
        rng = np.random.default_rng(0)
        found: Weights = {}
        for i, layer in enumerate(self.layers):
            found |= {f"{i}.{name}": value for name, value in layer.weights(rng).items()}
        if mode == "infer":
            for name, value in found.items():
                if name.endswith("running_mean"):
                    found[name] = rng.normal(0, 0.2, value.shape).astype(np.float32)
                elif name.endswith("running_var"):
                    found[name] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
        return found

    def data(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """One batch: inputs, and classes as int64."""
        rng = np.random.default_rng(1)
        if self.tokens:
            x = rng.integers(0, self.tokens, (batch, *self.sample))
        else:
            x = rng.normal(size=(batch, *self.sample)).astype(np.float32)
        return x, rng.integers(0, self.classes, (batch, *self.targets))

    def flops(self, mode: Mode, batch: int) -> int:
        """Floating-point operations of a step: two a multiply-add of convolutions, linear and
        recurrent layers.

        Training needs three times the forward's: forward, input-adjoint, weight-adjoint; the first
        layer needs no input-adjoint unless an embedding stands before it.
        """
        counts = [layer.multiply_adds(shape) for layer, shape in walk(self.layers, self.sample)]
        once = sum(counts)
        total = once if mode == "infer" else 3 * once - counts[0]
        return 2 * batch * total

    def bytes(self, mode: Mode, batch: int, precision: str = "float32") -> int:
        """Least memory traffic of a step, were no cache large enough to keep it.

        Inference reads the parameters and the input. Training reads and writes each parameter and
        moment, writes and reads each gradient, and writes each kept activation to read it again.
        """
        parameters = sum(
            value.size for name, value in self.weights(mode).items() if "running" not in name
        )
        width = 2 if precision == "bf16" else 4
        inputs = batch * prod(self.sample) * (8 if self.tokens else 4)
        if mode == "infer":
            return width * parameters + inputs
        kept = batch * sum(layer.kept(shape) for layer, shape in walk(self.layers, self.sample))
        per_parameter = 2 * (1 + MOMENTS[self.optimizer]) + 2
        return 4 * per_parameter * parameters + 2 * width * kept + inputs


def _resnet20() -> tuple[Layer, ...]:
    """Three stages of three blocks: 20 layers with parameters on the longest path."""
    blocks: list[Layer] = []
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for place in range(3):
            blocks.append(Residual(inputs, outputs, stride if place == 0 else 1))
            inputs = outputs
    stem = (Conv(3, 16, 3, padding=1, bias=False), BatchNorm(16), Activation("relu"))
    return (*stem, *blocks, GlobalAverage(), Linear(64, 10))


WORKLOADS = {
    "a": Workload(
        "the notes' CNN",
        (
            Conv(1, 6, 5), Activation("sigmoid"), Pool("average", 2),
            Conv(6, 12, 5), Activation("sigmoid"), Pool("average", 2),
            Flatten(), Linear(192, 10),
        ),
        sample=(1, 28, 28),
        batch=64,
    ),
    "b": Workload(
        "CNN with batch norm",
        (
            Conv(1, 32, 3, padding=1), BatchNorm(32), Activation("relu"), Pool("max", 2),
            Conv(32, 64, 3, padding=1), BatchNorm(64), Activation("relu"), Pool("max", 2),
            Flatten(), Linear(3136, 128), Activation("relu"), Linear(128, 10),
        ),
        sample=(1, 28, 28),
        batch=64,
        # At 1e-3 Adam's first step overshoots (the loss rises), and after five more every bfloat16
        # run is 1 to 7 % from its own float32 run, each elsewhere. At 1e-4 all agree to 5e-4 while
        # the loss falls by 15 %.
        rate=1e-4,
    ),
    "c": Workload(
        "MLP 784-256-128-10",
        (
            Linear(784, 256), Activation("relu"), Linear(256, 128), Activation("relu"),
            Linear(128, 10),
        ),
        sample=(784,),
        batch=64,
    ),
    "d": Workload(
        "ResNet-20, 32×32",
        _resnet20(),
        sample=(3, 32, 32),
        batch=128,
        optimizer="sgd",
        rate=0.01,
    ),
    "e": Workload(
        "Embedding, LSTM 256, Linear",
        (Embedding(100, 128), LSTM(128, 256), Linear(256, 100)),
        sample=(64,),
        batch=32,
        classes=100,
        tokens=100,
    ),
    # Not a row of the report: it tries the harness in a second.
    "tiny": Workload(
        "a net to try the harness",
        (Linear(8, 4), Activation("relu"), Linear(4, 3)),
        sample=(8,),
        batch=4,
        classes=3,
    ),
}  # fmt: skip
ROWS = ("a", "b", "c", "d", "e")
INFERENCE_ROWS = ("a", "b", "d")
INFERENCE_BATCHES = (1, 64)
