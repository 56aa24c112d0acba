"""What an in-place write to a view records: the base with the viewed part replaced."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Anything
from chainrule.ops.indexing import Chosen
from chainrule.ops.inplace import set_write
from chainrule.ops.op import Card, Op, op
from chainrule.ops.shaping import Permute, Reshape, Slice


@op
class ViewWrite(Op):
    """x with the part that `view` shows replaced by o: what an in-place write to a view records."""

    params = {"view": Anything()}
    saves = ()
    dtypes = "keep"
    math = "x"
    method = False
    card = Card(
        en="Writing into a part: that part's gradient goes to what was written.",
        zh="写入一部分：该部分的梯度归于写入的值。",
    )

    def forward(F, x, o, *, view):
        part, full = _through(F, view, x)
        return F.where(full(F.ones_like(o)) != 0, full(o), x)

    def vjp(F, g, y, x, o, *, view):
        part, full = _through(F, view, g)
        seen = part(g)
        return lambda: F.where(full(F.ones_like(seen)) != 0, F.zeros_like(g), g), lambda: seen


def _through(F: Any, view: Any, like: Any) -> tuple[Any, Any]:
    """The view as a linear map on arrays shaped like `like`, and its adjoint."""
    made, params = view
    if isinstance(made, Chosen):
        return made.maps(F, like, params)
    cls = made.op
    if cls.vjp is None:
        cls, params = _primitive_view(cls, like.shape, params)

    def part(x: Any) -> Any:
        return cls.forward(F, x, **params)

    def full(g: Any) -> Any:
        return cls.vjp(F, g, None, like, **params)[0]

    return part, full


class _Probe:
    """A namespace that only notes which primitive a composite view comes down to."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def reshape(self, x: Any, shape: Any) -> Any:
        return Reshape, {"shape": tuple(shape)}

    def expand_dims(self, x: Any, axis: int) -> Any:
        return self.reshape(x, (*self.shape[:axis], 1, *self.shape[axis:]))

    def permute_dims(self, x: Any, axes: Any) -> Any:
        return Permute, {"dims": tuple(axes)}

    def slice(self, x: Any, key: Any) -> Any:
        return Slice, {"key": key}


def _primitive_view(cls: type[Op], shape: tuple[int, ...], params: dict[str, Any]) -> Any:
    probe = _Probe(shape)
    return cls.forward(probe, probe, **params)


set_write(ViewWrite)
