"""What an operand that does not fit is likely meant to be: the changes that `teaching.py` tries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.graph.tensor import Tensor
from chainrule.ops.op import Elementwise

if TYPE_CHECKING:
    from chainrule.ops.op import Op

_KERNELS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}  # axes of the picture


class Change(NamedTuple):
    """`text` with {x} for the operand; `sure`: where it runs, nothing else is meant; `most_axes`: a
    result with more axes was not meant."""

    text: str
    make: Callable[[Tensor], Tensor]
    sure: bool = False
    most_axes: float = math.inf


def changes(cls: type[Op], k: int, name: str, inputs: tuple[Any, ...]) -> Iterator[Change]:
    """Changes of operand `k`, the likeliest first."""
    x = inputs[k]
    if x._rg and x._node is None:
        # Parameters are as a layer made them; only a product may want one the other way round.
        if cls.name == "matmul" and x.ndim >= 2:
            yield Change("{x}.mT", _transposed)
        return
    if "target" in cls.integers:
        yield from _of_classes(name, x, inputs)
        return
    yield from _for_layer(cls.name, k, x, inputs)
    most = math.inf
    if issubclass(cls, Elementwise):
        most = max(y.ndim for y in inputs if isinstance(y, Tensor))
    for change in _usual(x):
        yield change._replace(most_axes=most)


def _transposed(x: Tensor) -> Tensor:
    return x.mT


def _of_classes(name: str, x: Tensor, inputs: tuple[Any, ...]) -> Iterator[Change]:
    """Of a loss of class indices: the scores are right but for the place of the classes."""
    if name == "target":
        for axis, size in enumerate(x.shape):
            if size == 1:
                yield Change(f"{{x}}.squeeze({axis})", partial(_squeezed, axis), sure=True)
        if x.ndim > 1 and x.shape == inputs[0].shape:
            yield Change("{x}.argmax(1)", lambda z: z.argmax(1), sure=True)
    elif name == "input" and x.ndim > 2:
        yield Change("{x}.movedim(-1, 1)", lambda z: z.movedim(-1, 1), sure=True)


def _for_layer(op: str, k: int, x: Tensor, inputs: tuple[Any, ...]) -> Iterator[Change]:
    if k or len(inputs) < 2 or not isinstance(inputs[1], Tensor):
        return
    weight = inputs[1].shape
    if op == "linear" and len(weight) == 2:
        n = weight[1]
        if x.ndim > 2:
            yield Change("{x}.flatten(1)", lambda z: z.flatten(1), sure=True)
        elif x.ndim == 1 and x.shape[0] > n > 0 and x.shape[0] % n == 0:
            yield Change(f"{{x}}.reshape(-1, {n})", lambda z: z.reshape(-1, n), sure=True)
    elif op in _KERNELS and len(weight) == _KERNELS[op] + 2:
        dims, channels = _KERNELS[op], weight[1]
        if x.ndim == 2 < dims + 1 and channels:
            side = round((x.shape[1] / channels) ** (1 / dims))
            if side > 1 and channels * side**dims == x.shape[1]:
                size = (-1, channels, *(side,) * dims)
                yield Change(
                    f"{{x}}.reshape({', '.join(map(str, size))})",
                    lambda z: z.reshape(size),
                    sure=True,
                )
        if x.ndim == dims and channels == 1:
            yield Change("{x}[None, None]", lambda z: z.unsqueeze(0).unsqueeze(0), sure=True)
        if x.ndim == dims + 1 and channels == 1:
            yield Change("{x}.unsqueeze(1)", partial(_unsqueezed, 1), sure=True)


def _usual(x: Tensor) -> Iterator[Change]:
    n = x.ndim
    if n == 4:
        yield Change("{x}.permute(0, 3, 1, 2)", lambda z: z.permute(0, 3, 1, 2))  # channels last
        yield Change("{x}.permute(0, 2, 3, 1)", lambda z: z.permute(0, 2, 3, 1))
    if n == 3:
        yield Change("{x}.permute(2, 0, 1)", lambda z: z.permute(2, 0, 1))
        yield Change("{x}.transpose(1, 2)", lambda z: z.transpose(1, 2))
        yield Change("{x}.transpose(0, 1)", lambda z: z.transpose(0, 1))
    if n >= 2:
        yield Change("{x}.mT", _transposed)
    if n > 2:
        yield Change("{x}.flatten(1)", lambda z: z.flatten(1))
    for axis, size in enumerate(x.shape):
        if size == 1:
            yield Change(f"{{x}}.squeeze({axis})", partial(_squeezed, axis))
    for axis in range(n + 1):
        yield Change(f"{{x}}.unsqueeze({axis})", partial(_unsqueezed, axis))
    yield Change("{x}.float()", lambda z: z.float())
    yield Change("{x}.long()", lambda z: z.long())
    yield Change("{x}.double()", lambda z: z.double())


def _squeezed(axis: int, x: Tensor) -> Tensor:
    return x.squeeze(axis)


def _unsqueezed(axis: int, x: Tensor) -> Tensor:
    return x.unsqueeze(axis)


def other_params(
    cls: type[Op], inputs: tuple[Any, ...], params: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Other values of a parameter, as text and as what they change: another axis to go along,
    another shape with as many elements."""
    x = next(x for x in inputs if isinstance(x, Tensor))
    dim = params.get("dim")
    if isinstance(dim, int):
        for other in range(x.ndim):
            if other not in (dim, dim + x.ndim):
                yield f"dim={other}", {"dim": other}
    shape = params.get("shape")
    if cls.name == "reshape" and isinstance(shape, tuple):
        for k, size in enumerate(shape):
            changed = tuple(-1 if i == k else n for i, n in enumerate(shape))
            rest = math.prod(n for i, n in enumerate(shape) if i != k)
            if size != -1 and rest > 0 and math.prod(x.shape) % rest == 0:
                yield f"reshape({', '.join(map(str, changed))})", {"shape": changed}
