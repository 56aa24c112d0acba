"""The working of a network's fit: its layers, the epochs, and the loss of the samples kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from chainrule.base.providers import provided
from chainrule.learn.neural import losses
from chainrule.learn.working import Curves, Formula, Words, Working

# Float32 networks, whose numbers come once compiled and once not.
_TOLERANCE = 1e-4
_EPOCHS = 12
_SOFTMAX = Formula("p_k = e^(z_k)/Σ_j e^(z_j)", r"p_k=\frac{e^{z_k}}{\sum_j e^{z_j}}")
_CROSS_ENTROPY = Formula("L = −1/n Σ ln p_y", r"L=-\frac1n\sum\ln p_y")
_SQUARES = Formula("L = 1/(n·m) Σ (ŷ − y)²", r"L=\frac1{nm}\sum(\hat y-y)^2")


class NetworkWorking(Working):
    """A working that leads on to the network's own explanation."""

    def __init__(self, title: Words, estimator: Any) -> None:
        super().__init__(title)
        self._estimator = estimator

    def explanation(self, **options: Any) -> Any:
        """The `Explanation` of the loss of the samples kept: every product and sum of
        backpropagation through the network. options: those of `chainrule.explain`.

        Raises ArgumentError where the fit kept no samples.
        """
        loss = self._estimator._tape(*self._estimator._needs_trace())[1]
        return provided("explanation")(loss, **options)


def network_working(estimator: Any) -> NetworkWorking:
    """Layers and epochs; with a trace the outputs, the loss and its gradient as well."""
    name = Words("A network as an estimator", "作为估计器的网络")
    working = NetworkWorking(name, estimator)
    _layers(working, estimator)
    _epochs(working, estimator)
    if getattr(estimator, "trace_", None) is not None:
        _samples(working, estimator)
    return working


def _layers(working: Working, estimator: Any) -> None:
    step = working.step(Words("Layers", "各层"))
    parameters = dict(estimator.module_.named_parameters())
    rows = [(k, str(tuple(p.shape)), int(p.numel())) for k, p in parameters.items()]
    heads = (
        Words("parameter", "参数"), Words("shape", "形状"), Words("numbers", "个数")
    )  # fmt: skip
    sizes = [(k, shape, int(np.prod(parameters[k].shape))) for k, shape, _ in rows]
    step.table(heads, rows, lambda: sizes)
    total = sum(row[2] for row in rows)
    state = estimator.module_.state_dict()
    step.line("Σ", "", total, lambda: sum(state[k].numpy().size for k in parameters))


def _epochs(working: Working, estimator: Any) -> None:
    history = estimator.history_
    formula = Formula("θ ← θ − η·d, d from ∂L/∂θ", r"\theta\leftarrow\theta-\eta\,d(\nabla L)")
    title = Words("Loss of each epoch", "每轮的损失")
    step = working.step(title, formula)
    step.note(
        f"Optimiser {history.config['optimizer']}, learning rate {history.config['lr']:g}, "
        f"{history.config['batch_size']} samples a step.",
        f"优化器 {history.config['optimizer']}，学习率 {history.config['lr']:g}，"
        f"每步 {history.config['batch_size']} 个样本。",
    )
    if not len(history):
        return
    shown = np.unique(np.linspace(0, len(history) - 1, _EPOCHS).astype(int))
    rows = [(int(i) + 1, history["loss"][i]) for i in shown]
    heads = (Words("epoch", "轮"), Words("mean loss of its steps", "各步损失的平均"))
    step.table(heads, rows, partial(_means, estimator, shown), tolerance=1e-9)
    curves = {k: history[k] for k in ("loss", "val_loss") if k in history}
    step.picture(Curves(title, curves))


def _means(estimator: Any, epochs: Any) -> list[Any]:
    """The epochs' losses from those of the steps."""
    n, size = estimator._rows, estimator.history_.config["batch_size"]
    sizes = np.diff([*range(0, n, size), n])
    steps = np.asarray(estimator.history_.step_loss).reshape(-1, len(sizes))
    return [(int(i) + 1, float(steps[i] @ sizes / n)) for i in epochs]


def _samples(working: NetworkWorking, estimator: Any) -> None:
    X, y = estimator.trace_
    output, loss = estimator._tape(X, y)
    z = np.asarray(output.detach()._data)
    kind = losses.name_of(estimator._loss)
    # A loss with options of its own has another formula.
    known = isinstance(estimator._loss, str) and kind in ("cross_entropy", "mse")
    step = working.step(
        Words(f"The first {len(X)} samples", f"前 {len(X)} 个样本"),
        _SOFTMAX if kind == "cross_entropy" else None,
    )
    again = partial(estimator._forward, X)
    step.line("z" if kind == "cross_entropy" else "ŷ", "", z, again, tolerance=_TOLERANCE)
    if kind == "cross_entropy":
        p = losses.probabilities(z, "cross_entropy", "auto")
        step.line("p", "", p, partial(_shares, z), tolerance=_TOLERANCE)
        step.line("y", "", np.asarray(y), lambda: np.asarray(y))
    else:
        step.line("y", "", np.asarray(y, np.float64), lambda: np.asarray(y, np.float64))
    formulas = {"cross_entropy": _CROSS_ENTROPY, "mse": _SQUARES}
    step = working.step(
        Words("Their loss", "它们的损失"), formulas[kind] if known else None
    )  # fmt: skip
    by_hand = {"cross_entropy": _cross_entropy, "mse": _squares}
    recompute = partial(by_hand[kind], z, y) if known else None
    step.line("L", "", float(loss.item()), recompute, tolerance=_TOLERANCE)
    if known:
        _gradient(working, estimator, z)
    step.note(
        "working.explanation() works out backpropagation through all layers from this loss.",
        "working.explanation() 从这一损失出发，逐层算出反向传播。",
    )


def _gradient(working: Working, estimator: Any, z: np.ndarray) -> None:
    X, y = estimator.trace_
    output, loss = estimator._tape(X, y)
    output.retain_grad()
    loss.backward()
    slope = np.asarray(output.grad._data)
    estimator.module_.zero_grad()
    if estimator._classifies:
        formula = Formula("∂L/∂z = (p − y)/n", r"\frac{\partial L}{\partial z}=\frac{p-y}n")
        again = lambda: (_shares(z) - np.eye(z.shape[1])[y]) / len(y)  # noqa: E731
    else:
        formula = Formula(
            "∂L/∂ŷ = 2(ŷ − y)/(n·m)", r"\frac{\partial L}{\partial\hat y}=\frac{2(\hat y-y)}{nm}"
        )
        again = lambda: 2.0 * (z - np.reshape(y, z.shape)) / z.size  # noqa: E731
    step = working.step(Words("Its gradient at the outputs", "损失对输出的梯度"), formula)
    name = "∂L/∂z" if estimator._classifies else "∂L/∂ŷ"
    step.line(name, "", slope, again, tolerance=_TOLERANCE)


def _shares(z: np.ndarray) -> np.ndarray:
    """Softmax as the definition has it."""
    powers = np.exp(z.astype(np.longdouble))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _cross_entropy(z: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(_shares(z)[np.arange(len(y)), y]).mean())


def _squares(z: np.ndarray, y: np.ndarray) -> float:
    return float(((z - np.reshape(y, z.shape)) ** 2).mean())
