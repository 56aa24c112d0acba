"""Padding: a border of a constant, of the mirrored or repeated edge, or of the opposite side."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Choice, Ints, Number, Optional
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import Ints_, Shapes

_MODES = ("constant", "reflect", "replicate", "circular")


def _widths(x: Ints_, pad: Ints_, mode: str) -> tuple[tuple[int, int], ...]:
    """(low, high) of every axis; ShapeError where the mode cannot make such a border."""
    if len(pad) % 2 or len(pad) > 2 * len(x):
        raise ArgumentError(
            t(
                "pad: pad must hold (low, high) of the last axis, then of the one before, and so "
                "on, at most {n} numbers for the shape {x}, got {pad}.",
                n=2 * len(x),
                x=x,
                pad=pad,
            )
        )
    given = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    axes = [n for n in (len(x) - 2, len(x) - 1) if n > 0]
    if mode != "constant" and len(given) not in axes:
        raise ShapeError(
            t(
                "pad: mode {mode!r} pads the spatial axes of (N, C, …) or (C, …), so the shape "
                "{x} takes {counts} numbers, got {pad}.",
                mode=mode,
                x=x,
                counts="/".join(str(2 * n) for n in axes) or 0,
                pad=pad,
            )
        )
    widths = ((0, 0),) * (len(x) - len(given)) + tuple(reversed(given))
    for axis, (n, (low, high)) in enumerate(zip(x, widths, strict=True)):
        most = {"reflect": n - 1, "circular": n}.get(mode)
        over = most is not None and max(low, high) > max(most, 0)
        if over or (mode == "replicate" and n == 0 < max(low, high)):
            raise ShapeError(
                t(
                    "pad: mode {mode!r} can add at most {most} entries on a side of axis {axis}, "
                    "whose size is {n} (shape {x}), got {width}.",
                    mode=mode,
                    most=most or 0,
                    axis=axis,
                    n=n,
                    x=x,
                    width=(low, high),
                )
            )
        if n + low + high < 0:
            raise ShapeError(
                t(
                    "pad: {width} would take more off axis {axis} than its {n} entries "
                    "(shape {x}).",
                    width=(low, high),
                    axis=axis,
                    n=n,
                    x=x,
                )
            )
    return widths


@op
class Pad(Op):
    """A border around x: `pad` = (low, high) of the last axis, then of the one before, and so on.

    Negative numbers crop. mode: "constant" (`value`, 0 unless given), "reflect" (the mirror image,
    without the edge itself), "replicate" (the edge), "circular" (the opposite side); the last three
    pad the spatial axes of (N, C, …) or (C, …).

    >>> cr.nn.functional.pad(cr.tensor([[1.0, 2.0]]), (1, 1))
    tensor([[0., 1., 2., 0.]])
    """

    math = "pad(x)"
    params = {"pad": Ints(), "mode": Choice(*_MODES), "value": Optional(Number())}
    saves = ()
    vjp = None
    method = False
    samples = (
        (((2, 3),), {"pad": (1, 2)}),
        (((2, 3, 4),), {"pad": (1, -1, 0, 2), "value": 1.5}),
        (((2, 3, 4),), {"pad": (2, 1), "mode": "reflect"}),
        (((2, 3, 4),), {"pad": (2, 5), "mode": "replicate"}),
        (((1, 2, 3, 4),), {"pad": (1, 2, 3, 0), "mode": "circular"}),
    )
    card = Card(
        en="A border, so that windows also sit on the edge. The gradient of a copied border goes "
        "back to what it was copied from; a constant's is lost.",
        zh="加边框，使窗口也能落在边缘。复制得到的边框把梯度还给来源，常数边框的梯度则丢弃。",
    )

    def forward(F, x, *, pad, mode, value):
        widths = _widths(x.shape, pad, mode)
        if mode == "constant":
            return F.pad(x, widths, 0 if value is None else value)
        if value is not None:
            raise ArgumentError(
                t("pad: value is for mode 'constant', mode {mode!r} has none.", mode=mode)
            )
        for axis, (low, high) in enumerate(widths):
            x = _with_border(F, x, axis, low, high, mode)
        return x

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x = shapes["x"]
        widths = _widths(x, params["pad"], params["mode"])
        return tuple(n + low + high for n, (low, high) in zip(x, widths, strict=True))


def _with_border(F: Any, x: Any, axis: int, low: int, high: int, mode: str) -> Any:
    if mode == "circular" and min(low, high) < 0:
        # As in PyTorch, what wraps around is what the crop has left.
        at = slice(max(-low, 0), x.shape[axis] + min(high, 0))
        x = F.slice(x, (slice(None),) * axis + (at,))
        low, high = max(low, 0), max(high, 0)
    n = x.shape[axis]

    def part(start: int, stop: int | None, step: int = 1) -> Any:
        return F.slice(x, (slice(None),) * axis + (slice(start, stop, step),))

    def edge(at: int, times: int) -> Any:
        shape = x.shape[:axis] + (times,) + x.shape[axis + 1 :]
        return F.broadcast_to(part(at, at + 1), shape)

    parts = []
    if low > 0:
        parts.append(
            {
                "reflect": lambda: part(low, 0, -1),
                "replicate": lambda: edge(0, low),
                "circular": lambda: part(n - low, n),
            }[mode]()
        )
    start, stop = max(-low, 0), n + min(high, 0)
    parts.append(x if (start, stop) == (0, n) else part(start, stop))
    if high > 0:
        last = n - 2 - high
        parts.append(
            {
                "reflect": lambda: part(n - 2, last if last >= 0 else None, -1),
                "replicate": lambda: edge(n - 1, high),
                "circular": lambda: part(0, high),
            }[mode]()
        )
    return parts[0] if len(parts) == 1 else F.concat(parts, axis)
