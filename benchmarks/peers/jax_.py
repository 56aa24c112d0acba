"""JAX: one jitted function a step, its buffers donated; the layers written as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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
from benchmarks.workloads import Weights, Workload

BETAS, EPSILON = (0.9, 0.999), 1e-8


class Net:
    """The forward pass; `format` is "NCHW" or "NHWC" for images."""

    def __init__(self, workload: Workload, format: str, unroll: int, train: bool) -> None:
        self.workload, self.format, self.unroll, self.train = workload, format, unroll, train

    def arrange(self, weights: Weights, x: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Parameters, buffers and input in this format, as JAX arrays."""
        if self.format == "NHWC":
            weights = {k: v.transpose(2, 3, 1, 0) if v.ndim == 4 else v for k, v in weights.items()}
            x = x.transpose(0, 2, 3, 1)
        arrays = {k: jnp.asarray(np.ascontiguousarray(v)) for k, v in weights.items()}
        buffers = {k: v for k, v in arrays.items() if "running" in k}
        parameters = {k: v for k, v in arrays.items() if "running" not in k}
        return parameters, buffers, jnp.asarray(x)

    def __call__(self, parameters: Any, buffers: Any, x: Any) -> tuple[Any, Any]:
        """Outputs and the new buffers."""
        self.weights, self.buffers = {**parameters, **buffers}, dict(buffers)
        for i, layer in enumerate(self.workload.layers):
            x = self.apply(layer, str(i), x)
        return x, self.buffers

    def apply(self, layer: Layer, name: str, x: Any) -> Any:
        w = {k.removeprefix(f"{name}."): v for k, v in self.weights.items()
             if k.startswith(f"{name}.")}  # fmt: skip
        match layer:
            case Conv():
                return self.conv(layer, w, x)
            case BatchNorm():
                return self.norm(name, w, x)
            case Activation("relu"):
                return jax.nn.relu(x)
            case Activation("sigmoid"):
                return jax.nn.sigmoid(x)
            case Pool():
                return self.pool(layer, x)
            case GlobalAverage():
                return x.mean(self.space)
            case Flatten():
                if self.format == "NHWC":
                    x = x.transpose(0, 3, 1, 2)
                return x.reshape(x.shape[0], -1)
            case Linear():
                return x @ w["weight"].T + w["bias"]
            case Embedding():
                return w["weight"][x]
            case LSTM():
                return self.lstm(w, x)
            case Residual():
                return self.residual(layer, name, x)
        raise TypeError(f"no function for {layer}")

    @property
    def space(self) -> tuple[int, int]:
        return (2, 3) if self.format == "NCHW" else (1, 2)

    def per_channel(self, v: Any) -> Any:
        return v[:, None, None] if self.format == "NCHW" else v

    def conv(self, layer: Conv, w: Any, x: Any) -> Any:
        kernel = "OIHW" if self.format == "NCHW" else "HWIO"
        y = lax.conv_general_dilated(
            x, w["weight"], 2 * (layer.stride,), 2 * ((layer.padding, layer.padding),),
            dimension_numbers=(self.format, kernel, self.format),
        )  # fmt: skip
        return y + self.per_channel(w["bias"]) if layer.bias else y

    def norm(self, name: str, w: Any, x: Any) -> Any:
        mean, variance = w["running_mean"], w["running_var"]
        if self.train:
            axes = (0, *self.space)
            mean, variance = x.mean(axes), x.var(axes)
            count = x.size / mean.size
            fresh = {"running_mean": mean, "running_var": variance * (count / (count - 1))}
            for k, v in fresh.items():
                self.buffers[f"{name}.{k}"] = 0.9 * w[k] + 0.1 * lax.stop_gradient(v)
        scale = w["weight"] * lax.rsqrt(variance + 1e-5)
        return (x - self.per_channel(mean)) * self.per_channel(scale) + self.per_channel(w["bias"])

    def pool(self, layer: Pool, x: Any) -> Any:
        # Windows do not overlap: a reduction over a reshaped array is faster than reduce_window,
        # and its gradient needs no select_and_scatter.
        shape: list[int] = []
        axes: list[int] = []
        for axis, size in enumerate(x.shape):
            if axis in self.space:
                axes.append(len(shape) + 1)
                shape += [size // layer.size, layer.size]
            else:
                shape.append(size)
        x = x.reshape(shape)
        return x.max(axes) if layer.kind == "max" else x.mean(axes)

    def lstm(self, w: Any, x: Any) -> Any:
        # The input's projection for all steps at once, outside the loop.
        bias = w["lstm.bias_ih_l0"] + w["lstm.bias_hh_l0"]
        projected = (x @ w["lstm.weight_ih_l0"].T + bias).swapaxes(0, 1)
        recurrent = w["lstm.weight_hh_l0"].T

        def advance(state: Any, gates: Any) -> Any:
            hidden, cell = state
            i, f, g, o = jnp.split(gates + hidden @ recurrent, 4, axis=1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden

        zero = jnp.zeros((x.shape[0], recurrent.shape[0]), x.dtype)
        _, hidden = lax.scan(advance, (zero, zero), projected, unroll=self.unroll)
        return hidden.swapaxes(0, 1)

    def residual(self, layer: Residual, name: str, x: Any) -> Any:
        parts = layer.parts()

        def run(part: str, x: Any) -> Any:
            return self.apply(parts[part], f"{name}.{part}", x)

        y = jax.nn.relu(run("norm1", run("conv1", x)))
        shortcut = run("shortcut.1", run("shortcut.0", x)) if layer.projects else x
        return jax.nn.relu(run("norm2", run("conv2", y)) + shortcut)


def prepare(job: Job, weights: Weights, x: Any, y: Any) -> Program:
    format, unroll = job.options.get("format", "NCHW"), job.options.get("unroll", 1)
    net = Net(job.workload, format, unroll, job.mode == "train")
    if not job.workload.convolves and not job.workload.tokens:
        net.format = "plain"
    parameters, buffers, inputs = net.arrange(weights, x)
    if job.mode == "infer":
        run = jax.jit(lambda x: net(parameters, buffers, x)[0])
        return Program(lambda: run(inputs), lambda out: np.asarray(out).ravel().tolist())

    target = jnp.asarray(y)
    rule = adam if job.workload.optimizer == "adam" else sgd
    state, update = rule(job.workload, parameters)

    def loss_of(parameters: Any, buffers: Any, inputs: Any, target: Any) -> Any:
        logits, buffers = net(parameters, buffers, inputs)
        scores = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(scores, target[..., None], -1).mean(), buffers

    # The data are arguments: as constants they would be folded into the program.
    def step(held: Any, inputs: Any, target: Any) -> Any:
        parameters, buffers, state = held
        gradient_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, buffers), gradients = gradient_of(parameters, buffers, inputs, target)
        parameters, state = update(parameters, gradients, state)
        return loss, (parameters, buffers, state)

    jitted = jax.jit(step, donate_argnums=0)
    held = (parameters, buffers, state)

    def run_step() -> Any:
        nonlocal held
        loss, held = jitted(held, inputs, target)
        return loss

    def read(loss: Any) -> list[float]:
        jax.block_until_ready(held)
        return [float(loss)]

    return Program(run_step, read)


def adam(workload: Workload, parameters: Any) -> tuple[Any, Callable[..., Any]]:
    """The first state, and (parameters, gradients, state) → (parameters, state)."""
    b1, b2 = BETAS

    def update(parameters: Any, gradients: Any, state: Any) -> Any:
        count, first, second = state
        count = count + 1
        first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, gradients)
        second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, second, gradients)
        rate = workload.rate / (1 - b1**count)
        root = jnp.sqrt(1 - b2**count)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + EPSILON), parameters, first, second
        )
        return parameters, (count, first, second)

    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    return (jnp.zeros(()), *zeros), update


def sgd(workload: Workload, parameters: Any) -> tuple[Any, Callable[..., Any]]:
    """The first state, and (parameters, gradients, state) → (parameters, state)."""

    def update(parameters: Any, gradients: Any, velocity: Any) -> Any:
        velocity = jax.tree.map(lambda v, g: workload.momentum * v + g, velocity, gradients)
        parameters = jax.tree.map(lambda p, v: p - workload.rate * v, parameters, velocity)
        return parameters, velocity

    return jax.tree.map(jnp.zeros_like, parameters), update
