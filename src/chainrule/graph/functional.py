"""Derivatives of functions: vjp, jvp, Jacobian, Hessian (PyTorch's `torch.autograd.functional`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import AutogradError, ShapeError
from chainrule.base.text import t
from chainrule.graph.backward import grad
from chainrule.graph.modes import enable_grad
from chainrule.graph.tensor import Tensor, wrap

Tensors = Tensor | tuple[Tensor, ...]


def _tuple(x: Any) -> tuple[Tensor, ...]:
    return tuple(x) if isinstance(x, tuple | list) else (x,)


def _fresh(inputs: Tensors, create_graph: bool) -> tuple[Tensor, ...]:
    """Inputs to differentiate by: tied to their history only if the result is to have one."""
    out = []
    for x in _tuple(inputs):
        if create_graph and x.requires_grad:
            out.append(x.view_as(x))
        else:
            out.append(x.detach().requires_grad_())
    return tuple(out)


def _outputs(function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> tuple[Any, bool]:
    with enable_grad():
        outputs = function(*inputs)
    many = isinstance(outputs, tuple | list)
    for y in _tuple(outputs):
        if not isinstance(y, Tensor):
            raise AutogradError(
                t("The function must return tensors, not {kind}.", kind=type(y).__name__)
            )
    return _tuple(outputs), many


def _zeros(x: Tensor) -> Tensor:
    return Tensor(np.zeros(x.shape, x._data.dtype), x.dtype)


def _grads(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor | None],
    create_graph: bool,
    strict: bool,
) -> tuple[Tensor, ...]:
    pairs = [(y, v) for y, v in zip(outputs, vectors, strict=True) if y.requires_grad]
    if not pairs:
        found: Sequence[Tensor | None] = [None] * len(inputs)
    else:
        found = grad(
            [y for y, _ in pairs], inputs, [v for _, v in pairs],
            retain_graph=True, create_graph=create_graph, allow_unused=True,
        )  # fmt: skip
    if strict and any(g is None for g in found):
        raise AutogradError(t("strict=True: an output does not depend on an input."))
    return tuple(_zeros(x) if g is None else g for g, x in zip(found, inputs, strict=True))


def _vectors(v: Any, like: tuple[Tensor, ...], role: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) == 1 and like[0].numel() == 1:
            return (Tensor(np.ones(like[0].shape, like[0]._data.dtype)),)
        raise AutogradError(
            t("v may be left out only for a single number; give one {role}.", role=role)
        )
    vectors = _tuple(v)
    if [x.shape for x in vectors] != [x.shape for x in like]:
        raise ShapeError(
            t(
                "v has the shapes {v}, but the {role}s have {like}.",
                v=[x.shape for x in vectors],
                role=role,
                like=[x.shape for x in like],
            )
        )
    return vectors


def _like(many: bool, values: tuple[Any, ...]) -> Any:
    return values if many else values[0]


def vjp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None,
    create_graph: bool = False, strict: bool = False,
) -> tuple[Tensors, Tensors]:  # fmt: skip
    """(func(inputs), vᵀJ): the gradient that backpropagation computes for g = v."""
    xs = _fresh(inputs, create_graph)
    ys, many = _outputs(func, xs)
    vs = _vectors(v, ys, t("output"))
    gs = _grads(ys, xs, vs, create_graph, strict)
    ys = ys if create_graph else tuple(y.detach() for y in ys)
    return _like(many, ys), _like(isinstance(inputs, tuple | list), gs)


def jvp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None,
    create_graph: bool = False, strict: bool = False,
) -> tuple[Tensors, Tensors]:  # fmt: skip
    """(func(inputs), J v): the directional derivative, from differentiating u ↦ uᵀJ by u."""
    xs = _fresh(inputs, create_graph)
    vs = _vectors(v, xs, t("input"))
    ys, many = _outputs(func, xs)
    us = tuple(_zeros(y).requires_grad_() for y in ys)
    gs = _grads(ys, xs, us, True, strict)
    outs = _grads(gs, us, vs, create_graph, strict)
    ys = ys if create_graph else tuple(y.detach() for y in ys)
    return _like(many, ys), _like(many, outs)


def jacobian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False,
) -> Any:  # fmt: skip
    """∂output/∂input of shape output.shape + input.shape; a tuple (of tuples) for several.

    >>> cr.autograd.jacobian(lambda x: x**2, cr.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    xs = _fresh(inputs, create_graph)
    ys, many = _outputs(func, xs)
    rows = tuple(_jacobian_of(y, xs, create_graph, strict) for y in ys)
    if not isinstance(inputs, tuple | list):
        return _like(many, tuple(r[0] for r in rows))
    return _like(many, rows)


def _jacobian_of(
    y: Tensor, xs: tuple[Tensor, ...], create_graph: bool, strict: bool
) -> tuple[Tensor, ...]:
    lines: list[tuple[Tensor, ...]] = []
    for i in range(y.numel()):
        one = np.zeros(y.numel(), y._data.dtype)
        one[i] = 1
        lines.append(_grads([y], xs, [wrap(one.reshape(y.shape))], create_graph, strict))
    out = []
    for k, x in enumerate(xs):
        shape = y.shape + x.shape
        if not lines:
            out.append(Tensor(np.zeros(shape, x._data.dtype)))
        elif create_graph:
            total: Any = 0
            for i, line in enumerate(lines):
                place = np.zeros((y.numel(),) + (1,) * x.ndim, x._data.dtype)
                place[i] = 1
                total = total + Tensor(place) * line[k]
            out.append(total.reshape(shape))
        else:
            out.append(Tensor(np.stack([line[k]._data for line in lines]).reshape(shape)))
    return tuple(out)


def hessian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False,
) -> Any:  # fmt: skip
    """The second derivatives of a function with one number as output: the Jacobian's Jacobian.

    >>> cr.autograd.hessian(lambda x: (x**3).sum(), cr.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    single = not isinstance(inputs, tuple | list)

    def gradient(*xs: Tensor) -> Any:
        with enable_grad():
            y = func(*xs)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise AutogradError(t("hessian needs a function that returns a single number."))
        gs = _grads([y], xs, [None], True, strict)
        return gs[0] if single else gs

    return jacobian(gradient, inputs, create_graph=create_graph)


def hvp(func: Callable[..., Any], inputs: Tensors, v: Tensors) -> tuple[Tensor, Tensors]:
    """(func(inputs), H v): the Hessian times a vector, without forming the Hessian."""
    xs = _fresh(inputs, False)
    ys, _ = _outputs(func, xs)
    gs = _grads(ys, xs, [None], True, False)
    outs = _grads(gs, xs, _vectors(v, xs, t("input")), False, False)
    return ys[0].detach(), _like(isinstance(inputs, tuple | list), outs)
