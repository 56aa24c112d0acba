"""RoI align looked at: which map, which points, which neighbours with which weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.detection.capture import Capture

if TYPE_CHECKING:
    from chainrule.models.detection import FasterRCNN

Array = NDArray[Any]


class Axis(NamedTuple):
    """Points along one axis: places (P,) in elements of the map; taps (P, 2): the two neighbours of
    each, and their weights (P, 2), 0 outside; step: the size of a bin."""

    places: Array
    taps: Array
    weights: Array
    step: float


class Region(NamedTuple):
    """A proposal as the second stage reads it, in one channel: the one that varies most in it.

    exact_level: the number whose floor is the level; limits: the lowest and highest one; level:
    counted from the lowest; map (H, W) and pooled (h, w): of the channel; worked: the bin whose
    mean is largest in size.
    """

    box: Array
    exact_level: float
    limits: tuple[int, int]
    level: int
    name: str
    scale: float
    down: Axis
    across: Axis
    channel: int
    map: Array
    pooled: Array
    worked: tuple[int, int]

    def value(self, i: int, j: int) -> float:
        """The map at point i down, j across."""
        near = self.map[np.ix_(self.down.taps[i], self.across.taps[j])]
        return float(self.down.weights[i] @ near @ self.across.weights[j])


def region_of(model: FasterRCNN, found: Capture, proposal: int) -> Region:
    """How the second stage reads one proposal."""
    pool: Any = model.roi_heads.box_roi_pool
    names = [name for name in found.features if name in pool.featmap_names]
    level = int(found.pool_level[proposal])
    scales = [2.0 ** round(np.log2(found.features[n].shape[-2] / found.canvas[0])) for n in names]
    box = np.asarray(found.first.boxes[found.proposals[proposal]], np.float64)
    side = np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1e-12))
    exact = pool.canonical_level + np.log2(side / pool.canonical_scale) + 1e-6
    pooled = found.pooled[proposal]
    channel = int(np.ptp(pooled.reshape(len(pooled), -1), axis=1).argmax())
    values = np.asarray(found.features[names[level]][channel], np.float64)
    axes = [
        axis(box[k] * scales[level], box[k + 2] * scales[level], values.shape[1 - k],
             pool.output_size[1 - k], pool.sampling_ratio)
        for k in (1, 0)
    ]  # fmt: skip
    one = np.asarray(pooled[channel], np.float64)
    row, column = divmod(int(np.abs(one).argmax()), one.shape[1])
    limits = (-round(np.log2(scales[0])), -round(np.log2(scales[-1])))
    return Region(box, float(exact), limits, level, names[level], scales[level], axes[0], axes[1],
                  channel, values, one, (row, column))  # fmt: skip


def axis(low: float, high: float, size: int, bins: int, ratio: int) -> Axis:
    """The points of a box along one axis of a map with `size` elements."""
    step = max(high - low, 1.0) / bins
    number = np.repeat(np.arange(bins), ratio)
    within = (np.tile(np.arange(ratio), bins) + 0.5) / ratio
    places = low + step * (number + within)
    valid = (places >= -1.0) & (places <= size)
    inside = np.where(valid, np.clip(places, 0, size - 1), 0.0)
    first = np.floor(inside).astype(np.int64)
    part = inside - first
    taps = np.stack([first, np.minimum(first + 1, size - 1)], 1)
    weights = np.stack([1 - part, part], 1) * valid[:, None]
    return Axis(places, taps, weights, float(step))
