"""Regions of interest: what a feature map shows within each box, brought to one size.

RoI pooling takes the largest of each bin of whole elements; RoI align reads at points between the
elements, so that a box that moves by less than an element is seen to move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Constraint, Int, Positive, Spatial
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError, TraceError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.boxes import random_boxes
from chainrule.ops.namespace import HOLE
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import Ints_, Shapes


def _regions(seed: int, n: int = 3, size: float = 6.0) -> np.ndarray:
    """Boxes with the number of their picture (0 or 1 and a half, which is cut off) to be tested
    with; some reach out of the picture."""
    numbers = np.arange(n) % 2 + 0.5
    return np.concatenate([numbers[:, None], random_boxes(seed, n, size) - 0.53], 1)


def _regions_shape(name: str, shapes: Shapes, params: dict[str, Any]) -> Ints_:
    x, boxes = shapes["x"], shapes["boxes"]
    if len(x) != 4 or len(boxes) != 2 or boxes[1] != 5:
        raise ShapeError(
            t(
                "{name}: the input must be (N, C, H, W) and the boxes (K, 5), each the number of "
                "its picture, x1, y1, x2, y2; or a list of boxes (L, 4) for each picture. Got "
                "shapes {x} and {boxes}.",
                name=name, x=x, boxes=boxes,
            )
        )  # fmt: skip
    if 0 in x[2:] or (boxes[0] and not x[0]):
        raise ShapeError(
            t("{name}: the input of shape {x} has no elements to read.", name=name, x=x)
        )
    return (boxes[0], x[1], *params["output_size"])


def rows(F: Any, x: Any) -> Any:
    """(N, C, H, W) → (N·H·W, C): channels last, so that one index fetches all of an element."""
    n, c, h, w = x.shape
    return F.reshape(F.permute_dims(x, (0, 2, 3, 1)), (n * h * w, c))


def _column(F: Any, boxes: Any, k: int) -> Any:
    """(K, 1)"""
    return F.slice(boxes, (slice(None), slice(k, k + 1)))


def _most(counts: Any) -> int | None:
    """The largest of integers that are known now; None in a trace, where they are not."""
    if isinstance(counts, Tensor) and mode.trace is None:
        counts = counts._values()
    return int(counts.max(initial=1)) if isinstance(counts, np.ndarray) else None


def _counted(F: Any, n: int, dtype: Any) -> Any:
    return F.astype(F.arange(n, "int64"), dtype)


class Scales(Constraint):
    """Positive numbers, at least one."""

    bad = ("a", (), (1.0, -1.0))

    def check(self, value: Any, owner: str, name: str) -> tuple[float, ...]:
        try:
            numbers = tuple(float(v) for v in value)
        except (TypeError, ValueError):
            raise self.refuse(value, owner, name) from None
        if not numbers or not all(0 < v < np.inf for v in numbers):
            raise self.refuse(value, owner, name)
        return numbers

    def describe(self) -> str:
        return t("one or more numbers > 0")


# ---- RoI align ------------------------------------------------------------------------------


class _Points:
    """Where the boxes are read along one axis: (K, bins·samples) places between two elements."""

    def __init__(
        self, F: Any, low: Any, high: Any, size: Any, bins: int, ratio: int, aligned: bool
    ) -> None:  # fmt: skip
        dtype = low.dtype
        length = high - low
        if not aligned:
            length = F.maximum(length, 1.0)
        step = length / bins
        k = low.shape[0]
        bin_number = F.reshape(_counted(F, bins, dtype), (1, bins, 1))
        if ratio > 0:
            self.samples, counts, used = ratio, float(ratio), None
        else:
            # As many as there are elements in a bin, so different ones for each box.
            counts = F.maximum(F.ceil(step), 1.0)
            most = _most(counts)
            if most is None:
                raise TraceError(
                    t(
                        "roi_align: with sampling_ratio ≤ 0 the number of points depends on the "
                        "boxes, which a compiled program does not know. Write sampling_ratio=2."
                    )
                )
            self.samples = most
            used = F.less(_counted(F, most, dtype), counts)
            counts = F.reshape(counts, (k, 1, 1))
            used = F.reshape(used, (k, 1, most))
        self.count = counts
        within = (F.reshape(_counted(F, self.samples, dtype), (1, 1, self.samples)) + 0.5) / counts
        places = F.reshape(low, (k, 1, 1)) + F.reshape(step, (k, 1, 1)) * (bin_number + within)
        size = F.reshape(size, (k, 1, 1)) if hasattr(size, "shape") else float(size)
        # More than one element outside: nothing is there.
        valid = F.bitwise_and(F.greater_equal(places, -1.0), F.less_equal(places, size))
        if used is not None:
            valid = F.bitwise_and(valid, used)
        nothing = F.zeros_like(places)
        inside = F.where(valid, F.minimum(F.maximum(places, 0.0), size - 1.0), nothing)
        first = F.floor(inside)
        part = inside - first
        one = F.where(valid, F.ones_like(places), nothing)
        #: The two neighbours: index and weight.
        self.taps = ((first, one * (1.0 - part)), (F.minimum(first + 1.0, size - 1.0), one * part))


def align(
    F: Any, table: Any, boxes: Any, start: Any, sizes: tuple[Any, Any], scale: Any,
    output_size: Ints_, ratio: int, aligned: bool,
) -> Any:  # fmt: skip
    """The boxes (K, 5) read from the rows of `table`: (K, C, *output_size).

    start: in which row the picture of each box begins, (K, 1) integers. sizes: height and width of
    the picture, scale: its elements per unit of the boxes; numbers, or (K, 1) for each box.
    """
    k, channels = boxes.shape[0], table.shape[1]
    offset = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (_column(F, boxes, i) * scale - offset for i in range(1, 5))
    height, width = sizes
    down = _Points(F, y1, y2, height, output_size[0], ratio, aligned)
    across = _Points(F, x1, x2, width, output_size[1], ratio, aligned)
    grid = (k, output_size[0] * down.samples, output_size[1] * across.samples)
    start = F.reshape(start, (k, 1, 1))
    wide = F.astype(F.reshape(width, (k, 1, 1)), "int64") if hasattr(width, "shape") else width
    y = None
    for row, row_weight in down.taps:
        line = start + F.astype(F.reshape(row, (k, grid[1], 1)), "int64") * wide
        for column, column_weight in across.taps:
            at = line + F.astype(F.reshape(column, (k, 1, grid[2])), "int64")
            weight = F.reshape(row_weight, (k, grid[1], 1)) * F.reshape(
                column_weight, (k, 1, grid[2])
            )
            part = F.gather(table, (HOLE,), at) * F.expand_dims(weight, 3)
            y = part if y is None else y + part
    y = F.reshape(
        y, (k, output_size[0], down.samples, output_size[1], across.samples, channels)
    )  # fmt: skip
    y = F.permute_dims(F.sum(y, (2, 4)), (0, 3, 1, 2))
    count = down.count * across.count
    return y / (F.reshape(count, (k, 1, 1, 1)) if hasattr(count, "shape") else count)


def picture_of(F: Any, boxes: Any, pictures: int) -> Any:
    """The number of each box's picture, (K, 1) integers that are never outside."""
    number = F.astype(_column(F, boxes, 0), "int64")
    return F.minimum(F.maximum(number, 0), pictures - 1)


@op
class RoIAlign(Op):
    """x (N, C, H, W) read within boxes (K, 5): (K, C, *output_size).

    Each box is (number of its picture, x1, y1, x2, y2) and is cut into bins; each bin is the mean
    of sampling_ratio² points, read bilinearly. `spatial_scale`: elements of x per unit of the
    boxes. sampling_ratio ≤ 0: as many points as the bin has elements, rounded up. `aligned`: the
    centre of an element is half a unit from its edge, as it should be; False: as in the paper's
    first program, and a box is at least one element wide. Points more than one element outside
    count as 0. Source: K. He et al., "Mask R-CNN", ICCV 2017, section 3.
    """

    name = "roi_align"
    math = "mean over the bin's points of sum(weight * x over the four neighbours)"
    params = {
        "output_size": Spatial(2),
        "spatial_scale": Positive(1.0),
        "sampling_ratio": Int(-1),
        "aligned": Bool(False),
    }
    vjp = None
    dtypes = "match"
    autocast = "float32"
    method = False
    always_check = True
    axes = {"x": ("N, C, H, W",), "boxes": ("K, (picture, x1, y1, x2, y2)",)}
    samples = (
        (((2, 2, 4, 5), (0, 5)), {"output_size": 2, "sampling_ratio": 2}),
        *(
            (((2, 2, 4, 5), _regions(k)), {"output_size": (2, 1), "sampling_ratio": 2})
            for k in range(8)
        ),
        *(
            (((2, 1, 4, 4), _regions(k)),
             {"output_size": (1, 2), "sampling_ratio": 1, "aligned": True})
            for k in range(8, 16)
        ),
        *(
            (((2, 1, 3, 3), _regions(k, 2, 8.0)),
             {"output_size": 2, "spatial_scale": 0.5, "sampling_ratio": 2})
            for k in range(16, 24)
        ),
    )  # fmt: skip
    card = Card(
        en="What the feature map shows within each box, at one size. The points lie between the "
        "elements, so neither the features nor the gradient are shifted by rounding; the box "
        "itself gets a gradient, too.",
        zh="把每个框内的特征读成统一大小。采样点可落在元素之间，因此特征和梯度都不会因取整而错位；"
        "框本身也有梯度。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        return _regions_shape("roi_align", shapes, params)

    def forward(F, x, boxes, *, output_size, spatial_scale, sampling_ratio, aligned):
        n, _, h, w = x.shape
        start = picture_of(F, boxes, n) * (h * w)
        return align(
            F, rows(F, x), boxes, start, (h, w), spatial_scale, output_size, sampling_ratio, aligned
        )  # fmt: skip


def _of_level(F: Any, level: Any, values: list[Any], kind: Any) -> Any:
    """Each box's own of the values, one a level: (K, 1)."""
    constants = F.astype(F.asarray(np.array(values)), kind)
    return F.reshape(F.gather(constants, (HOLE,), level), (level.shape[0], 1))


@op
class RoIAlignLevels(Op):
    """roi_align over a pyramid: boxes (K, 5) read each from the map that `levels` (K,) names.

    The maps x0, x1, … (N, C, H, W) are of the same pictures at different scales, `spatial_scales`:
    elements of each per unit of the boxes. → (K, C, *output_size).
    Source: T.-Y. Lin et al., "Feature Pyramid Networks", CVPR 2017, section 4.2.
    """

    name = "roi_align_levels"
    math = "roi_align(x_level, box)"
    params = {
        "output_size": Spatial(2),
        "spatial_scales": Scales(),
        "sampling_ratio": Int(2, low=1),
        "aligned": Bool(False),
    }
    integers = ("levels",)
    vjp = None
    dtypes = "match"
    autocast = "float32"
    method = False
    always_check = True
    samples = (
        *(
            ((_regions(k), np.array([0, 1, 0]), (2, 2, 4, 5), (2, 2, 2, 3)),
             {"output_size": (2, 1), "spatial_scales": (1.0, 0.5)})
            for k in range(24)
        ),
    )  # fmt: skip
    card = Card(
        en="Large boxes are read from a coarse map, small ones from a fine one, so that each is "
        "seen in about as many elements.",
        zh="大框从粗糙的特征图读取，小框从精细的特征图读取，使每个框大致占同样多的元素。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        boxes, levels, *maps = shapes.values()
        scales = params["spatial_scales"]
        if len(maps) != len(scales) or levels != boxes[:1]:
            raise ShapeError(
                t(
                    "roi_align_levels takes a level for each box and a map for each of the "
                    "{n} scales, got {k} maps, boxes {boxes} and levels {levels}.",
                    n=len(scales), k=len(maps), boxes=boxes, levels=levels,
                )
            )  # fmt: skip
        found = [_regions_shape("roi_align_levels", {"x": x, "boxes": boxes}, params) for x in maps]
        if any(x[:2] != maps[0][:2] for x in maps):
            raise ShapeError(
                t(
                    "roi_align_levels: all maps have the pictures and channels of the first, got "
                    "shapes {shapes}.",
                    shapes=", ".join(map(str, maps)),
                )
            )
        return found[0]

    def forward(F, boxes, levels, *x, output_size, spatial_scales, sampling_ratio, aligned):
        dtype = boxes.dtype
        counts = [m.shape[0] * m.shape[2] * m.shape[3] for m in x]
        table = F.concat([rows(F, m) for m in x], 0)
        level = F.minimum(F.maximum(F.astype(levels, "int64"), 0), len(x) - 1)
        plane = _of_level(F, level, [m.shape[2] * m.shape[3] for m in x], "int64")
        first = _of_level(F, level, [sum(counts[:i]) for i in range(len(x))], "int64")
        start = first + picture_of(F, boxes, x[0].shape[0]) * plane
        sizes = tuple(_of_level(F, level, [float(m.shape[i]) for m in x], dtype) for i in (2, 3))
        scale = _of_level(F, level, list(spatial_scales), dtype)
        return align(
            F, table, boxes, start, sizes, scale, output_size, sampling_ratio, aligned
        )  # fmt: skip


# ---- RoI pooling ----------------------------------------------------------------------------


def _rounded(F: Any, x: Any) -> Any:
    """The nearest integer; halves away from 0."""
    return F.sign(x) * F.floor(F.abs(x) + 0.5)


def _bins(F: Any, low: Any, high: Any, size: int, bins: int) -> tuple[Any, Any, int]:
    """The elements of each bin along one axis, (K, bins, most): their indices, whether they belong
    to it, and how many there are at most."""
    k, dtype = low.shape[0], low.dtype
    low, high = _rounded(F, low), _rounded(F, high)
    step = F.maximum(high - low + 1.0, 1.0) / bins
    number = F.reshape(_counted(F, bins, dtype), (1, bins))
    first, last = (
        F.minimum(F.maximum(edge + low, 0.0), float(size))
        for edge in (F.floor(number * step), F.ceil((number + 1.0) * step))
    )
    most = _most(last - first) or size
    at = F.reshape(first, (k, bins, 1)) + F.reshape(_counted(F, most, dtype), (1, 1, most))
    inside = F.less(at, F.reshape(last, (k, bins, 1)))
    return F.astype(F.minimum(at, size - 1.0), "int64"), inside, most


@op
class RoIPool(Op):
    """The largest element of x (N, C, H, W) in each bin of boxes (K, 5): (K, C, *output_size).

    Each box is (number of its picture, x1, y1, x2, y2), times `spatial_scale`, rounded to whole
    elements; its bins may overlap by one. A bin without elements gives 0.
    Source: R. Girshick, "Fast R-CNN", ICCV 2015, section 2.1.
    """

    name = "roi_pool"
    math = "max(x over the bin)"
    params = {"output_size": Spatial(2), "spatial_scale": Positive(1.0)}
    vjp = None
    dtypes = "match"
    integers = ("boxes",)
    autocast = "float32"
    method = False
    always_check = True
    axes = RoIAlign.axes
    samples = (
        (((2, 2, 4, 5), _regions(1)), {"output_size": (2, 2)}),
        (((2, 1, 5, 4), _regions(2, 4)), {"output_size": (1, 3), "spatial_scale": 0.5}),
        (((1, 2, 3, 3), np.zeros((0, 5))), {"output_size": 2}),
    )
    card = Card(
        en="Max pooling with windows fitted to each box. The gradient goes to the element that "
        "won, as in max pooling; the rounded box gets none.",
        zh="窗口随框而定的最大池化。与最大池化一样，梯度只传给取胜的元素；取整后的框没有梯度。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        return _regions_shape("roi_pool", shapes, params)

    def forward(F, x, boxes, *, output_size, spatial_scale):
        n, channels, h, w = x.shape
        k = boxes.shape[0]
        x1, y1, x2, y2 = (_column(F, boxes, i) * spatial_scale for i in range(1, 5))
        down, in_rows, tall = _bins(F, y1, y2, h, output_size[0])
        across, in_columns, broad = _bins(F, x1, x2, w, output_size[1])
        bins = (k, output_size[0], output_size[1], tall, broad)
        start = F.reshape(picture_of(F, boxes, n) * (h * w), (k, 1, 1, 1, 1))
        line = start + F.reshape(down, (k, bins[1], 1, tall, 1)) * w
        at = F.reshape(line + F.reshape(across, (k, 1, bins[2], 1, broad)), bins)
        inside = F.bitwise_and(
            F.reshape(in_rows, (k, bins[1], 1, tall, 1)),
            F.reshape(in_columns, (k, 1, bins[2], 1, broad)),
        )
        inside = F.reshape(inside, (k, 1, bins[1] * bins[2], tall * broad))
        at = F.reshape(at, (k, bins[1] * bins[2], tall * broad))
        values = F.permute_dims(F.gather(rows(F, x), (HOLE,), at), (0, 3, 1, 2))
        least = F.full((), -np.inf, values.dtype)
        best = F.expand_dims(F.argmax(F.where(inside, values, least), 3), 3)
        y = F.take_along_axis(values, best, 3)
        some = F.max(F.astype(inside, "int64"), 3, True)
        y = F.where(F.greater(some, 0), y, F.zeros_like(y))
        return F.reshape(y, (k, channels, *output_size))


# ---- functions ------------------------------------------------------------------------------


def numbered(name: str, input: Tensor, boxes: Any) -> Tensor:
    """Boxes as (K, 5), each with the number of its picture; given so, or as a list (L, 4)."""
    if isinstance(boxes, Tensor):
        if mode.trace is None and boxes.ndim == 2 and boxes.shape[1] == 5 and input.ndim == 4:
            number = (
                boxes.numpy()[:, 0] if not boxes.requires_grad else boxes.detach().numpy()[:, 0]
            )
            wrong = ~((number >= 0) & (number < input.shape[0]))
            if wrong.any():
                raise IndexRangeError(
                    t(
                        "{name}: box {k} is of picture {number:g}, but the input has {n}.",
                        name=name, k=int(np.argmax(wrong)), number=float(number[wrong][0]),
                        n=input.shape[0],
                    )
                )  # fmt: skip
        return boxes
    if not isinstance(boxes, Sequence) or not all(
        isinstance(b, Tensor) and b.ndim == 2 and b.shape[1] == 4 for b in boxes
    ):
        raise ArgumentError(
            t("{name}: boxes must be a tensor (K, 5), or a list of tensors (L, 4).", name=name)
        )
    if len(boxes) != input.shape[0]:
        raise ArgumentError(
            t(
                "{name}: boxes of {m} pictures, but the input has {n}.",
                name=name, m=len(boxes), n=input.shape[0],
            )
        )  # fmt: skip
    F = mode.recording
    parts = [F.concat([F.full((len(b), 1), float(i), b.dtype), b], 1) for i, b in enumerate(boxes)]
    return F.concat(parts, 0)  # type: ignore[no-any-return]


def roi_align(
    input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0,
    sampling_ratio: int = -1, aligned: bool = False,
) -> Tensor:  # fmt: skip
    """The features within each box, read bilinearly at regular points: (K, C, *output_size).

    input (N, C, H, W); boxes (K, 5) with the number of the picture first, or a list of (L, 4), one
    for each picture, in units of 1/spatial_scale elements. `sampling_ratio`² points a bin; ≤ 0: as
    many as it has elements. `aligned`: pixel centres at halves. Both input and boxes get a
    gradient.
    """
    boxes = numbered("roi_align", input, boxes)
    function = RoIAlign.function
    return function(input, boxes, output_size, spatial_scale, sampling_ratio, aligned)  # type: ignore[no-any-return]


def roi_pool(input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """The largest feature within each bin of each box: (K, C, *output_size). Arguments as in
    `roi_align`; boxes are rounded to whole elements."""
    boxes = numbered("roi_pool", input, boxes)
    return RoIPool.function(input, boxes, output_size, spatial_scale)  # type: ignore[no-any-return]
