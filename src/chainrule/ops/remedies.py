"""What can be written in place of an operation that gave a NaN or an infinity (graph/anomaly.py).

A remedy is offered only after it was tried: it ran on the very inputs, and its values and the
gradients of its inputs were finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from chainrule.base.text import t
from chainrule.graph import anomaly
from chainrule.graph.backward import grad
from chainrule.graph.modes import enable_grad, mode
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.arrays import NUMPY
from chainrule.ops.op import REGISTRY, Elementwise, Op
from chainrule.ops.teaching import LARGE, outside
from chainrule.ops.type_info import finfo

Remedy = tuple[str, Callable[[], Tensor]]

_SMALL = 1e-12
_INSIDE = 1e-6  # how far inside an open interval float32 can tell a number from its end
_EXPONENT = 80.0  # exp(80) is about 5.5e34, within float32


class _Watching(type(NUMPY)):  # type: ignore[misc]
    """The namespace of arrays once more: whoever asks for NUMPY itself is told that it is not."""


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    return REGISTRY[name].function(*inputs, **params)


def forward(op: Any, datas: Any, params: dict[str, Any], earlier: list[Any]) -> list[str]:
    """Remedies for an operation whose result was not finite; `earlier`: for each input the
    operation that made it, if it is one of `LINEAGE`."""
    return _tried(op, datas, params, earlier, None)


def backward(
    op: Any, datas: Any, params: dict[str, Any], earlier: list[Any], upstream: Any
) -> list[str]:
    """Remedies for an operation whose gradient, given the upstream one, was not finite."""
    return _tried(op, datas, params, earlier, upstream)


def _tried(op: Any, datas: Any, params: Any, earlier: list[Any], upstream: Any) -> list[str]:
    size = sum(x.size for x in datas if isinstance(x, np.ndarray))
    if not (isinstance(op, type) and issubclass(op, Op)) or size > LARGE:
        return []
    return outside(_those_that_work, op.name, datas, params, earlier, upstream)  # type: ignore[no-any-return]


def _those_that_work(
    name: str, datas: Any, params: dict[str, Any], earlier: list[Any], upstream: Any
) -> list[str]:
    found: list[str] = []
    with enable_grad():
        leaves = [_leaf(x) for x in datas]
        for text, run in _remedies(name, leaves, params, earlier):
            with suppress(Exception):
                if _is_finite(run, upstream):
                    found.append(text)
    return found


def _is_finite(run: Callable[[], Tensor], upstream: Any) -> bool:
    y = run()
    if not np.isfinite(y._data).all():
        return False
    g = np.ones_like(y._data) if upstream is None else upstream
    tensors = _leaves_of(y)
    grads = grad([y], tensors, [wrap(np.broadcast_to(g, y.shape).astype(y._data.dtype))])
    return bool(tensors) and all(x is not None and np.isfinite(x._data).all() for x in grads)


def _leaves_of(y: Tensor) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    stack: list[Any] = [y._node]
    while stack:
        for edge in () if (node := stack.pop()) is None else node.edges:
            if isinstance(edge, Tensor):
                found[id(edge)] = edge
            else:
                stack.append(edge)
    return list(found.values())


def _leaf(x: Any) -> Any:
    """An input as a tensor of its own; numbers as they are."""
    if not isinstance(x, np.ndarray):
        return x
    out = wrap(x)
    out._rg = x.dtype.kind == "f"
    return out


# ---- the remedies --------------------------------------------------------------------------------

# Operations whose inputs are remembered, for remedies that take two steps at once.
LINEAGE = frozenset({"softmax", "sigmoid", "exp", "sum"})


def _remedies(
    name: str, inputs: list[Any], params: dict[str, Any], earlier: list[Any]
) -> Iterator[Remedy]:
    x = inputs[0]
    if name in ("log", "log2", "log10"):
        if name == "log" and earlier and earlier[0] is not None:
            yield from _fused_log(earlier[0])
        yield f"x.clamp(min={_SMALL}).{name}()", lambda: _run(name, _clamp(x, low=_SMALL))
    elif name in ("sqrt", "rsqrt"):
        if (x._data >= 0).all():
            yield f"(x + {_SMALL}).{name}()", lambda: _run(name, x + _SMALL)
        else:
            yield f"x.clamp(min={_SMALL}).{name}()", lambda: _run(name, _clamp(x, low=_SMALL))
    elif name == "reciprocal":
        yield (
            "cr.where(x == 0, 0.0, cr.where(x == 0, 1.0, x).reciprocal())",
            lambda: _run("where", x == 0, 0.0, _run(name, _run("where", x == 0, 1.0, x))),
        )
    elif name == "divide":
        yield from _divisions(x, inputs[1])
    elif name == "pow":
        yield f"x.clamp(min={_SMALL}) ** o", lambda: _run(name, _clamp(x, low=_SMALL), inputs[1])
    elif name == "exp":
        yield (
            t(
                "(x - x.amax(-1, keepdim=True)).exp(), which leaves quotients as they are "
                "(softmax and logsumexp do so)"
            ),
            lambda: _run("exp", x - _run("amax", x, dim=-1, keepdim=True)),
        )
    elif name in ("exp2", "expm1", "sinh", "cosh"):
        yield (
            f"x.clamp(-{_EXPONENT:g}, {_EXPONENT:g}).{name}()",
            lambda: _run(name, _clamp(x, -_EXPONENT, _EXPONENT)),
        )
    elif name in ("asin", "acos", "atanh"):
        yield (
            f"x.clamp({_INSIDE - 1}, {1 - _INSIDE}).{name}()",
            lambda: _run(name, _clamp(x, _INSIDE - 1, 1 - _INSIDE)),
        )
    elif name in ("acosh", "log1p"):
        low = 1 + _INSIDE if name == "acosh" else _INSIDE - 1
        yield f"x.clamp(min={low}).{name}()", lambda: _run(name, _clamp(x, low=low))
    elif name in ("std", "var"):
        yield (
            f"x.{name}(correction=0)",
            lambda: _run(name, x, **(params | {"correction": 0})),
        )
    elif name in ("softmax", "log_softmax"):
        low = float(finfo(x.dtype).min)
        yield (
            t(
                "F.{name}(x.clamp(min=cr.finfo(x.dtype).min)): a row that is masked as a whole "
                "becomes even",
                name=name,
            ),
            lambda: _run(name, _clamp(x, low=low), **params),
        )


def _fused_log(made: Any) -> Iterator[Remedy]:
    """log of what `made` gave, in one step."""
    z = _leaf(made.datas[0])
    if made.op.name == "softmax":
        dim = made.params.get("dim")
        yield (
            t("F.log_softmax(z, dim={dim}) of what went into softmax", dim=dim),
            lambda: _run("log_softmax", z, **made.params),
        )
    elif made.op.name == "sigmoid":
        yield t("F.logsigmoid(z) of what went into sigmoid"), lambda: _run("logsigmoid", z)


def _divisions(x: Any, o: Any) -> Iterator[Remedy]:
    def guarded() -> Any:
        zero = o == 0
        return _run("where", zero, 0.0, x / _run("where", zero, 1.0, o))

    if isinstance(o, Tensor):
        yield "cr.where(o == 0, 0.0, x / cr.where(o == 0, 1.0, o))", guarded
        if (o._data >= 0).all():
            yield "x / (o + 1e-08)", lambda: x / (o + 1e-8)


def _clamp(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    return _run("clamp", x, min=low, max=high)  # type: ignore[no-any-return]


def _names(op: Any, n: int) -> tuple[str, ...]:
    """What the formula calls the inputs."""
    if isinstance(op, type) and issubclass(op, Op):
        names = op.per_input(op.inputs, n)
        return tuple(f"{name}{i}" for i, name in enumerate(names)) if op.variadic else names
    return tuple(f"x{i}" for i in range(n))


def _is_entrywise(op: Any) -> bool:
    return isinstance(op, type) and issubclass(op, Elementwise)


mode.__class__.watching = _Watching()
anomaly.knowledge.update(
    entrywise=_is_entrywise, names=_names, lineage=LINEAGE, forward=forward, backward=backward
)
