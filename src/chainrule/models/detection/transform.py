"""Images of any size → one batch; objects of any number → one array; and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as NF
from chainrule.ops import functional as F

#: Places for objects come in multiples of this, so that few different programs are compiled.
PLACES = 16


class Batch(NamedTuple):
    """images (N, C, H, W); sizes (N, 2) of each within it, float; objects (N, M, 4) and labels
    (N, M), 0 for none, in its pixels."""

    images: Tensor
    sizes: Tensor
    objects: Tensor
    labels: Tensor


class GeneralizedRCNNTransform(nn.Module):
    """Standardises images, brings them to a usual size, and pads them to a batch.

    Args:
        min_size: of the shorter side; max_size: limit of the longer one, in pixels.
        image_mean, image_std: of each channel, for images in 0..1.
        size_divisible: the batch's sides are multiples of this.
        fixed_size: (height, width) of the batch, whatever the images: they are made as large as
            fits, and one program serves.
    """

    def __init__(
        self,
        min_size: int,
        max_size: int,
        image_mean: Sequence[float],
        image_std: Sequence[float],
        size_divisible: int = 32,
        fixed_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.min_size, self.max_size = min_size, max_size
        self.image_mean, self.image_std = tuple(image_mean), tuple(image_std)
        self.size_divisible, self.fixed_size = size_divisible, fixed_size

    def scale(self, height: int, width: int) -> float:
        """By how much an image of this size is enlarged."""
        if self.fixed_size is not None:
            return min(self.fixed_size[0] / height, self.fixed_size[1] / width)
        return min(self.min_size / min(height, width), self.max_size / max(height, width))

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]] | None = None
    ) -> Batch:
        """Images (C, H, W) in 0..1; targets: for each "boxes" (L, 4) and "labels" (L,)."""
        ready, sizes, scales = [], [], []
        for k, image in enumerate(images):
            if image.ndim != 3 or image.shape[0] != len(self.image_mean) or 0 in image.shape:
                raise ShapeError(
                    t(
                        "Image {k} must be (channels, height, width) with {n} channels, got shape "
                        "{shape}.",
                        k=k,
                        n=len(self.image_mean),
                        shape=tuple(image.shape),
                    )
                )
            if image.dtype.kind != "f":
                raise ArgumentError(
                    t(
                        "Image {k} has dtype {dtype}: images are floats in 0..1, so write "
                        "image / 255.",
                        k=k,
                        dtype=image.dtype.name,
                    )
                )
            height, width = (int(s) for s in image.shape[-2:])
            scale = self.scale(height, width)
            image, size = self._resized(self._standardised(image), scale)
            ready.append(image)
            sizes.append(size)
            scales.append((size[0] / height, size[1] / width))
        objects, labels = self._padded(targets, scales, len(ready))
        return Batch(self._batched(ready, sizes), F.tensor(sizes, dtype=ready[0].dtype),
                     objects, labels)  # fmt: skip

    def _standardised(self, image: Tensor) -> Tensor:
        mean, std = (F.tensor(v, dtype=image.dtype).reshape(-1, 1, 1)
                     for v in (self.image_mean, self.image_std))  # fmt: skip
        return (image - mean) / std

    def _resized(self, image: Tensor, scale: float) -> tuple[Tensor, tuple[int, int]]:
        height, width = (int(s) for s in image.shape[-2:])
        # As much as the scale says, rounded down, as torchvision's interpolate does.
        size = (max(int(height * scale), 1), max(int(width * scale), 1))
        if size == (height, width):
            return image, size
        image = NF.interpolate(
            image.unsqueeze(0), size=size, mode="bilinear", align_corners=False
        ).squeeze(0)
        return image, size

    def _batched(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> Tensor:
        multiple = self.size_divisible
        shape = self.fixed_size or tuple(max(s[i] for s in sizes) for i in (0, 1))
        height, width = (-(-s // multiple) * multiple for s in shape)
        return F.stack(
            [
                NF.pad(image, (0, width - w, 0, height - h))
                for image, (h, w) in zip(images, sizes, strict=True)
            ]
        )

    @staticmethod
    def _padded(
        targets: Sequence[Mapping[str, Tensor]] | None, scales: Sequence[tuple[float, float]],
        n: int,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        if targets is None:
            return F.zeros(n, 0, 4), F.zeros(n, 0, dtype="int64")
        if len(targets) != n:
            raise ArgumentError(t("{n} images with targets for {m}.", n=n, m=len(targets)))
        most = max((len(target["labels"]) for target in targets), default=0)
        places = max(-(-most // PLACES), 1) * PLACES
        objects = np.zeros((n, places, 4), np.float32)
        labels = np.zeros((n, places), np.int64)
        for k, (target, (down, across)) in enumerate(zip(targets, scales, strict=True)):
            boxes, label = target["boxes"].numpy(), target["labels"].numpy()
            check_objects(k, boxes, label)
            objects[k, : len(boxes)] = boxes * np.array([across, down, across, down], np.float32)
            labels[k, : len(label)] = label
        return Tensor(objects), Tensor(labels)

    def postprocess(
        self, detections: Mapping[str, Tensor], size: tuple[int, int], original: tuple[int, int]
    ) -> dict[str, Tensor]:
        """Boxes in the pixels of the original image."""
        down, across = original[0] / size[0], original[1] / size[1]
        factor = F.tensor([across, down, across, down], dtype=detections["boxes"].dtype)
        return {**detections, "boxes": detections["boxes"] * factor}


def check_objects(k: int, boxes: np.ndarray, labels: np.ndarray) -> None:
    """Raises unless these are the boxes and labels of an image's objects."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
        raise ShapeError(
            t(
                "Targets of image {k} must be boxes (L, 4) and labels (L,), got shapes {boxes} and "
                "{labels}.",
                k=k,
                boxes=boxes.shape,
                labels=labels.shape,
            )
        )
    wrong = ~((boxes[:, 2:] > boxes[:, :2]).all(1) & np.isfinite(boxes).all(1))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ArgumentError(
            t(
                "Targets of image {k}: box {at} is {box}, but x1 < x2 and y1 < y2 must hold.",
                k=k,
                at=at,
                box=[round(float(v), 2) for v in boxes[at]],
            )
        )
    if (labels < 1).any():
        raise ArgumentError(t("Targets of image {k}: labels start at 1; 0 is the background.", k=k))
