"""Gradients compared with central differences: f′(x) ≈ (f(x + ε) − f(x − ε)) / 2ε."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.dtypes import float64
from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.graph.backward import grad
from chainrule.graph.functional import _tuple
from chainrule.graph.modes import enable_grad
from chainrule.graph.tensor import Tensor


def numeric_jacobian(
    func: Callable[..., Any], inputs: tuple[Tensor, ...], which: int, eps: float = 1e-6
) -> list[np.ndarray]:
    """For each output an array (outputs, inputs) of central differences by input `which`."""
    point = np.array(inputs[which]._data)
    columns: list[list[np.ndarray]] = []
    for i in range(point.size):
        sides = []
        for step in (eps, -eps):
            moved = point.copy()
            moved.reshape(-1)[i] += step
            xs = list(inputs)
            xs[which] = Tensor(moved).requires_grad_(inputs[which].requires_grad)
            with enable_grad():
                sides.append([np.array(y._data) for y in _tuple(func(*xs))])
        columns.append([(a - b).reshape(-1) / (2 * eps) for a, b in zip(*sides, strict=True)])
    count = len(_tuple(func(*inputs)))
    return [
        np.stack([c[k] for c in columns], 1) if columns else np.zeros((0, 0)) for k in range(count)
    ]


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True,
) -> bool:  # fmt: skip
    """Whether the gradients of `func` at float64 `inputs` agree with central differences.

    Errors: AutogradError with the output, the input and the entry that differ most; inputs that
    are not float64 are refused, because float32 cannot resolve the differences.

    >>> x = cr.tensor([0.5, 1.5], dtype=cr.float64, requires_grad=True)
    >>> cr.autograd.gradcheck(cr.sin, [x])
    True
    """
    xs = _tuple(inputs)
    wanted = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise AutogradError(t("gradcheck: no input requires a gradient."))
    for i in wanted:
        if xs[i].dtype is not float64:
            raise AutogradError(
                t("gradcheck: input {i} is {d}; use float64.", i=i, d=xs[i].dtype.name)
            )
    with enable_grad():
        outputs = [y for y in _tuple(func(*xs))]
    for i in wanted:
        numeric = numeric_jacobian(func, xs, i, eps)
        for k, y in enumerate(outputs):
            found = _analytic(y, xs[i])
            if found.shape != numeric[k].shape:
                numeric[k] = numeric[k].reshape(found.shape)
            close = np.isclose(found, numeric[k], rtol, atol, equal_nan=True)
            if not close.all():
                if not raise_exception:
                    return False
                worst = np.unravel_index(np.argmax(np.abs(found - numeric[k])), found.shape)
                raise AutogradError(
                    t(
                        "gradcheck: ∂output[{k}]/∂input[{i}] differs: at entry {entry} the "
                        "gradient says {found:.6g}, the differences say {numeric:.6g}.",
                        k=k,
                        i=i,
                        entry=tuple(map(int, worst)),
                        found=float(found[worst]),
                        numeric=float(numeric[k][worst]),
                    )
                )
    return True


def _analytic(y: Tensor, x: Tensor) -> np.ndarray:
    out = np.zeros((y.numel(), x.numel()))
    if not y.requires_grad:
        return out
    for i in range(y.numel()):
        one = np.zeros(y.numel(), y._data.dtype)
        one[i] = 1
        (g,) = grad(y, x, Tensor(one.reshape(y.shape)), retain_graph=True, allow_unused=True)
        if g is not None:
            out[i] = g._data.reshape(-1)
    return out


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradient itself: the second derivatives."""
    xs = _tuple(inputs)
    with enable_grad():
        ys = [y for y in _tuple(func(*xs)) if y.requires_grad]
    if grad_outputs is None:
        random = np.random.default_rng(0)
        grad_outputs = [Tensor(random.normal(size=y.shape)).requires_grad_() for y in ys]
    vs = _tuple(grad_outputs)

    def gradient(*args: Tensor) -> tuple[Tensor, ...]:
        inner, given = args[: len(xs)], args[len(xs) :]
        with enable_grad():
            outs = [y for y in _tuple(func(*inner)) if y.requires_grad]
            by = [x for x in inner if isinstance(x, Tensor) and x.requires_grad]
            found = grad(outs, by, given, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradient, (*xs, *vs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )
