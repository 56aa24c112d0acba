"""Losses of C classes (003 §4.1.1): negative log-likelihood and cross-entropy.

Input (N, C, d1, …) or (C,); a target holds class indices (N, d1, …) or (), or, for `cross_entropy`,
probabilities in the input's shape. A target equal to `ignore_index` counts for nothing; the mean
is then over the others, and NaN where there are none, as in PyTorch.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from chainrule.base.constraints import Int, Interval, NonNegative, Optional
from chainrule.base.dtypes import bool_, int64
from chainrule.base.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.creation import full_like
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.loss import REDUCTION, Shapes
from chainrule.ops.op import REGISTRY, Card, Op, op


def _per_class(name: str, probabilities: bool = False) -> Any:
    """The shape rule: one target for each place, one weight for each class."""

    def rule(shapes: Shapes, params: dict[str, Any]) -> Any:
        x, target, weight = shapes["input"], shapes["target"], shapes.get("weight")
        if not x:
            raise ShapeError(
                t("{name}: input needs an axis of classes, (C,) or (N, C).", name=name)
            )
        wanted = x[:1] + x[2:] if len(x) > 1 else ()
        if target != wanted:
            raise ShapeError(
                t(
                    "{name}: input has shape {x}, so a target of class indices must have shape "
                    "{wanted}, but target has shape {target}.",
                    name=name,
                    x=x,
                    wanted=wanted,
                    target=target,
                )
            )
        check_weight(name, x, weight)
        loss = wanted if params["reduction"] == "none" else ()
        return (loss, x) if probabilities else loss

    return staticmethod(rule)


def check_weight(name: str, x: tuple[int, ...], weight: tuple[int, ...] | None) -> None:
    n = x[_axis(x)]
    if weight is not None and weight != (n,):
        raise ShapeError(
            t(
                "{name}: weight has shape {weight}, input has shape {x}: weight needs one number "
                "for each of the {n} classes, shape ({n},).",
                name=name,
                weight=weight,
                x=x,
                n=n,
            )
        )


def _axis(shape: tuple[int, ...]) -> int:
    """The axis of the classes."""
    return 1 if len(shape) > 1 else 0


def _places(F, shape, target):
    """Key and index arrays of x[n, target[n, d…], d…] for x of `shape` (N, C, d…)."""
    if len(shape) < 2:
        return (HOLE,), (target,)
    if len(shape) == 2:
        return (HOLE, HOLE), (F.arange(shape[0], "int64"), target)
    free = (shape[0], *shape[2:])
    grid = [
        F.reshape(F.arange(n, "int64"), (1,) * i + (n,) + (1,) * (len(free) - i - 1))
        for i, n in enumerate(free)
    ]
    return (HOLE,) * len(shape), (grid[0], target, *grid[1:])


# ---- from log-probabilities -----------------------------------------------------------------


def _counts(F, like, target, weight, ignore_index):
    """The weight of each target, 0 where it is ignored, and targets that can be looked up."""
    dtype = like.dtype
    if ignore_index is None:
        kept, safe = None, target
        each = F.full(target.shape, 1, dtype) if weight is None else None
    else:
        kept = F.not_equal(target, ignore_index)
        safe = F.where(kept, target, 0)
        each = F.astype(kept, dtype)
    if weight is not None:
        each = F.gather(weight, (HOLE,), safe)
        each = each if kept is None else F.where(kept, each, 0.0)
    return kept, safe, each


@op
class NllLoss(Op):
    """−weight[y]·input[y]: input holds log-probabilities, y is the right class.

    The mean is Σ loss / Σ weight[y] over the targets that count. `ignore_index=None`: all count.
    """

    math = "-sum(weight[target] * input[target]) / sum(weight[target])"
    params = {"ignore_index": Optional(Int()), "reduction": REDUCTION}
    optional = ("weight",)
    integers = ("target",)
    saves = {"input": ("target", "weight"), "weight": ("input", "target", "weight", "y")}
    shape = _per_class("nll_loss")
    always_check = True
    method = False
    dtypes = "float"
    autocast = "float32"
    samples = ()
    card = Card(
        en="How unlikely the truth was held to be; only the right class gets a gradient.",
        zh="真实类别被认为有多不可能；只有正确类别得到梯度。",
    )

    def forward(F, input, target, weight=None, *, ignore_index, reduction):
        kept, safe, each = _counts(F, input, target, weight, ignore_index)
        key, at = _places(F, input.shape, safe)
        loss = -F.gather(input, key, *at) * each
        # An ignored place may hold −inf, and −inf · 0 is NaN.
        loss = loss if kept is None else F.where(kept, loss, 0.0)
        if reduction == "none":
            return loss
        return F.sum(loss) / F.sum(each) if reduction == "mean" else F.sum(loss)

    def vjp(F, g, y, input, target, weight, *, ignore_index, reduction):
        kept, safe, each = _counts(F, g if weight is None else weight, target, weight, ignore_index)
        key, at = _places(F, input.shape, safe)
        total = F.sum(each) if reduction == "mean" else None

        def of_input():
            pull = g * each if total is None else g * (each / total)
            return F.scatter_add(-pull, input.shape, key, *at)

        def of_weight():
            # ∂(Σ w l / Σ w)/∂w = (l − y) / Σ w, with l the loss of weight 1.
            loss = -F.gather(input, key, *at)
            pull = g * loss if total is None else g * (loss - y) / total
            pull = pull if kept is None else F.where(kept, pull, 0.0)
            return F.scatter_add(pull, weight.shape, (HOLE,), safe)

        return of_input, None, of_weight


# ---- from scores ----------------------------------------------------------------------------


@op
class SoftmaxCrossEntropy(Op):
    """Cross-entropy of softmax(input) against class indices, and the probabilities: (loss, p).

    The derivation of the notes (002): ∂L/∂input = p − y, with y the one-hot target.
    """

    name = "softmax_cross_entropy"
    math = "log(sum(exp(input))) - input[target]"
    params = {"ignore_index": Optional(Int()), "reduction": REDUCTION}
    integers = ("target",)
    axes = {
        "input": ("C", "N, C", "N, C, d1", "N, C, d1, d2"),
        "target": ("", "N", "N, d1", "N, d1, d2"),
    }
    outputs = ("loss", "probabilities")
    saves = ("target", "y")
    shape = _per_class("cross_entropy", probabilities=True)
    always_check = True
    method = False
    dtypes = "float"
    autocast = "float32"
    samples = ()
    card = Card(
        en="Softmax and negative log-likelihood in one: the gradient is simply p − y.",
        zh="softmax 与负对数似然合二为一：梯度就是 p − y。",
    )

    @classmethod
    def backward(cls, F: Any, node: Any, grads: Any, saved: Any) -> list[Any]:
        # The base would put zeros in place of the gradient of p, which is hardly ever used.
        return [cls.vjp(F, grads, saved[2:], *saved[:2], **node.params)[0], None]

    def forward(F, input, target, *, ignore_index, reduction):
        axis = _axis(input.shape)
        z = input - F.max(input, axis, True)
        e = F.exp(z)
        total = F.sum(e, axis, True)
        kept = None if ignore_index is None else F.not_equal(target, ignore_index)
        key, at = _places(F, z.shape, target if kept is None else F.where(kept, target, 0))
        loss = F.reshape(F.log(total), target.shape) - F.gather(z, key, *at)
        if kept is not None:
            loss = F.where(kept, loss, 0.0)
        if reduction == "none":
            return loss, e / total
        value = F.sum(loss)
        if reduction == "mean":
            value = value / _number(F, kept, loss.shape, loss.dtype)
        return value, e / total

    def vjp(F, g, y, input, target, *, ignore_index, reduction):
        (g, g_p), (_, p) = g, y
        axis = _axis(p.shape)
        out = None
        if g is not None:
            kept = None if ignore_index is None else F.not_equal(target, ignore_index)
            key, at = _places(F, p.shape, target if kept is None else F.where(kept, target, 0))
            p_minus_y = F.put(p, key, F.gather(p, key, *at) - 1, *at)
            pull = g
            if reduction == "mean":
                pull = g / _number(F, kept, target.shape, p.dtype)
            if kept is not None:
                pull = F.where(kept, pull, 0.0)
            out = p_minus_y * (F.expand_dims(pull, axis) if pull.shape else pull)
        if g_p is not None:
            own = g_p * p
            own = own - p * F.sum(own, axis, True)
            out = own if out is None else out + own
        return out, None


def _number(F, kept, shape, dtype):
    """How many targets count."""
    return (math.prod(shape) or math.nan) if kept is None else F.astype(F.sum(kept), dtype)


# ---- public forms ---------------------------------------------------------------------------

_SMOOTHING = Interval(0.0, 1.0)
_INDEX = Int()


def as_tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(array_of(x))


def classes(name: str, input: Tensor, target: Tensor, ignore_index: Any) -> tuple[Tensor, Any]:
    """The checked target as int64, and ignore_index, or None where no target equals it.

    `ignore_index=None`: none is ignored.
    """
    if ignore_index is not None:
        ignore_index = _INDEX.check(ignore_index, name, "ignore_index")
    if target.dtype.is_floating_point or target.dtype is bool_:
        raise DTypeError(
            t(
                "{name}: target has dtype {dtype} and shape {target} (input: {x}); class indices "
                "are integers: {remedy}.",
                name=name,
                dtype=target.dtype.name,
                target=target.shape,
                x=input.shape,
                remedy=_as_classes(name, input, target),
            )
        )
    if target.dtype is not int64:
        target = cast(target, int64)
    shape = input.shape
    if not shape:
        return target, ignore_index
    check = partial(_check_classes, name, shape, ignore_index)
    if mode.trace is not None:
        mode.trace.check(target, check)
        return target, ignore_index
    return target, ignore_index if check(target._data) else None


def _as_classes(name: str, input: Tensor, target: Tensor) -> str:
    """What to do about a target of numbers, as far as these numbers tell."""
    if input.shape == target.shape[:1] + target.shape[2:] and not input.dtype.is_floating_point:
        return t("the scores come first, write {name}(scores, classes)", name=name)
    data = target._data
    if mode.trace is not None or not isinstance(data, np.ndarray):
        return t("write target.long()")
    if data.size and (target.shape == input.shape) and len(input.shape) > 1:
        return t("write target.argmax(1)")
    broken = data[data != np.floor(data)] if data.dtype.kind == "f" else data[:0]
    if broken.size:
        return t("{value} is none", value=f"{float(broken.flat[0]):.4g}")
    return t("write target.long()")


def _hint(shape: tuple[int, ...], data: np.ndarray, low: int, high: int) -> str | None:
    """What would put all classes of the target, from `low` to `high`, in range."""
    if len(shape) > 2 and shape[:-1] == data.shape and 0 <= low <= high < shape[-1]:
        return t("input.movedim(-1, 1): the classes stand on the last axis (tried)")
    if low >= 1 and high == shape[_axis(shape)]:
        return t("target - 1: the classes are counted from 1 (tried)")
    if low >= 0:
        return t("a model with {n} outputs", n=high + 1)
    return None


def _check_classes(
    name: str, shape: tuple[int, ...], ignore_index: int | None, data: np.ndarray
) -> bool:
    """Refuses targets that are no class; whether some may equal ignore_index."""
    n = shape[_axis(shape)]
    # Seen as unsigned, negative numbers are larger than any class: one comparison for both ends.
    if not data.size or data.view(np.uint64).max() < n:
        return ignore_index is not None and 0 <= ignore_index < n
    wrong = (data < 0) | (data >= n)
    if ignore_index is not None:
        wrong &= data != ignore_index
    if wrong.any():
        at = tuple(int(i[0]) for i in np.nonzero(wrong)) if data.shape else ()
        counted = data if ignore_index is None else data[data != ignore_index]
        hint = _hint(shape, data, int(counted.min()), int(counted.max()))
        error = IndexRangeError(
            t(
                "{name}: target{at} is class {index}, but the input of shape {x} has {n} classes, "
                "0 to {last} (and ignore_index is {ignore}).",
                name=name,
                at=list(at) if at else "",
                index=int(data[at]),
                x=shape,
                n=n,
                last=n - 1,
                ignore=ignore_index,
            )
        )
        if hint is not None:
            error.add_note(t("what would fit: {hint}", hint=hint))
        raise error
    return True


@function()
def nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """−weight[y]·input[y] of log-probabilities (N, C, …) and class indices (N, …).

    >>> cr.nn.functional.nll_loss(cr.tensor([[-0.5, -2.0]]), cr.tensor([1]))
    tensor(2.)
    """
    input, cls = as_tensor(input), NllLoss
    target, ignored = classes("nll_loss", input, as_tensor(target), ignore_index)
    reduction = REDUCTION.check(reduction, "nll_loss", "reduction")
    return apply(cls, input, target, weight, ignore_index=ignored, reduction=reduction)


@function()
def softmax_cross_entropy(
    input: Any, target: Any, ignore_index: int = -100, reduction: str = "mean"
) -> tuple[Tensor, Tensor]:
    """The cross-entropy of scores and class indices, and the probabilities it went through."""
    input = as_tensor(input)
    target, ignored = classes("cross_entropy", input, as_tensor(target), ignore_index)
    reduction = REDUCTION.check(reduction, "cross_entropy", "reduction")
    return apply(SoftmaxCrossEntropy, input, target, ignore_index=ignored, reduction=reduction)


@function()
def cross_entropy(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """−log softmax(input)[y] of scores (N, C, …).

    target: class indices (N, …), or probabilities of the input's shape. weight: (C,).
    label_smoothing: the share of each target that is spread evenly over all classes.

    >>> scores = cr.tensor([[0.0, 0.0], [100.0, 0.0]])
    >>> loss = cr.nn.functional.cross_entropy(scores, cr.tensor([1, 0]), reduction="none")
    >>> round(loss[0].item(), 4), loss[1].item()
    (0.6931, 0.0)
    """
    name = "cross_entropy"
    input, target = as_tensor(input), as_tensor(target)
    weight = None if weight is None else as_tensor(weight)
    soft = target.dtype.is_floating_point and target.shape == input.shape
    if weight is None and label_smoothing == 0 and not soft:
        return softmax_cross_entropy(input, target, ignore_index, reduction)[0]
    smoothing = _SMOOTHING.check(label_smoothing, name, "label_smoothing")
    reduction = REDUCTION.check(reduction, name, "reduction")
    if soft:
        return _of_probabilities(input, target, weight, ignore_index, reduction, smoothing)
    target, ignored = classes(name, input, target, ignore_index)
    params = {"ignore_index": ignored, "reduction": reduction}
    SoftmaxCrossEntropy.check((input, target), params)
    check_weight(name, input.shape, None if weight is None else weight.shape)
    logs = apply(REGISTRY["log_softmax"], input, dim=_axis(input.shape))
    right = apply(NllLoss, logs, target, weight, **params)
    if not smoothing:
        return right
    # The evenly spread share: the mean over the classes, normalised as `right` is.
    n = input.shape[_axis(input.shape)]
    spread = _over_classes(logs, weight)
    if ignored is not None:
        spread = spread.masked_fill(target == ignored, 0.0)
    if reduction != "none":
        spread = spread.sum()
    if reduction == "mean":
        # Where all log-probabilities are −1 the summed loss is Σ weight[y].
        total = params | {"reduction": "sum"}
        spread = spread / apply(NllLoss, full_like(logs, -1.0), target, weight, **total)
    return (1 - smoothing) * right + (smoothing / n) * spread


def _over_classes(values: Tensor, weight: Any) -> Tensor:
    """−Σ weight·values over the classes."""
    axis = _axis(values.shape)
    if weight is not None:
        values = values * weight.reshape(-1, *(1,) * (values.ndim - axis - 1))
    return -values.sum(axis)


def _of_probabilities(
    input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Tensor:
    if ignore_index != -100:
        raise ArgumentError(
            t(
                "cross_entropy: ignore_index goes with class indices, but target holds "
                "probabilities."
            )
        )
    if not input.shape:
        SoftmaxCrossEntropy.check((input, target), {})
    axis = _axis(input.shape)
    check_weight("cross_entropy", input.shape, None if weight is None else weight.shape)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.shape[axis]
    loss = _over_classes(target * apply(REGISTRY["log_softmax"], input, dim=axis), weight)
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


@function()
def softmax_focal_loss(
    input: Any, target: Any, alpha: Any = None, gamma: float = 2.0, ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """−α_y (1 − p_y)^gamma log p_y of scores (N, C, …) and classes y (N, …), p = softmax(input).

    alpha: one weight a class (C,), or None. The mean is over the targets that count, whatever their
    weight. gamma = 0 is the cross-entropy. `focal_loss` is the one of two classes.
    """
    name = "softmax_focal_loss"
    input = as_tensor(input)
    gamma = NonNegative().check(gamma, name, "gamma")
    reduction = REDUCTION.check(reduction, name, "reduction")
    target, ignored = classes(name, input, as_tensor(target), ignore_index)
    alpha = None if alpha is None else as_tensor(alpha)
    check_weight(name, input.shape or (1,), None if alpha is None else alpha.shape)
    logs = apply(REGISTRY["log_softmax"], input, dim=_axis(input.shape))
    params = {"ignore_index": ignored, "reduction": "none"}
    surprise = apply(NllLoss, logs, target, None, **params)
    # 1 − p with its digits where p is nearly 1; held above 0, where a root has no slope.
    missed = (-(-surprise).expm1()).clamp_min(1e-30)
    loss = surprise * missed**gamma
    if alpha is not None:
        loss = loss * apply(NllLoss, -alpha.expand(logs.movedim(_axis(logs.shape), -1).shape)
                            .movedim(-1, _axis(logs.shape)), target, None, **params)  # fmt: skip
    if reduction == "none":
        return loss
    if reduction == "sum" or ignored is None:
        return loss.sum() if reduction == "sum" else loss.mean()
    return loss.sum() / (target != ignored).sum()
