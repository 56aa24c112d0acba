"""tinygrad: TinyJit over a whole step, on its CPU device by clang or LLVM."""

from __future__ import annotations

import os
from typing import Any

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
)
from benchmarks.peers import Job, Program
from benchmarks.workloads import Weights


def prepare(job: Job, weights: Weights, x: Any, y: Any) -> Program:
    # Both are read when the package is imported.
    os.environ["DEV"] = job.options["device"]
    os.environ["NUM_CPU_THREADS"] = str(job.options.get("threads", job.threads))
    from tinygrad import Context, Device, Tensor, TinyJit, nn

    model = [module(nn, Tensor, layer) for layer in job.workload.layers]
    state = nn.state.get_state_dict(model)
    for name, value in weights.items():
        state[name].replace(Tensor(value)).realize()
    inputs = Tensor(x.astype(np.int32) if job.workload.tokens else x).realize()
    target = Tensor(y.astype(np.int32).reshape(-1)).realize()

    @TinyJit
    def infer(inputs: Any) -> Any:
        return inputs.sequential(model).realize()

    if job.mode == "infer":
        return Program(lambda: infer(inputs), lambda out: out.numpy().ravel().tolist())

    workload = job.workload
    learned = [state[name] for name in weights if "running" not in name]
    if workload.optimizer == "adam":
        optimizer: Any = nn.optim.Adam(learned, lr=workload.rate)
    else:
        optimizer = nn.optim.SGD(learned, lr=workload.rate, momentum=workload.momentum)

    @TinyJit
    def jitted(inputs: Any, target: Any) -> Any:
        optimizer.zero_grad()
        logits = inputs.sequential(model)
        logits = logits.reshape(-1, logits.shape[-1])
        loss = logits.sparse_categorical_crossentropy(target).backward()
        buffers = [state[name] for name in weights if "running" in name]
        return loss.realize(*optimizer.schedule_step(), *buffers)

    def step() -> Any:
        with Context(TRAINING=1):
            return jitted(inputs, target)

    def read(loss: Any) -> list[float]:
        Device[Device.DEFAULT].synchronize()
        return [loss.item()]

    return Program(step, read)


def module(nn: Any, Tensor: Any, layer: Layer) -> Any:
    """A callable for the layer, its parameters named as the weights are."""
    match layer:
        case Conv(inputs, outputs, kernel, stride, padding, bias):
            return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)
        case BatchNorm(channels):
            return nn.BatchNorm(channels)
        case Activation("relu"):
            return Tensor.relu
        case Activation("sigmoid"):
            return Tensor.sigmoid
        case Pool("max", size):
            return lambda x: x.max_pool2d((size, size))
        case Pool("average", size):
            return lambda x: x.avg_pool2d((size, size))
        case GlobalAverage():
            return lambda x: x.mean((2, 3))
        case Flatten():
            return lambda x: x.flatten(1)
        case Linear(inputs, outputs):
            return nn.Linear(inputs, outputs)
        case Embedding(rows, width):
            return nn.Embedding(rows, width)
        case LSTM():
            return Recurrent(Tensor, layer)
        case Residual():
            return Block(nn, Tensor, layer)
    raise TypeError(f"no function for {layer}")


class Block:
    """A residual block of two convolutions."""

    def __init__(self, nn: Any, Tensor: Any, layer: Residual) -> None:
        parts = {name: module(nn, Tensor, part) for name, part in layer.parts().items()}
        self.conv1, self.norm1 = parts["conv1"], parts["norm1"]
        self.conv2, self.norm2 = parts["conv2"], parts["norm2"]
        self.shortcut = [v for k, v in parts.items() if k.startswith("shortcut")]

    def __call__(self, x: Any) -> Any:
        y = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (y + x.sequential(self.shortcut)).relu()


class Recurrent:
    """An LSTM whose time loop the JIT unrolls; the input's projection stands outside of it."""

    def __init__(self, Tensor: Any, layer: LSTM) -> None:
        gates = 4 * layer.units
        shapes = {"ih": (gates, layer.inputs), "hh": (gates, layer.units)}
        self.lstm = {f"weight_{k}_l0": Tensor.zeros(*shape) for k, shape in shapes.items()}
        self.lstm |= {f"bias_{k}_l0": Tensor.zeros(gates) for k in shapes}

    def __call__(self, x: Any) -> Any:
        w = self.lstm
        projected = x @ w["weight_ih_l0"].T + w["bias_ih_l0"] + w["bias_hh_l0"]
        hidden = cell = None
        outputs = []
        for t in range(x.shape[1]):
            gates = projected[:, t]
            if hidden is not None:
                gates = gates + hidden @ w["weight_hh_l0"].T
            i, f, g, o = gates.chunk(4, dim=1)
            fresh = i.sigmoid() * g.tanh()
            cell = fresh if cell is None else f.sigmoid() * cell + fresh
            hidden = o.sigmoid() * cell.tanh()
            outputs.append(hidden)
        return outputs[0].stack(*outputs[1:], dim=1)
