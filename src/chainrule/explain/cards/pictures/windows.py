"""Windows that move over a small picture: SVG animations without scripts, made from real calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.explain.cards.pictures.grids import short
from chainrule.explain.figures import canvas
from chainrule.explain.report.markup import Html, el
from chainrule.graph import Tensor
from chainrule.ops.op import REGISTRY

_CELL = 30.0
Box = tuple[int, int, int, int]  # row, column, height, width

_STYLE = (
    ".cell{fill:none;stroke:var(--rule)}"
    ".there{fill:var(--c0);fill-opacity:.22;stroke:var(--c0);stroke-width:2}"
    ".here{fill:var(--c1);fill-opacity:.22;stroke:var(--c1);stroke-width:2}"
)


class Film(NamedTuple):
    """Pictures (name, numbers) and where, frame by frame, the two windows stand."""

    source: tuple[str, np.ndarray]
    kernel: tuple[str, np.ndarray] | None
    result: tuple[str, np.ndarray]
    reads: list[Box]
    writes: list[Box]


def _picture(rows: int, columns: int) -> np.ndarray:
    return (np.arange(rows * columns) * 7 % 10).astype(float).reshape(rows, columns)


def _run(name: str, *arrays: Any, **options: Any) -> np.ndarray:
    tensors = [Tensor(a[None, None]) if isinstance(a, np.ndarray) else a for a in arrays]
    y = REGISTRY[name].function(*tensors, **options).numpy()
    return y.reshape(y.shape[-2:])  # type: ignore[no-any-return]


def _places(rows: int, columns: int, height: int, width: int, stride: int = 1) -> list[Box]:
    return [(i * stride, j * stride, height, width) for i in range(rows) for j in range(columns)]


_KERNEL = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])


def _conv() -> Film:
    x = _picture(5, 5)
    y = _run("conv2d", x, Tensor(_KERNEL[None, None]))
    return Film(("x", x), ("w", _KERNEL), ("y", y), _places(3, 3, 3, 3), _places(3, 3, 1, 1))


def _conv_input() -> Film:
    # The border of zeros that the full convolution needs is drawn with δ.
    g = np.array([[1.0, 2.0], [3.0, 4.0]])
    wide = np.pad(g, 2)
    turned = _KERNEL[::-1, ::-1].copy()
    y = _run("conv2d", wide, Tensor(turned[None, None]))
    return Film(("δ", wide), ("rot180(w)", turned), ("∂x", y), _places(4, 4, 3, 3),
                _places(4, 4, 1, 1))  # fmt: skip


def _conv_weight() -> Film:
    x, g = _picture(5, 5), np.array([[1.0, 2.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 2.0]])
    y = _run("conv2d", x, Tensor(g[None, None]))
    return Film(("x", x), ("δ", g), ("∂w", y), _places(3, 3, 3, 3), _places(3, 3, 1, 1))


def _transposed() -> Film:
    x, w = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [2.0, 1.0]])
    y = _run("conv_transpose2d", x, Tensor(w[None, None]), stride=2)
    return Film(("x", x), ("w", w), ("y", y), _places(2, 2, 1, 1), _places(2, 2, 2, 2, 2))


def _pool(name: str, **options: Any) -> Callable[[], Film]:
    def film() -> Film:
        x = _picture(4, 4)
        y = _run(name, x, **options)
        return Film(("x", x), None, ("y", y), _places(2, 2, 2, 2, 2), _places(2, 2, 1, 1))

    return film


def _max() -> Film:
    x = _picture(4, 4)
    y = x.reshape(2, 2, 2, 2).max((1, 3))
    return Film(("x", x), None, ("y", y), _places(2, 2, 2, 2, 2), _places(2, 2, 1, 1))


def _unpool() -> Film:
    x = _picture(4, 4)
    y = x.reshape(2, 2, 2, 2).max((1, 3))
    back = np.where(x == np.kron(y, np.ones((2, 2))), x, 0.0)
    return Film(("x", y), None, ("y", back), _places(2, 2, 1, 1), _places(2, 2, 2, 2, 2))


def _windows(length: int, count: int) -> list[tuple[int, int]]:
    """Start and length of the fitted windows of adaptive pooling."""
    return [
        (i * length // count, -(-(i + 1) * length // count) - i * length // count)
        for i in range(count)
    ]


def _adaptive(kind: str) -> Callable[[], Film]:
    def film() -> Film:
        x, ends = _picture(5, 5), _windows(5, 3)
        reads = [(i, j, h, w) for i, h in ends for j, w in ends]
        reduce = np.max if kind == "max" else np.mean
        y = np.array([reduce(x[i : i + h, j : j + w]) for i, j, h, w in reads]).reshape(3, 3)
        return Film(("x", x), None, ("y", y), reads, _places(3, 3, 1, 1))

    return film


def _unfold() -> Film:
    x = _picture(3, 3)
    y = _columns(x)
    return Film(("x", x), None, ("y", y), _places(2, 2, 2, 2), [(0, j, 4, 1) for j in range(4)])


def _columns(x: np.ndarray) -> np.ndarray:
    y = REGISTRY["unfold"].function(Tensor(x[None, None]), 2).numpy()
    return y[0]  # type: ignore[no-any-return]


def _fold() -> Film:
    columns = _columns(_picture(3, 3))
    y = REGISTRY["fold"].function(Tensor(columns[None]), (3, 3), 2).numpy()[0, 0]
    return Film(("x", columns), None, ("y", y), [(0, j, 4, 1) for j in range(4)],
                _places(2, 2, 2, 2))  # fmt: skip


def _sum() -> Film:
    x = _picture(4, 4)
    y = np.array([[x[i : i + 2, j : j + 2].sum() for j in range(3)] for i in range(3)])
    return Film(("x", x), None, ("y", y), _places(3, 3, 2, 2), _places(3, 3, 1, 1))


FILMS: dict[str, Callable[[], Film]] = {
    "conv": _conv,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "transposed": _transposed,
    "max": _max,
    "unpool": _unpool,
    "avg": _pool("avg_pool2d", kernel_size=2),
    "lp": _pool("lp_pool2d", norm_type=2, kernel_size=2),
    "adaptive": _adaptive("mean"),
    "adaptive_max": _adaptive("max"),
    "unfold": _unfold,
    "fold": _fold,
    "sum": _sum,
}


def window(name: str, kind: str) -> str:
    """The film of a kind, under the name of an operation."""
    film = FILMS[kind]()
    parts: list[Html] = [el("style", Html(_STYLE))]
    x, top = 18.0, 66.0
    places = []
    shown = [film.source, *([film.kernel] if film.kernel else []), film.result]
    for label, array in shown:
        parts.append(el("text", f"{label}  {array.shape[0]}×{array.shape[1]}", x=x, y=58))
        parts.append(_table(array, x, top))
        places.append(x)
        x += array.shape[1] * _CELL + 34
    seconds = 0.9 * len(film.reads)
    parts.append(_moving(film.reads, places[0], top, seconds, "there"))
    parts.append(_moving(film.writes, places[-1], top, seconds, "here"))
    height = top + max(a.shape[0] for _, a in shown) * _CELL + 18
    return canvas(name, x - 16, height, *parts)


def _table(array: np.ndarray, x: float, y: float) -> Html:
    cells = []
    for (i, j), value in np.ndenumerate(array):
        left, up = x + j * _CELL, y + i * _CELL
        cells.append(el("rect", x=left, y=up, width=_CELL, height=_CELL, class_="cell"))
        cells.append(el("text", short(value), x=left + _CELL / 2, y=up + 19, text_anchor="middle"))
    return el("g", cells)


def _moving(boxes: list[Box], x: float, y: float, seconds: float, kind: str) -> Html:
    """A frame that jumps from box to box; where nothing moves it stands on the first."""

    def values(index: int, start: float) -> str:
        return ";".join(f"{start + box[index] * _CELL:g}" for box in boxes)

    row, column, height, width = boxes[0]
    animated = [
        el("animate", attributeName=name, values=values(index, start), dur=f"{seconds:g}s",
           calcMode="discrete", repeatCount="indefinite")
        for name, index, start in (("x", 1, x), ("y", 0, y), ("width", 3, 0.0), ("height", 2, 0.0))
    ]  # fmt: skip
    return el(
        "rect", animated, x=x + column * _CELL, y=y + row * _CELL, width=width * _CELL,
        height=height * _CELL, rx=3, class_=kind,
    )  # fmt: skip
