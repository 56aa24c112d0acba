"""The stages a second time, in float64 NumPy and by other ways, from the feature maps on.

Nothing here uses what the trails print: heads are evaluated from the parameters, RoI align is a
product with hat functions, suppression goes through the boxes one after another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.detection.capture import STRUCK, UNFIT, Boxes, Capture
from chainrule.models.detection import FastRCNNPredictor, RPNHead, TwoMLPHead

if TYPE_CHECKING:
    from chainrule.explain.detection.trail import Origin
    from chainrule.models.detection import FasterRCNN

Array = NDArray[np.float64]
Values = dict[str, float]


def numbers_of(tensor: Any) -> Array:
    """Of a parameter."""
    return np.asarray(tensor.detach().numpy(), np.float64)


class Again:
    """A detector's stages for one image, computed when they are asked for."""

    def __init__(self, model: FasterRCNN, found: Capture) -> None:
        self.model, self.found = model, found
        self._first: dict[int, tuple[float, Array, Array, Array]] = {}
        self._heads: dict[int, tuple[Array, Array, Array]] = {}
        self._walks: dict[str, tuple[Array, Array]] = {}

    # ---- the first stage --------------------------------------------------------------------

    def anchor(self, first: int) -> Array:
        """The anchor that a box of the first stage started from."""
        found, generator = self.found, self.model.rpn.anchor_generator
        level = int(found.first.group[first])
        of = found.levels[level]
        pairs = [(s, r) for r in generator.aspect_ratios[level] for s in generator.sizes[level]]
        place, number = divmod(int(found.anchors[first]), len(pairs))
        y, x = divmod(place, of.columns)
        size, ratio = pairs[number]
        half = np.round([size / math.sqrt(ratio) / 2, size * math.sqrt(ratio) / 2])
        centre = np.array([x * (found.canvas[1] // of.columns), y * (found.canvas[0] // of.rows)])
        return np.concatenate([centre - half, centre + half])

    def first(self, first: int) -> tuple[float, Array, Array, Array]:
        """Logit, offsets, anchor and box of one anchor."""
        if first not in self._first:
            logit, codes = self._scored(first)
            anchor = self.anchor(first)
            self._first[first] = logit, codes, anchor, self.clipped(moved(codes, anchor))
        return self._first[first]

    def clipped(self, box: Array) -> Array:
        """The box cut off at the image."""
        height, width = self.found.size
        return np.array([min(max(v, 0.0), (width, height)[k % 2]) for k, v in enumerate(box)])

    def _scored(self, first: int) -> tuple[float, Array]:
        """What the proposal head says of one anchor."""
        found, head = self.found, self.model.rpn.head
        level = int(found.first.group[first])
        of = found.levels[level]
        place, number = divmod(int(found.anchors[first]), len(of.cell))
        if not isinstance(head, RPNHead):
            at = found.anchors[first]
            return float(of.logits[at]), np.asarray(of.codes[at], np.float64)
        layers: Any = head.conv
        convolutions = [layer[0] for layer in layers]
        seen = self._patch(of.name, place // of.columns, place % of.columns, len(convolutions))
        for k, layer in enumerate(convolutions):
            windows = np.lib.stride_tricks.sliding_window_view(seen, (3, 3), (1, 2))
            seen = np.einsum("chwij,ocij->ohw", windows, numbers_of(layer.weight))
            seen = np.maximum(seen + numbers_of(layer.bias)[:, None, None], 0.0)
            left = len(convolutions) - 1 - k
            if left:
                # What lies outside of the map is 0 for the next layer, too.
                rows = np.arange(-left, left + 1) + place // of.columns
                columns = np.arange(-left, left + 1) + place % of.columns
                inside = ((rows >= 0) & (rows < of.rows))[:, None]
                seen = seen * (inside & ((columns >= 0) & (columns < of.columns)))
        values = seen[:, 0, 0]
        logits = numbers_of(head.cls_logits.weight)[:, :, 0, 0] @ values
        codes = numbers_of(head.bbox_pred.weight)[:, :, 0, 0] @ values
        logits, codes = (
            logits + numbers_of(head.cls_logits.bias),
            codes + numbers_of(head.bbox_pred.bias),
        )
        return float(logits[number]), codes.reshape(-1, 4)[number]

    def _patch(self, name: str, row: int, column: int, reach: int) -> Array:
        """The map around a place, 0 outside of it."""
        values = np.asarray(self.found.features[name], np.float64)
        around = np.pad(values, ((0, 0), (reach, reach), (reach, reach)))
        return around[:, row : row + 2 * reach + 1, column : column + 2 * reach + 1]

    # ---- the second stage -------------------------------------------------------------------

    def level(self, box: Array) -> tuple[float, int]:
        """The exact level of a box, and the number of its map."""
        pool: Any = self.model.roi_heads.box_roi_pool
        area = max((box[2] - box[0]) * (box[3] - box[1]), 1e-12)
        exact = pool.canonical_level + 0.5 * math.log2(area) - math.log2(pool.canonical_scale)
        strides = self.strides()
        low, high = (round(math.log2(s)) for s in (strides[0], strides[-1]))
        return exact + 1e-6, min(max(math.floor(exact + 1e-6), low), high) - low

    def strides(self) -> list[float]:
        """Pixels per element of each map that is read, as powers of two."""
        return [
            2.0 ** round(math.log2(self.found.canvas[0] / self.found.features[name].shape[-2]))
            for name in self.names()
        ]

    def names(self) -> list[str]:
        """The maps that the second stage reads."""
        pool: Any = self.model.roi_heads.box_roi_pool
        return [name for name in self.found.features if name in pool.featmap_names]

    def pooled(self, proposal: int) -> Array:
        """A proposal read from its map, (C, h, w): rows and columns of hat functions, one for each
        point, averaged over bins, on both sides of the map."""
        pool: Any = self.model.roi_heads.box_roi_pool
        box = self.first(int(self.found.proposals[proposal]))[3]
        level = self.level(box)[1]
        values = np.asarray(self.found.features[self.names()[level]], np.float64)
        box = box / self.strides()[level]
        down, across = (
            hats(box[k], box[k + 2], values.shape[2 - k], pool.output_size[1 - k],
                 pool.sampling_ratio)
            for k in (1, 0)
        )  # fmt: skip
        return np.asarray(down @ values @ across.T)

    def second(self, proposal: int) -> tuple[Array, Array, Array]:
        """Class logits, offsets (classes, 4) and pooled features of a proposal."""
        if proposal not in self._heads:
            heads = self.model.roi_heads
            pooled = self.pooled(proposal)
            head, predictor = heads.box_head, heads.box_predictor
            if isinstance(head, TwoMLPHead) and isinstance(predictor, FastRCNNPredictor):
                x = pooled.reshape(-1)
                for layer in (head.fc6, head.fc7):
                    x = np.maximum(_linear(layer, x), 0.0)
                logits, codes = _linear(predictor.cls_score, x), _linear(predictor.bbox_pred, x)
            else:
                logits = np.asarray(self.found.logits[proposal], np.float64)
                codes = np.asarray(self.found.codes[proposal], np.float64)
            self._heads[proposal] = logits, codes.reshape(-1, 4), pooled
        return self._heads[proposal]

    def softmax(self, proposal: int) -> Array:
        """The class probabilities of a proposal."""
        logits = self.second(proposal)[0]
        return np.array([1 / np.exp(logits - logits[k]).sum() for k in range(len(logits))])

    def refined(self, second: int) -> Array:
        """A box of the second stage."""
        classes = self.found.logits.shape[1] - 1
        proposal, label = divmod(second, classes)
        codes = self.second(proposal)[1][label + 1] / np.array(self.model.roi_heads.weights)
        start = self.first(int(self.found.proposals[proposal]))[3]
        return self.clipped(moved(codes, start))

    # ---- suppression ------------------------------------------------------------------------

    def walk(self, stage: str) -> tuple[Array, Array]:
        """Of "suppression" or "selection": by which box each is struck out, −1 if by none, and the
        IoU with that one, or the largest one with a better box that is kept."""
        if stage not in self._walks:
            found, model = self.found, self.model
            if stage == "suppression":
                self._walks[stage] = walked(found.first, model.rpn.nms_thresh)
            else:
                self._walks[stage] = walked(found.second, model.roi_heads.nms_thresh)
        return self._walks[stage]

    def box(self, stage: str, number: int) -> Array:
        """One of the boxes that go through suppression."""
        return self.first(number)[3] if stage == "suppression" else self.refined(number)

    def origin_box(self, stage: str, origin: Origin) -> Array:
        """The box of a trail at that suppression."""
        return self.box(stage, origin.first if stage == "suppression" else origin.second)


def _linear(layer: Any, x: Array) -> Array:
    return np.asarray(numbers_of(layer.weight) @ x + numbers_of(layer.bias))


def moved(codes: Array, box: Array) -> Array:
    """The box that the offsets name, seen from a box: one side after the other."""
    out = np.empty(4)
    for k in (0, 1):
        low, high = box[k], box[k + 2]
        size = high - low
        centre = (low + high) / 2 + codes[k] * size
        half = size / 2 * min(math.exp(min(codes[k + 2], 700.0)), 1000 / 16)
        out[k], out[k + 2] = centre - half, centre + half
    return out


def hats(low: float, high: float, size: int, bins: int, ratio: int) -> Array:
    """(bins, size): how much each element counts in each bin, max(0, 1 − distance) to its points,
    which are moved to the border from up to one element outside."""
    step = max(high - low, 1.0) / bins
    out = np.zeros((bins, size))
    for b in range(bins):
        for s in range(ratio):
            at = low + step * (b + (s + 0.5) / ratio)
            if -1 <= at <= size:
                at = min(max(at, 0.0), size - 1)
                out[b] += np.maximum(0.0, 1 - np.abs(np.arange(size) - at)) / ratio
    return out


def share(a: Any, b: Any) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def walked(boxes: Boxes, threshold: float) -> tuple[Array, Array]:
    """Suppression, box by box from the best score down."""
    values = np.asarray(boxes.boxes, np.float64).tolist()
    fit = np.flatnonzero(boxes.state != UNFIT)
    order = fit[np.argsort(-boxes.scores[fit], kind="stable")]
    by, most = np.full(len(values), -1), np.zeros(len(values))
    kept: dict[int, list[int]] = {}
    for me in order.tolist():
        mine = kept.setdefault(int(boxes.group[me]), [])
        for other in mine:
            common = share(values[me], values[other])
            if common > threshold:
                by[me], most[me] = other, common
                break
            most[me] = max(most[me], common)
        if by[me] < 0:
            mine.append(me)
    return by, most


def disagreements(boxes: Boxes, again: tuple[Array, Array], threshold: float) -> list[int]:
    """Boxes that were kept or struck out otherwise, unless their IoU is the threshold itself."""
    by, most = again
    fit = boxes.state != UNFIT
    other = fit & (((boxes.state == STRUCK) != (by >= 0)) | (boxes.by != by))
    near = (np.abs(boxes.iou - threshold) < 1e-5) | (np.abs(most - threshold) < 1e-5)
    return [int(k) for k in np.flatnonzero(other & ~near)]
