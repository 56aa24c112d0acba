"""Objects of other images set down in an image, so that they stand on other ground.

After D. Dwibedi, I. Misra, M. Hebert, "Cut, paste and learn: surprisingly easy synthesis for
instance detection", ICCV 2017: pieces of ground are pasted in the same way, so that the seam says
nothing about what is in it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.base.constraints import Int, Interval
from chainrule.data.detection.colours import colours_turned
from chainrule.data.detection.geometry import enlarged, free_place
from chainrule.data.detection.ground import made_ground
from chainrule.data.detection.samples import Objects, Sample
from chainrule.data.random import Draws

#: Least side of a piece in pixels.
_LEAST = 12
#: So many places are tried for each piece, as many where to cut out ground; numbers that it needs.
_TRIES = 6
_DRAWS = 10 + 4 * _TRIES


class Pasting:
    """Sets two to `most` pieces of other images down in an image, in four of five images.

    Three of five pieces are objects, the others ground of an object's size. Each is cut out along
    an ellipse, or a shape between that and its box, with soft edges, in whose middle the box ends;
    mirrored, turned by 90°, made larger or smaller by up to a quarter, lighter or darker by up to
    15%. None covers an object, or an earlier piece, by more than a fifth.

    Args:
        sample: gives an image with its objects by its number, of which there are `count`: where
            the pieces come from. Objects that touch the edge of their image are not cut out: they
            may go on beyond it.
        most: pieces in an image.
        made: in this share of images nothing remains but what is pasted, on made-up ground, see
            `ground.made_ground`; half of `most` at least.
        recoloured: this share of the pieces is shown in other colours and in another light than
            what they are set down on. For objects whose colours beside those of the ground differ
            from place to place.
    """

    def __init__(
        self,
        sample: Callable[[int], Sample],
        count: int,
        most: int,
        made: float = 0.0,
        recoloured: float = 0.0,
    ) -> None:
        self.sample, self.count = sample, count
        self.most = Int(low=2).check(most, "Pasting", "most")
        self.made = Interval(0, 1).check(made, "Pasting", "made")
        self.recoloured = Interval(0, 1).check(recoloured, "Pasting", "recoloured")

    def __call__(
        self, image: np.ndarray, objects: Objects, draws: Draws
    ) -> tuple[np.ndarray, Objects]:
        """An image (C, H, W), float32 where anything was pasted, and its objects with those that
        were."""
        numbers, least = draws.uniform(1, 5 + self.most * _DRAWS)[0], 2
        if numbers[0] < self.made:
            generator = np.random.default_rng((numbers[3:5] * 2**32).astype(np.int64).tolist())
            image, least = made_ground(generator, image.shape), max(self.most // 2, 2)
            objects = objects.of(np.zeros(len(objects.labels), bool))
        elif numbers[1] < 0.2:
            return image, objects
        else:
            image = image.astype(np.float32)
        taken, boxes, labels = objects.boxes, [objects.boxes], [objects.labels]
        count = least + int(numbers[2] * (self.most + 1 - least))
        for u in numbers[5:].reshape(self.most, _DRAWS)[:count]:
            piece, label = self._piece(u)
            if piece is None:
                continue
            high, wide = piece.shape[1:]
            if high >= image.shape[1] // 2 or wide >= image.shape[2] // 2:
                continue
            tries = u[-2 * _TRIES :].reshape(-1, 2)
            place = free_place((high, wide), image.shape[1:], tries, taken, 0.2)
            if place is None:
                continue
            y, x = place
            softness = 0.05 + 0.2 * u[8]
            mask = _ellipse(high, wide, 2 + 1.5 * u[7], softness)
            under = image[:, y : y + high, x : x + wide]
            under += mask * (piece * np.float32(0.85 + 0.3 * u[9]) - under)
            box = np.array([[x, y, x + wide, y + high]], np.float32)
            taken = np.concatenate([taken, box])
            if label:
                # As far as the mask is half there: what is seen of an object ends there.
                inset = softness / 4 * np.array([wide, high, -wide, -high], np.float32)
                boxes.append((box + inset).astype(np.float32))
                labels.append(np.array([label], np.int64))
        together = np.concatenate(labels)
        ignored = np.zeros(len(together), bool)
        ignored[: len(objects.ignored)] = objects.ignored
        image = np.clip(image, 0, 255, out=image)
        return image, Objects(np.concatenate(boxes), together, ignored)

    def _piece(self, u: np.ndarray) -> tuple[np.ndarray | None, int]:
        """A piece (C, h, w) and its label, 0 for ground; None where the image has none."""
        image, objects = self.sample(int(u[0] * self.count))
        height, width = image.shape[1:]
        corners = np.round(objects.boxes).astype(np.int64)
        whole = (corners[:, :2] > 0).all(1) & (corners[:, 2:] < (width, height)).all(1)
        large = (corners[:, 2:] - corners[:, :2] >= _LEAST).all(1)
        fit = np.nonzero(whole & large & ~objects.ignored)[0]
        if not len(fit):
            return None, 0
        which = fit[int(u[1] * len(fit))]
        x0, y0, x1, y1 = corners[which].tolist()
        label = int(objects.labels[which])
        if u[2] >= 0.6:
            label, size = 0, (y1 - y0, x1 - x0)
            tries = u[10 : 10 + 2 * _TRIES].reshape(-1, 2)
            place = free_place(size, (height, width), tries, objects.boxes, 0.1)
            if place is None:
                return None, 0
            y0, x0 = place
            y1, x1 = y0 + size[0], x0 + size[1]
        factor = np.exp(0.5 * u[3] - 0.25)
        size = max(int((y1 - y0) * factor), _LEAST), max(int((x1 - x0) * factor), _LEAST)
        piece = enlarged(image[:, y0:y1, x0:x1], size)
        piece = piece[:, :, ::-1] if u[4] < 0.5 else piece
        piece = piece[:, ::-1] if u[5] < 0.5 else piece
        piece = piece.transpose(0, 2, 1) if u[6] < 0.5 else piece
        # Of ground, the numbers of the places that were tried serve once more.
        return _recoloured(piece, u[11:15]) if u[10] < self.recoloured else piece, label


def _recoloured(piece: np.ndarray, u: np.ndarray) -> np.ndarray:
    """A piece (C, h, w), 0 .. 255, in other colours; u: four numbers in 0 .. 1. Hues turn by up to
    0.12 half circles, saturation is multiplied by 0 to 1.4, contrast by 0.7 to 1.4, and brightness
    moves by up to 50."""
    piece = piece.astype(np.float32)
    if len(piece) == 3:
        turn = colours_turned(np.pi * 0.12 * (2 * u[0] - 1), 1.4 * u[1])
        piece = np.einsum("ij,jhw->ihw", turn, piece)
    mean = piece.mean((1, 2), keepdims=True)
    lit = (piece - mean) * np.float32(0.7 * 2 ** u[2]) + mean + np.float32(100 * u[3] - 50)
    return np.clip(lit, 0, 255)


def _ellipse(height: int, width: int, power: float, softness: float) -> np.ndarray:
    """(height, width) float32, 1 within |x|^power + |y|^power = 1 of a box, falling to 0 at it over
    this share of the way from the middle."""
    y = np.abs((np.arange(height) + 0.5) / height * 2 - 1)[:, None]
    x = np.abs((np.arange(width) + 0.5) / width * 2 - 1)[None]
    radius = (x**power + y**power) ** (1 / power)
    return np.clip((1 - radius) / softness, 0, 1).astype(np.float32)
