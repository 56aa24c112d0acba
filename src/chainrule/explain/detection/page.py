"""An explained image as one HTML file that needs nothing else: the page built from
`web/detection`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainrule.base.text import language
from chainrule.explain.detection.capture import Array
from chainrule.explain.explanation.page import as_script_data, both
from chainrule.explain.report.pictures import data_uri

if TYPE_CHECKING:
    from chainrule.explain.detection.explanation import DetectionExplanation

PAGE = Path(__file__).parent.parent / "pages" / "detection.html"

#: A larger image is shown smaller: its longer side at most so many pixels.
LONGEST = 1200


def to_page(of: DetectionExplanation) -> str:
    """The page with its data, in both languages; it opens in the one in use."""
    data = {
        "open": language(),
        "explanation": both(of.to_dict("en"), of.to_dict("zh")),
        "picture": data_uri(pixels(of.found.image)),
    }
    head, _, tail = PAGE.read_text(encoding="utf-8").partition("%DATA%")
    return "".join([head, as_script_data(data), tail])


def pixels(image: Array) -> Array:
    """An image (C, H, W) in 0..1 as bytes (h, w, 3), means of n×n pixels of a large one."""
    image = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, 0)
    image = np.clip(np.nan_to_num(image), 0, 1)
    n = -(-max(image.shape[1:]) // LONGEST)
    if n > 1:
        height, width = (-(-side // n) for side in image.shape[1:])
        missing = [(0, 0), (0, height * n - image.shape[1]), (0, width * n - image.shape[2])]
        image = np.pad(image, missing, mode="edge").reshape(3, height, n, width, n).mean((2, 4))
    return np.asarray(np.round(image * 255).astype(np.uint8).transpose(1, 2, 0))
