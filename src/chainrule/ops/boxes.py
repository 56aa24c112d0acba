"""Boxes in a picture: (x1, y1, x2, y2) with x1 ≤ x2 and y1 ≤ y2, in pixels; their overlap, their
coding by offsets from other boxes, clipping. Names and arguments are those of torchvision.ops.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.constraints import Constraint, Ints, Positive
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import Ints_, Shapes

#: Offsets of width and height above this are cut before exp: no box becomes more than 1000/16
#: times as large as the one that it starts from.
LARGEST_SCALE = math.log(1000.0 / 16)


def random_boxes(seed: int, n: int, size: float = 6.0) -> np.ndarray:
    """Boxes (n, 4) to be tested with, none thin, no coordinate near a whole number or near another
    one of its axis."""
    rng = np.random.default_rng(seed)
    # Places in cells of which each is used once.
    x, y = (
        np.sort(rng.permutation(20)[: 2 * n].reshape(2, n), 0) + rng.uniform(0.3, 0.7, (2, n))
        for _ in range(2)
    )
    boxes = np.stack([x[0], y[0], x[1], y[1]], 1) * (size / 20)
    near = np.round(boxes)
    return np.asarray(np.where(np.abs(boxes - near) < 0.02, boxes + 0.04, boxes))


def check_boxes(name: str, shapes: Shapes, *which: str) -> None:
    """Raises unless the last axis of each of these has the four coordinates."""
    for one in which:
        shape = shapes[one]
        if not shape or shape[-1] != 4:
            raise ShapeError(
                t(
                    "{name}: {which} must be boxes (…, 4), each x1, y1, x2, y2; got shape {shape}.",
                    name=name, which=one, shape=shape,
                )
            )  # fmt: skip


def corners(F: Any, boxes: Any) -> tuple[Any, Any, Any, Any]:
    """x1, y1, x2, y2, each without the last axis."""
    x1, y1, x2, y2 = (F.slice(boxes, (..., k)) for k in range(4))
    return x1, y1, x2, y2


def joined(F: Any, *columns: Any) -> Any:
    return F.stack(list(columns), len(columns[0].shape))


def _centres(F: Any, boxes: Any) -> tuple[Any, Any, Any, Any]:
    """Centre x and y, width, height."""
    x1, y1, x2, y2 = corners(F, boxes)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height


# ---- overlap --------------------------------------------------------------------------------


def area(F: Any, box: Any) -> Any:
    """Of the four corners."""
    x1, y1, x2, y2 = box
    return (x2 - x1) * (y2 - y1)


def iou(F: Any, a: Any, b: Any, eps: float = 0.0) -> tuple[Any, Any]:
    """Intersection over (union + eps) of boxes given as corners that broadcast, and the union. Two
    boxes without area have nothing in common: 0."""
    width = F.maximum(F.minimum(a[2], b[2]) - F.maximum(a[0], b[0]), 0.0)
    height = F.maximum(F.minimum(a[3], b[3]) - F.maximum(a[1], b[1]), 0.0)
    shared = width * height
    union = area(F, a) + area(F, b) - shared
    known = F.greater(union, 0.0)
    one = F.ones_like(union)
    return F.where(known, shared / F.where(known, union + eps, one), 0.0 * shared), union


def around(F: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Width and height of the smallest box around both."""
    width = F.maximum(a[2], b[2]) - F.minimum(a[0], b[0])
    return width, F.maximum(a[3], b[3]) - F.minimum(a[1], b[1])


def giou(F: Any, a: Any, b: Any, eps: float = 0.0) -> Any:
    """IoU less the share of the box around both that neither covers."""
    overlap, union = iou(F, a, b, eps)
    width, height = around(F, a, b)
    whole = width * height
    known = F.greater(whole, 0.0)
    empty = (whole - union) / F.where(known, whole + eps, F.ones_like(whole))
    return overlap - F.where(known, empty, F.zeros_like(empty))


def pairs(F: Any, boxes1: Any, boxes2: Any) -> tuple[Any, Any]:
    """Corners (…, N, 1) and (…, 1, M)."""
    first = tuple(F.expand_dims(c, -1) for c in corners(F, boxes1))
    second = tuple(F.expand_dims(c, -2) for c in corners(F, boxes2))
    return first, second


class _PairwiseOverlap(Op):
    params: dict[str, Constraint] = {}
    vjp = None
    dtypes = "float"
    autocast = "float32"
    method = False
    always_check = True
    axes = {"boxes1": ("N, (x1, y1, x2, y2)",), "boxes2": ("M, (x1, y1, x2, y2)",)}

    @staticmethod
    def samples() -> list[Any]:
        sizes = [(2, 3), (3, 4), (1, 1)] * 8
        pairs_ = [np.split(random_boxes(k, n + m), [n]) for k, (n, m) in enumerate(sizes)]
        return [*(tuple(pair) for pair in pairs_), (np.zeros((0, 4)), random_boxes(0, 3))]

    @classmethod
    def shape(cls, shapes: Shapes, params: dict[str, Any]) -> Ints_:
        check_boxes(cls.name, shapes, "boxes1", "boxes2")
        first, second = shapes["boxes1"], shapes["boxes2"]
        if len(first) < 2 or len(second) < 2 or first[:-2] != second[:-2]:
            raise ShapeError(
                t(
                    "{name} compares boxes (N, 4) with boxes (M, 4), got shapes {first} and "
                    "{second}.",
                    name=cls.name, first=first, second=second,
                )
            )  # fmt: skip
        return (*first[:-1], second[-2])


@op
class BoxIoU(_PairwiseOverlap):
    """Intersection over union of boxes1 (N, 4) with boxes2 (M, 4), each with each: (N, M).

    Two boxes without area have 0.
    """

    name = "box_iou"
    math = "area(boxes1 ∩ boxes2) / area(boxes1 ∪ boxes2)"
    card = Card(
        en="How well two boxes agree: 1 if they are equal, 0 if they do not touch. Boxes apart get "
        "no gradient that would bring them together: see generalized_box_iou.",
        zh="两个框的吻合程度：相同为 1，不相交为 0。不相交的框得不到使其靠近的梯度，"
        "参见 generalized_box_iou。",
    )

    def forward(F, boxes1, boxes2):
        return iou(F, *pairs(F, boxes1, boxes2))[0]


@op
class GeneralizedBoxIoU(_PairwiseOverlap):
    """IoU less the share of the smallest box around both that neither covers: (N, M), in (−1, 1].

    Source: H. Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019.
    """

    name = "generalized_box_iou"
    math = "iou - (area(around) - area(boxes1 ∪ boxes2)) / area(around)"
    card = Card(
        en="IoU with a gradient also for boxes that do not touch: it draws them together.",
        zh="对不相交的框也有梯度的 IoU：会把它们拉近。",
    )

    def forward(F, boxes1, boxes2):
        return giou(F, *pairs(F, boxes1, boxes2))


# ---- coding ---------------------------------------------------------------------------------


class Weights(Constraint):
    """Four positive numbers."""

    bad = ("a", (1.0, 1.0), (1.0, 1.0, 1.0, -1.0))
    samples = ((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0))

    def check(self, value: Any, owner: str, name: str) -> tuple[float, ...]:
        try:
            numbers = tuple(float(v) for v in value)
        except (TypeError, ValueError):
            raise self.refuse(value, owner, name) from None
        if len(numbers) != 4 or not all(0 < v < math.inf for v in numbers):
            raise self.refuse(value, owner, name)
        return numbers

    def describe(self) -> str:
        return t("four numbers > 0, for x, y, width and height")


def _coding_shape(name: str, shapes: Shapes, *which: str) -> Ints_:
    check_boxes(name, shapes, *which)
    first, second = (shapes[one] for one in which)
    if first != second:
        raise ShapeError(
            t(
                "{name}: there must be as many {a} as {b}, got shapes {first} and {second}.",
                name=name, a=which[0], b=which[1], first=first, second=second,
            )
        )  # fmt: skip
    return first


@op
class BoxEncode(Op):
    """Where `reference` lies, seen from `proposals`, both (…, 4): offsets (dx, dy, dw, dh).

    weights: factors of the four. Proposals need an area.
    Source: R. Girshick et al., "Rich feature hierarchies", CVPR 2014, appendix C.
    """

    math = "((x - x_p) / w_p, (y - y_p) / h_p, log(w / w_p), log(h / h_p)) * weights"
    params = {"weights": Weights((1.0, 1.0, 1.0, 1.0))}
    vjp = None
    dtypes = "float"
    autocast = "float32"
    method = False
    always_check = True

    @staticmethod
    def samples() -> list[Any]:
        weights = [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)] * 12
        return [
            ((random_boxes(k, 3), random_boxes(k + 100, 3)), {"weights": w})
            for k, w in enumerate(weights)
        ]

    card = Card(
        en="A box told by how it differs from another one: shifts in units of that one's size, and "
        "logarithms of the ratios, so that large and small objects weigh the same.",
        zh="用与另一个框的差别来表示框：平移以该框大小为单位，宽高取比值的对数，"
        "因此大小物体的权重相同。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        return _coding_shape("box_encode", shapes, "reference", "proposals")

    def forward(F, reference, proposals, *, weights):
        x, y, width, height = _centres(F, reference)
        x_p, y_p, width_p, height_p = _centres(F, proposals)
        wx, wy, ww, wh = weights
        return joined(
            F,
            wx * (x - x_p) / width_p,
            wy * (y - y_p) / height_p,
            ww * F.log(width / width_p),
            wh * F.log(height / height_p),
        )


@op
class BoxDecode(Op):
    """The boxes (…, 4) that the offsets `codes` (…, 4) name, seen from `boxes`: box_encode undone.

    weights: the offsets were multiplied by these. clip: dw and dh are cut at this number.
    """

    math = "the box at (x_p + dx*w_p, y_p + dy*h_p) of size (w_p*exp(dw), h_p*exp(dh))"
    params = {
        "weights": Weights((1.0, 1.0, 1.0, 1.0)),
        "clip": Positive(LARGEST_SCALE),
    }
    vjp = None
    dtypes = "float"
    autocast = "float32"
    method = False
    always_check = True
    domains = {"codes": (-1.0, 1.0)}
    samples = (
        ((3, 4), random_boxes(1, 3)),
        (((4, 4), random_boxes(2, 4)), {"weights": (10.0, 10.0, 5.0, 5.0)}),
        (((4, 4), random_boxes(3, 4)), {"clip": 0.5}),
    )
    card = Card(
        en="What a detector's offsets mean: the box is shifted and scaled. Scales are cut, since "
        "exp of a wild number would make infinite boxes.",
        zh="检测器输出的偏移量的含义：平移并缩放框。缩放量有上限，"
        "否则离谱的数取 exp 会得到无穷大的框。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        return _coding_shape("box_decode", shapes, "codes", "boxes")

    def forward(F, codes, boxes, *, weights, clip):
        x, y, width, height = _centres(F, boxes)
        dx, dy, dw, dh = (F.slice(codes, (..., k)) / w for k, w in enumerate(weights))
        limit = F.full((), clip, codes.dtype)
        half_width = 0.5 * F.exp(F.minimum(dw, limit)) * width
        half_height = 0.5 * F.exp(F.minimum(dh, limit)) * height
        x, y = x + dx * width, y + dy * height
        return joined(F, x - half_width, y - half_height, x + half_width, y + half_height)


# ---- within the picture ---------------------------------------------------------------------


@op
class ClipBoxesToImage(Op):
    """Boxes (…, 4) cut off at the borders of a picture of `size` (height, width)."""

    math = "(clip(x, 0, width), clip(y, 0, height))"
    params = {"size": Ints(low=0)}
    vjp = None
    autocast = "float32"
    method = False
    always_check = True
    samples = ((((3, 4),), {"size": (1, 2)}), (((5, 4),), {"size": (2, 2)}))
    card = Card(
        en="A detector may guess boxes that reach beyond the picture. What lies outside of it gets "
        "no gradient.",
        zh="检测器猜出的框可能超出图像。超出部分的坐标没有梯度。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        check_boxes("clip_boxes_to_image", shapes, "boxes")
        if len(params["size"]) != 2:
            raise ShapeError(
                t(
                    "clip_boxes_to_image: size must be (height, width), got {size}.",
                    size=params["size"],
                )
            )
        return shapes["boxes"]

    def forward(F, boxes, *, size):
        height, width = size
        x1, y1, x2, y2 = corners(F, boxes)
        x1, x2 = (F.clip(x, 0, width) for x in (x1, x2))
        y1, y2 = (F.clip(y, 0, height) for y in (y1, y2))
        return joined(F, x1, y1, x2, y2)
