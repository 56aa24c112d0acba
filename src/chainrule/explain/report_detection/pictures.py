"""Boxes on an image, and curves of precision over recall as a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.explain.figures import Lines, figure
from chainrule.explain.report.pictures import Pixels, photograph, png
from chainrule.train.average_precision import DetectionScores

# Told apart with any of the usual colour deficiencies, on light and on dark ground.
_COLOURS = (
    (0, 158, 255), (255, 120, 30), (0, 210, 150), (240, 120, 200), (240, 220, 50), (150, 140, 255)
)  # fmt: skip
#: Curves in one panel.
_MOST = 8


def drawn(
    path: str | os.PathLike[str],
    image: NDArray[Any],
    found: Mapping[str, NDArray[Any]],
    classes: Sequence[str],
) -> Path:
    """Write a PNG of an image (C, H, W) with the boxes found in it: a colour for each class, and
    where Pillow is installed its name and score."""
    pixels = photograph(image)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    factor = max(1, 256 // max(pixels.shape[:2]))
    pixels = np.ascontiguousarray(np.kron(pixels, np.ones((factor, factor, 1), np.uint8)))
    # The surest on top.
    for box, label, score in zip(
        *(found[key][::-1] for key in ("boxes", "labels", "scores")), strict=True
    ):
        colour = _COLOURS[(int(label) - 1) % len(_COLOURS)]
        _frame(pixels, np.asarray(box) * factor, colour)
        _label(pixels, np.asarray(box) * factor, f"{classes[int(label) - 1]} {score:.2f}", colour)
    return atomic_write(path, png(pixels))


def _frame(pixels: Pixels, box: NDArray[Any], colour: tuple[int, ...]) -> None:
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    x1, x2 = max(x1, 0), min(x2, width) - 1
    y1, y2 = max(y1, 0), min(y2, height) - 1
    if x2 < x1 or y2 < y1:
        return
    for k in range(2):
        rows, columns = slice(y1, y2 + 1), slice(x1, x2 + 1)
        pixels[min(y1 + k, y2), columns] = pixels[max(y2 - k, y1), columns] = colour
        pixels[rows, min(x1 + k, x2)] = pixels[rows, max(x2 - k, x1)] = colour


def _label(pixels: Pixels, box: NDArray[Any], text: str, colour: tuple[int, ...]) -> None:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        return
    font = ImageFont.load_default()
    # The font that comes with Pillow knows Latin letters only.
    text = text.encode("latin-1", "replace").decode("latin-1")
    left, top, right, bottom = (int(v) for v in font.getbbox(text))
    plate = Image.new("RGB", (right + 4, bottom + 3), colour)
    ImageDraw.Draw(plate).text((2, 1), text, fill=(0, 0, 0), font=font)
    stamp = np.asarray(plate)
    y = int(min(max(float(box[1]) - len(stamp), 0), max(len(pixels) - len(stamp), 0)))
    x = int(min(max(float(box[0]), 0), max(pixels.shape[1] - stamp.shape[1], 0)))
    part = pixels[y : y + len(stamp), x : x + stamp.shape[1]]
    part[:] = stamp[: part.shape[0], : part.shape[1]]


def write_curves(
    path: str | os.PathLike[str], scores: DetectionScores, classes: Sequence[str]
) -> Path:
    """Write the curves of precision over recall of every class as one SVG."""
    curves = {
        f"{name} ({value:.3f})": (
            np.concatenate([[0.0], curve.recall]),
            np.concatenate([curve.precision[:1], curve.precision]),
        )
        for name, curve, value in zip(classes, scores.curves, scores.ap[:, 0], strict=True)
        if curve is not None and len(curve.recall)
    }
    names = list(curves)
    title = t("Precision over recall at IoU {value:g}", value=scores.thresholds[0])
    panels = [
        Lines(
            title,
            {name: curves[name] for name in names[k : k + _MOST]},
            x_name=t("recall"),
            y_name=t("precision"),
        )
        for k in range(0, len(names), _MOST)
    ]
    return figure(path, title, *(panels or [Lines(title)]))
