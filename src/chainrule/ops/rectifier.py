"""Activations made of straight pieces: the ReLU family, hard sigmoids, thresholds, shrinking.

At a kink the derivative is a convention; each operation states its own.
"""

from __future__ import annotations

import inspect
from typing import Any

from chainrule.base.constraints import Bool, NonNegative, Number
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.functions import function
from chainrule.ops.op import REGISTRY, Card, Elementwise, Op, op


def _between(F, g, x, low, high):
    """g where low < x < high, else 0; NaN counts as inside, so that its gradient shows."""
    outside = F.bitwise_or(F.less_equal(x, low), F.greater_equal(x, high))
    return F.where(outside, 0.0, g)


# ---- the ReLU family ------------------------------------------------------------------------


@op
class Relu(Elementwise):
    """max(x, 0). The gradient at 0 is 0; NaN stays NaN.

    >>> cr.relu(cr.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    math = "max(x, 0)"
    saves = ("y",)
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="Lets the positive part through and blocks the rest, forward and backward.",
        zh="只让正的部分通过，前向与反向都挡住其余部分。",
    )

    def forward(F, x):
        return F.maximum(x, 0)

    def vjp(F, g, y, x):
        return (F.where(F.less_equal(y, 0), 0.0, g),)


@op
class LeakyRelu(Elementwise):
    """x above 0, negative_slope·x below. At 0 the gradient is negative_slope.

    >>> cr.nn.functional.leaky_relu(cr.tensor([-2.0, 2.0]), 0.25)
    tensor([-0.5000,  2.0000])
    """

    math = "where(x > 0, x, negative_slope * x)"
    params = {"negative_slope": Number(0.01, samples=(0.01, 0.2))}
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="A ReLU that keeps a small slope below zero, so that no unit dies.",
        zh="零以下保留小斜率的 ReLU，神经元不会“死亡”。",
    )

    def forward(F, x, *, negative_slope):
        return F.where(F.greater(x, 0), x, negative_slope * x)

    def vjp(F, g, y, x, *, negative_slope):
        return (F.where(F.greater(x, 0), g, negative_slope * g),)


@op
class Relu6(Elementwise):
    """x limited to [0, 6]. The gradient at 0 and at 6 is 0."""

    name = "relu6"
    math = "min(max(x, 0), 6)"
    saves = ("x",)
    edges = (-800.0, 0.0, 6.0, 800.0)
    card = Card(
        en="A ReLU with a ceiling at 6, so that outputs cannot grow without bound.",
        zh="上限为 6 的 ReLU，输出不会无限增大。",
    )

    def forward(F, x):
        return F.clip(x, 0, 6)

    def vjp(F, g, y, x):
        return (_between(F, g, x, 0, 6),)


def _prelu_shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
    x, weight = shapes["x"], shapes["weight"]
    channels = x[1] if len(x) > 1 else 1
    if len(weight) > 1 or weight not in ((), (1,), (channels,)):
        raise ShapeError(
            t(
                "prelu: weight has shape {weight}, input has shape {x}: weight needs 1 entry, or "
                "one for each of the {n} channels (axis 1).",
                weight=weight,
                x=x,
                n=channels,
            )
        )
    return x


def _by_channel(F, x, weight):
    """The weight in a shape that lines up with axis 1 of x."""
    if not weight.shape or not x.shape:
        return F.reshape(weight, ())
    if len(x.shape) == 1:
        return weight
    return F.reshape(weight, (1, weight.shape[0], *(1,) * (len(x.shape) - 2)))


@op
class Prelu(Op):
    """x above 0, weight·x below; weight is learned: (1,), or (C,) for x of shape (N, C, …).

    At 0 the gradient of x is the weight, as in PyTorch.
    """

    math = "where(x > 0, x, weight * x)"
    autocast = ("x", "weight")
    saves = ("x", "weight")
    shape = staticmethod(_prelu_shape)
    always_check = True
    samples = (((4, 3), (3,)), ((2, 3, 2), (3,)), ((5,), (1,)), ((2, 3), ()), ((), (1,)),
               ((0, 3), (3,)))  # fmt: skip
    card = Card(
        en="A leaky ReLU whose slope below zero is learned, one for each channel.",
        zh="负半轴斜率可学习的 ReLU，每个通道一个。",
    )

    def forward(F, x, weight):
        return F.where(F.greater(x, 0), x, _by_channel(F, x, weight) * x)

    def vjp(F, g, y, x, weight):
        w = _by_channel(F, x, weight)
        positive = F.greater(x, 0)

        def slope():
            below = F.where(positive, 0.0, g * x)
            return F.reshape(F.sum_to(below, w.shape), weight.shape)

        return lambda: F.where(positive, g, w * g), slope


# ---- limited on both sides ------------------------------------------------------------------


@op
class Hardtanh(Elementwise):
    """x limited to [min_val, max_val]. The gradient at both ends is 0, as in PyTorch.

    The notes (001 三 F) let the ends pass: `clamp(x, -1, 1)` has that convention.

    >>> cr.nn.functional.hardtanh(cr.tensor([-2.0, 0.5, 2.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    math = "min(max(x, min_val), max_val)"
    params = {"min_val": Number(-1.0, samples=(-1.0, -0.3)), "max_val": Number(1.0)}
    saves = ("x",)
    edges = (-800.0, -1.0, 0.0, 1.0, 800.0)
    card = Card(
        en="Three straight lines in place of tanh: cheap, and flat beyond the limits.",
        zh="用三段直线代替 tanh：计算便宜，界外是平的。",
    )

    @classmethod
    def validate(cls, given: dict[str, Any]) -> dict[str, Any]:
        out = super().validate(given)
        if out["min_val"] > out["max_val"]:
            raise ArgumentError(
                t("hardtanh: min_val {low} is above max_val {high}.", low=out["min_val"],
                  high=out["max_val"])
            )  # fmt: skip
        return out

    def forward(F, x, *, min_val, max_val):
        return F.astype(F.clip(x, min_val, max_val), x.dtype)

    def vjp(F, g, y, x, *, min_val, max_val):
        return (_between(F, g, x, min_val, max_val),)


@op
class Hardsigmoid(Elementwise):
    """x/6 + ½ limited to [0, 1]. The gradient at −3 and 3 is 0, as in PyTorch.

    `hard_sigmoid_bnn` is the steeper form of the notes.
    """

    math = "min(max(x / 6 + 1/2, 0), 1)"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, -3.0, 0.0, 3.0, 800.0)
    card = Card(
        en="The sigmoid drawn with three straight lines; saturates exactly at ±3.",
        zh="用三段直线画成的 sigmoid；在 ±3 处完全饱和。",
    )

    def forward(F, x):
        return F.clip(x + 3, 0, 6) / 6

    def vjp(F, g, y, x):
        return (_between(F, g / 6, x, -3, 3),)


@op
class Hardswish(Elementwise):
    """x·hardsigmoid(x): 0 up to −3, x from 3. The gradient at −3 is 0, at 3 it is 1."""

    math = "x * min(max(x / 6 + 1/2, 0), 1)"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, -3.0, 0.0, 3.0, 800.0)
    card = Card(
        en="SiLU made of a parabola between two straight lines.",
        zh="用两段直线夹一段抛物线做成的 SiLU。",
    )

    def forward(F, x):
        return x * F.clip(x + 3, 0.0, 6.0) / 6

    def vjp(F, g, y, x):
        slope = g * (x / 3 + 0.5)
        return (F.where(F.less_equal(x, -3), 0.0, F.where(F.greater_equal(x, 3), g, slope)),)


# ---- binarised networks ---------------------------------------------------------------------


def _inside(F, g, x):
    """g where |x| ≤ 1 (ends included), else 0; NaN counts as inside."""
    return F.where(F.greater(F.abs(x), 1), 0.0, g)


@op
class HardSigmoidBnn(Elementwise):
    """max(0, min(1, (x + 1)/2)), the hard sigmoid of binarised networks (001 三 E).

    The gradient is ½ inside [−1, 1], ends included, and 0 outside.
    """

    name = "hard_sigmoid_bnn"
    math = "max(0, min(1, (x + 1) / 2))"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, -1.0, 0.0, 1.0, 800.0)
    card = Card(
        en="The chance that a binarised unit is on: a straight line between −1 and 1.",
        zh="二值化单元取 1 的概率：在 −1 与 1 之间是一条直线。",
    )

    def forward(F, x):
        return F.clip((x + 1) / 2, 0, 1)

    def vjp(F, g, y, x):
        return (_inside(F, g / 2, x),)


@op
class SignSte(Elementwise):
    """sign(x), with the straight-through gradient of 001 三 C: 1 inside [−1, 1], 0 outside.

    The true derivative of sign is 0 everywhere, and nothing would be learned. M. Courbariaux et
    al., "Binarized neural networks" (2016).
    """

    name = "sign_ste"
    math = "sign(x)"
    saves = ("x",)
    surrogate = True  # the gradient is chosen, it is not the derivative of the forward
    edges = (-800.0, -1.0, 0.0, 1.0, 800.0)
    card = Card(
        en="A sign that learns: backward it pretends to be hard tanh.",
        zh="可以学习的符号函数：反向时假装自己是 hard tanh。",
    )

    def forward(F, x):
        return F.sign(x)

    def vjp(F, g, y, x):
        return (_inside(F, g, x),)


# ---- thresholds and shrinking ---------------------------------------------------------------


@op
class Threshold(Elementwise):
    """x above `threshold`, else `value`. The gradient at the threshold is 0."""

    math = "where(x > threshold, x, value)"
    params = {"threshold": Number(samples=(0.1,)), "value": Number(samples=(-1.5,))}
    saves = ("x",)
    samples = (
        (((3, 4),), {"threshold": 0.1, "value": -1.5}),
        (((0, 2),), {"threshold": 0.1, "value": 0.0}),
        (((),), {"threshold": 0.1, "value": 2.0}),
    )
    card = Card(
        en="What does not exceed the threshold is replaced by a constant and learns nothing.",
        zh="不超过阈值的部分换成常数，没有梯度。",
    )

    def forward(F, x, *, threshold, value):
        return F.astype(F.where(F.less_equal(x, threshold), value, x), x.dtype)

    def vjp(F, g, y, x, *, threshold, value):
        return (F.where(F.less_equal(x, threshold), 0.0, g),)


@op
class Softshrink(Elementwise):
    """x moved towards 0 by lambd, 0 within [−lambd, lambd]. The gradient at ±lambd is 0."""

    math = "where(abs(x) > lambd, x - lambd * sign(x), 0)"
    params = {"lambd": NonNegative(0.5, samples=(0.5, 0.2))}
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, -0.5, 0.0, 0.5, 800.0)
    card = Card(
        en="Soft thresholding: the step that makes lasso's small coefficients exactly zero.",
        zh="软阈值：正是它使 lasso 的小系数恰好为零。",
    )

    def forward(F, x, *, lambd):
        return F.where(F.less_equal(F.abs(x), lambd), 0.0, x - lambd * F.sign(x))

    def vjp(F, g, y, x, *, lambd):
        return (F.where(F.less_equal(F.abs(x), lambd), 0.0, g),)


@op
class Hardshrink(Elementwise):
    """x, but 0 within [−lambd, lambd]. The gradient at ±lambd is 0."""

    math = "where(abs(x) > lambd, x, 0)"
    params = {"lambd": Number(0.5, samples=(0.5, 0.2))}
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, -0.5, 0.0, 0.5, 800.0)
    card = Card(en="Drops small values and leaves the others alone.", zh="去掉小的值，其余不变。")

    def forward(F, x, *, lambd):
        return F.where(F.less_equal(F.abs(x), lambd), 0.0, x)

    def vjp(F, g, y, x, *, lambd):
        return (F.where(F.less_equal(F.abs(x), lambd), 0.0, g),)


# ---- with PyTorch's `inplace` argument ------------------------------------------------------

_flag = Bool()


def with_inplace(*names: str) -> None:
    """Gives the public functions of these operations a last argument `inplace=False`."""
    for name in names:
        function()(_inplace_form(REGISTRY[name]))


def _inplace_form(cls: type[Op]) -> Any:
    new, written, n = cls.function, getattr(Tensor, f"{cls.name}_"), len(cls.params)

    def call(input: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> Any:
        if len(args) > n:
            args, inplace = args[:-1], args[-1]
        if inplace is False:
            return new(input, *args, **kwargs)
        chosen = written if _flag.check(inplace, cls.name, "inplace") else new
        return chosen(input, *args, **kwargs)

    call.__name__ = call.__qualname__ = cls.name
    call.__doc__ = (
        f"{cls.signature()[:-1]}, inplace=False)\n\n{inspect.cleandoc(cls.__doc__ or '')}"
    )
    return call


with_inplace(
    "relu", "leaky_relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "threshold"
)  # fmt: skip
