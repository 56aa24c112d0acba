"""Layer, group, instance, RMS and local response normalisation: within one sample."""

from __future__ import annotations

from math import prod
from typing import Any

from chainrule.base.constraints import Int, Ints, NonNegative, Number, Optional
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import no_grad
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.normalization import (
    EPS,
    FLAG,
    Normalization,
    View,
    check_channels,
    check_size,
    given_shapes,
    normalize,
    pull_back,
    step,
    with_running,
)
from chainrule.ops.op import Card, Op, op
from chainrule.ops.shape_rules import same_as
from chainrule.ops.windows import Ints_, Shapes


def _layer_view(x: Ints_, normalized: Ints_) -> View:
    """(rows, elements of a row): those of a row share statistics."""
    lead = x[: len(x) - len(normalized)]
    return (prod(lead), prod(normalized)), (1,), (1, prod(normalized))


def _check_normalized(name: str, x: Ints_, normalized: Ints_, shapes: Shapes) -> None:
    if not normalized or x[len(x) - len(normalized) :] != normalized or len(x) < len(normalized):
        raise ShapeError(
            t(
                "{name}: normalized_shape {n} must be the last sizes of the input, whose shape is "
                "{x}.",
                name=name,
                n=normalized,
                x=x,
            )
        )
    for key, shape in shapes.items():
        check_size(name, key, shape, normalized, x)


@op
class LayerNorm(Normalization):
    """x normalised over its last axes `normalized_shape`, times weight, plus bias of that shape.

    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization" (2016). Also mean and variance.
    """

    params = {"normalized_shape": Ints(), "eps": NonNegative(1e-5)}
    samples = (
        (((3, 4), (4,), (4,)), {"normalized_shape": 4}),
        (((2, 3, 4), (3, 4), (3, 4)), {"normalized_shape": (3, 4)}),
        (((2, 5), None, None), {"normalized_shape": 5}),
    )
    card = Card(
        en="Each sample is normalised over its own features, whatever the batch.",
        zh="每个样本在自己的特征上归一化，与批大小无关。",
    )

    def forward(F, x, weight=None, bias=None, *, normalized_shape, eps):
        given = given_shapes(weight=weight, bias=bias)
        _check_normalized("layer_norm", x.shape, normalized_shape, given)
        y, *stats = normalize(F, x, weight, bias, _layer_view(x.shape, normalized_shape), eps)
        lead = x.shape[: len(x.shape) - len(normalized_shape)]
        return y, *(F.reshape(s, lead) for s in stats)

    def vjp(F, g, y, x, weight, bias, *, normalized_shape, eps):
        return pull_back(F, g, x, weight, bias, _layer_view(x.shape, normalized_shape), eps)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[Ints_, Ints_, Ints_]:
        x, n = shapes["x"], params["normalized_shape"]
        _check_normalized("layer_norm", x, n, {k: v for k, v in shapes.items() if k != "x"})
        return (x, *(x[: len(x) - len(n)],) * 2)


def _group_view(x: Ints_, groups: int) -> View:
    """(N, groups, channels of a group, L): those of a group share statistics, in each sample."""
    each, rest = x[1] // groups, prod(x[2:])
    return (x[0], groups, each, rest), (2, 3), (1, groups, each, 1)


def _check_groups(x: Ints_, groups: int, shapes: Shapes) -> None:
    check_channels("group_norm", x, shapes)
    if x[1] % groups:
        raise ShapeError(
            t(
                "group_norm: num_groups={groups} does not divide the {c} channels of the input of "
                "shape {x}.",
                groups=groups,
                c=x[1],
                x=x,
            )
        )


@op
class GroupNorm(Normalization):
    """x (N, C, …) normalised over each sample's groups of channels, times weight, plus bias (C,).

    Y. Wu, K. He, "Group normalization", ECCV 2018. num_groups = 1 is layer norm over (C, H, W),
    num_groups = C instance norm. Also mean and variance, each (N, num_groups).
    """

    params = {"num_groups": Int(low=1), "eps": NonNegative(1e-5)}
    samples = (
        (((2, 4, 3), (4,), (4,)), {"num_groups": 2}),
        (((2, 3, 2, 3), (3,), (3,)), {"num_groups": 3}),
        (((2, 4, 2, 3), None, None), {"num_groups": 1}),
    )
    card = Card(
        en="Channels of one sample are normalised in groups: independent of the batch size.",
        zh="把一个样本的通道分组归一化，与批大小无关；g = 1 即层归一化，g = C 即实例归一化。",
    )

    def forward(F, x, weight=None, bias=None, *, num_groups, eps):
        _check_groups(x.shape, num_groups, given_shapes(weight=weight, bias=bias))
        return normalize(F, x, weight, bias, _group_view(x.shape, num_groups), eps)

    def vjp(F, g, y, x, weight, bias, *, num_groups, eps):
        return pull_back(F, g, x, weight, bias, _group_view(x.shape, num_groups), eps)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[Ints_, Ints_, Ints_]:
        x, groups = shapes["x"], params["num_groups"]
        _check_groups(x, groups, {k: v for k, v in shapes.items() if k != "x"})
        return x, (x[0], groups), (x[0], groups)


@op
class RmsNorm(Op):
    """x/√(mean(x²) + eps) over its last axes `normalized_shape`, times weight of that shape.

    B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019. eps None: the
    dtype's smallest step at 1.
    """

    math = "x / sqrt(mean(x ^ 2) + eps) * weight"
    autocast = "float32"
    params = {"normalized_shape": Ints(), "eps": Optional(NonNegative())}
    optional = ("weight",)
    saves = {"x": ("x", "weight"), "weight": ("x",)}
    method = False
    samples = (
        (((3, 4), (4,)), {"normalized_shape": 4}),
        (((2, 3, 4), (3, 4)), {"normalized_shape": (3, 4), "eps": 1e-3}),
        (((2, 5), None), {"normalized_shape": 5}),
    )
    card = Card(
        en="Layer norm without taking the mean off: only the length is set.",
        zh="不减均值的层归一化：只调整长度。",
    )

    def forward(F, x, weight=None, *, normalized_shape, eps):
        _check_normalized("rms_norm", x.shape, normalized_shape, given_shapes(weight=weight))
        y = x * _inverse_rms(F, x, normalized_shape, eps)
        return y if weight is None else y * weight

    def vjp(F, g, y, x, weight, *, normalized_shape, eps):
        def of_x():
            r = _inverse_rms(F, x, normalized_shape, eps)
            h = g if weight is None else g * weight
            axes = _last(x.shape, normalized_shape)
            along = F.sum(h * x, axes, True) / max(prod(normalized_shape), 1)
            return r * h - x * (r * r * r * along)

        return of_x, lambda: F.sum_to(
            g * x * _inverse_rms(F, x, normalized_shape, eps), weight.shape
        )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        given = {k: v for k, v in shapes.items() if k != "x"}
        _check_normalized("rms_norm", shapes["x"], params["normalized_shape"], given)
        return shapes["x"]


def _last(x: Ints_, normalized: Ints_) -> Ints_:
    return tuple(range(len(x) - len(normalized), len(x)))


def _inverse_rms(F: Any, x: Any, normalized: Ints_, eps: float | None) -> Any:
    if eps is None:
        eps = 2.0**-52 if x.dtype.itemsize == 8 else 2.0**-23
    mean = F.sum(x * x, _last(x.shape, normalized), True) / max(prod(normalized), 1)
    return 1.0 / F.sqrt(mean + eps)


# ---- local response -------------------------------------------------------------------------


@op
class LocalResponseNorm(Op):
    """x/(k + α/size·Σ x²)^β, the sum over `size` neighbouring channels of (N, C, …).

    A. Krizhevsky, I. Sutskever, G. E. Hinton, NIPS 2012.
    """

    math = "x / (k + alpha / size * sum(x ^ 2 over channels)) ^ beta"
    autocast = "float32"
    params = {
        "size": Int(low=1), "alpha": Number(1e-4), "beta": Number(0.75), "k": Number(1.0),
    }  # fmt: skip
    saves = ("x",)
    method = False
    samples = (
        (((2, 5, 3),), {"size": 3, "alpha": 0.5}),
        (((2, 4, 2, 3),), {"size": 2, "alpha": 1.0, "beta": 0.5, "k": 2.0}),
    )
    card = Card(
        en="Loud channels damp their neighbours.",
        zh="响应强的通道会抑制相邻通道。",
    )

    def forward(F, x, *, size, alpha, beta, k):
        if len(x.shape) < 3:
            raise ShapeError(
                t("local_response_norm: the input must be (N, C, L) or more, got {x}.", x=x.shape)
            )
        return x * F.pow(_loudness(F, x, size, alpha, k), -beta)

    def vjp(F, g, y, x, *, size, alpha, beta, k):
        loud = _loudness(F, x, size, alpha, k)
        planes = (*x.shape[:2], prod(x.shape[2:]))
        spread = F.windows_sum_adjoint(
            F.reshape(g * x * F.pow(loud, -beta - 1.0), planes), size=planes[1:], **_channels(size)
        )
        pull = F.reshape(spread, x.shape) * (2.0 * alpha * beta / size)
        return (g * F.pow(loud, -beta) - x * pull,)

    shape = same_as("x")


def _channels(size: int) -> dict[str, Any]:
    """Windows over `size` channels of (N, C, L)."""
    low = size // 2
    return dict(window=(size, 1), stride=(1, 1), padding=((low, size - 1 - low), (0, 0)),
                dilation=(1, 1))  # fmt: skip


def _loudness(F: Any, x: Any, size: int, alpha: float, k: float) -> Any:
    planes = F.reshape(x * x, (*x.shape[:2], prod(x.shape[2:])))
    return F.reshape(F.windows_sum(planes, **_channels(size)), x.shape) * (alpha / size) + k


# ---- PyTorch's call forms -------------------------------------------------------------------


@function()
def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """x normalised over its last axes `normalized_shape`, times weight, plus bias of that shape.

    >>> cr.nn.functional.layer_norm(cr.tensor([[1.0, 3.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    params = LayerNorm.validate({"normalized_shape": normalized_shape, "eps": eps})
    return cast(apply(LayerNorm, input, weight, bias, **params)[0], input.dtype)


@function()
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """x (N, C, …) normalised in `num_groups` groups of channels for each sample."""
    params = GroupNorm.validate({"num_groups": num_groups, "eps": eps})
    return cast(apply(GroupNorm, input, weight, bias, **params)[0], input.dtype)


@function()
def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """x (N, C, …) normalised over the spatial axes of each sample and channel.

    With `use_input_stats` the running statistics, where given, take a step towards the mean over
    the batch of the samples' means and unbiased variances; else they are what is used.
    """
    eps = EPS.check(eps, "instance_norm", "eps")
    if not FLAG.check(use_input_stats, "instance_norm", "use_input_stats"):
        return with_running("instance_norm", input, running_mean, running_var, weight, bias, eps)
    running = given_shapes(running_mean=running_mean, running_var=running_var)
    check_channels("instance_norm", input.shape, running)
    m = prod(input.shape[2:])
    if m == 1:
        raise ShapeError(
            t(
                "instance_norm: needs more than one value for each sample and channel, got an "
                "input of shape {x}.",
                x=input.shape,
            )
        )
    y, mean, var = apply(GroupNorm, input, weight, bias, num_groups=input.shape[1], eps=eps)
    if running and m and input.shape[0]:
        with no_grad():
            mean, var = mean.mean(0), var.mean(0)  # type: ignore[attr-defined]
        step(running_mean, mean, momentum, "instance_norm")
        step(running_var, var, momentum, "instance_norm", m / (m - 1))
    return cast(y, input.dtype)


@function()
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x/√(mean(x²) + eps) over its last axes `normalized_shape`, times weight of that shape."""
    params = RmsNorm.validate({"normalized_shape": normalized_shape, "eps": eps})
    return cast(apply(RmsNorm, input, weight, **params), input.dtype)
