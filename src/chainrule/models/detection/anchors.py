"""Anchors: the boxes that a detector starts from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor


class AnchorGenerator(nn.Module):
    """Boxes of every size and shape around every element of the feature maps.

    Args:
        sizes: square roots of areas, in pixels, a tuple for each map.
        aspect_ratios: height / width, a tuple for each map.
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[float]] = ((128, 256, 512),),
        aspect_ratios: Sequence[Sequence[float]] = ((0.5, 1.0, 2.0),),
    ) -> None:
        super().__init__()
        if not sizes or not isinstance(sizes[0], Sequence):
            raise ArgumentError(
                t("AnchorGenerator: sizes must be a tuple for each map, such as ((32,), (64,)).")
            )
        if not isinstance(aspect_ratios[0], Sequence):
            raise ArgumentError(
                t(
                    "AnchorGenerator: aspect_ratios must be a tuple for each map, such as "
                    "((0.5, 1.0, 2.0),) * {n}.",
                    n=len(sizes),
                )
            )
        if len(sizes) != len(aspect_ratios):
            raise ArgumentError(
                t(
                    "AnchorGenerator: sizes for {n} maps, aspect ratios for {m}.",
                    n=len(sizes),
                    m=len(aspect_ratios),
                )
            )
        self.sizes = tuple(map(tuple, sizes))
        self.aspect_ratios = tuple(map(tuple, aspect_ratios))

    def num_anchors_per_location(self) -> list[int]:
        """How many anchors stand at each element of each map."""
        return [
            len(s) * len(r) for s, r in zip(self.sizes, self.aspect_ratios, strict=True)
        ]  # fmt: skip

    def cell(self, level: int) -> np.ndarray:
        """The anchors (A, 4) of one map around (0, 0), ratio by ratio, rounded to whole pixels."""
        ratios = np.sqrt(np.array(self.aspect_ratios[level], np.float64))[:, None]
        sizes = np.array(self.sizes[level], np.float64)[None]
        heights, widths = (ratios * sizes).reshape(-1), (sizes / ratios).reshape(-1)
        return np.asarray(np.round(np.stack([-widths, -heights, widths, heights], 1) / 2))

    def grids(
        self, image_size: tuple[int, int], map_sizes: Sequence[tuple[int, int]]
    ) -> list[np.ndarray]:
        """The anchors of each map, (H·W·A, 4) float32: row by row, element by element.

        image_size: height and width of the batch of images; map_sizes: those of each map.
        """
        if len(map_sizes) != len(self.sizes):
            raise ArgumentError(
                t(
                    "AnchorGenerator has sizes for {n} maps, the backbone gives {m}.",
                    n=len(self.sizes),
                    m=len(map_sizes),
                )
            )
        found = []
        for level, (height, width) in enumerate(map_sizes):
            down, across = image_size[0] // height, image_size[1] // width
            y, x = np.meshgrid(np.arange(height) * down, np.arange(width) * across, indexing="ij")
            shifts = np.stack([x, y, x, y], -1).reshape(-1, 1, 4)
            boxes = (shifts + self.cell(level)).reshape(-1, 4)
            found.append(boxes.astype(np.float32))
        return found

    def forward(self, image_size: tuple[int, int], feature_maps: Sequence[Tensor]) -> list[Tensor]:
        """The anchors of maps (N, C, H, W) of images of this size, one tensor for each map."""
        sizes = [(int(m.shape[-2]), int(m.shape[-1])) for m in feature_maps]
        return [Tensor(grid) for grid in self.grids(image_size, sizes)]
