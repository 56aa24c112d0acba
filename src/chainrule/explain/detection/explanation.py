"""What `chainrule.explain(detector, image)` gives: a `DetectionExplanation`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.files import atomic_write
from chainrule.base.shown import Shown
from chainrule.base.text import speaking, t
from chainrule.explain.detection import data, page, render
from chainrule.explain.detection.again import Again
from chainrule.explain.detection.capture import capture
from chainrule.explain.detection.check import Checked, LineCheck, check_tables, check_trail
from chainrule.explain.detection.lines import Stage
from chainrule.explain.detection.lost import Lost, lost
from chainrule.explain.detection.sampling import Region, region_of
from chainrule.explain.detection.trail import Origin, origin_of, stages
from chainrule.graph import Tensor, no_grad
from chainrule.models.detection import FasterRCNN
from chainrule.models.detection.transform import Batch


def explain_detection(
    model: FasterRCNN, image: Any, targets: Mapping[str, Any] | None = None, *,
    classes: Sequence[str] | None = None, name: str = "", batch: Batch | None = None,
) -> DetectionExplanation:  # fmt: skip
    """Where each box that the detector finds in an image comes from.

    Args:
        image: (C, H, W), floats in 0..1 or uint8; a tensor or an array.
        targets: the objects in it, "boxes" (L, 4) in its pixels and "labels" (L,) from 1 on; then
            `lost()` tells misses and false alarms.
        classes: names of the classes from 1 on, by default those that a loaded model knows.
        name: what the image is called, such as its file.
        batch: the image as it was prepared, if not by `model.batch`: images (1, C, h, w), its size
            within (1, 2), objects and labels.
    """
    if not isinstance(model, FasterRCNN):
        raise ArgumentError(
            t("explain_detection takes a FasterRCNN, not {kind}.", kind=type(model).__name__)
        )
    if image is None:
        raise ArgumentError(t("explain of a detector needs an image: explain(model, image)."))
    if classes is None:
        classes = getattr(model, "classes", None)
    return DetectionExplanation(model, image, targets, classes, name, batch)


class Trail:
    """One box followed from its anchor to the image. `stages`, each with `lines` that know the
    numbers they print; `region`: how RoI align reads it; `checks`: of the lines, after verify()."""

    def __init__(self, of: DetectionExplanation, second: int) -> None:
        self.of = of
        self.origin: Origin = origin_of(of.found, second)
        self.stages: list[Stage] = stages(of.model, of.found, self.origin)
        self.region: Region = region_of(of.model, of.found, self.origin.proposal)
        self.checks: dict[str, LineCheck] = {}

    @property
    def label(self) -> str:
        """The name of its class."""
        return self.of.class_name(self.origin.label)

    @property
    def score(self) -> float:
        return float(self.of.found.second.scores[self.origin.second])

    def stage(self, key: str) -> Stage:
        """One of "anchor", "score", "decode", "suppression", "region", "class", "refine",
        "selection", "final"."""
        return next(stage for stage in self.stages if stage.key == key)

    def verify(self) -> dict[str, LineCheck]:
        """Checks its lines against float64 NumPy; texts printed afterwards mark each."""
        self.checks = check_trail(self.of.again, self.origin, self.stages)
        return self.checks

    def to_text(self, digits: int = 4, language: str | None = None) -> str:
        """The worked stages as plain text."""
        with speaking(language):
            return render.trail_text(self, digits)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<Trail of {self.label} {self.score:.3f}>"


class DetectionExplanation(Shown):
    """A detector's work on one image; `print(explanation)` shows where each box comes from.

    `found`: every stage as arrays; `result`: boxes (D, 4) in the image's pixels, labels and
    scores, as the model gives them; `len(explanation)`: how many.
    """

    def __init__(
        self, model: FasterRCNN, image: Any, targets: Mapping[str, Any] | None,
        classes: Sequence[str] | None, name: str, batch: Batch | None,
    ) -> None:  # fmt: skip
        self.model, self.name = model, name
        self.batch = batch
        self.targeted = targets is not None or (
            batch is not None and bool((batch.labels > 0).any())
        )
        self.found = capture(model, image, targets, batch)
        self.again = Again(model, self.found)
        self.classes = list(classes or [])
        if len(self.classes) == self.found.logits.shape[1]:
            self.classes = self.classes[1:]  # without the background
        self.checked: Checked | None = None
        self._trails: dict[int, Trail] = {}

    @property
    def result(self) -> dict[str, Any]:
        return self.found.result

    def __len__(self) -> int:
        return len(self.found.detections)

    def class_name(self, label: int) -> str:
        """What a label is called."""
        if label == 0:
            return t("background")
        return str(self.classes[label - 1]) if label <= len(self.classes) else str(label)

    def box(self, k: int) -> Trail:
        """The k-th detection, best first, followed from its anchor on."""
        if not -len(self) <= k < len(self):
            raise ArgumentError(
                t("There are {n} detections: number {k} is none of them.", n=len(self), k=k)
            )
        return self.follow(int(self.found.detections[k]))

    def follow(self, second: int) -> Trail:
        """Any box of the second stage, such as one that `lost()` names."""
        if second not in self._trails:
            if not 0 <= second < len(self.found.second.boxes):
                raise ArgumentError(
                    t("The second stage has {n} boxes: number {k} is none of them.",
                      n=len(self.found.second.boxes), k=second)
                )  # fmt: skip
            self._trails[second] = Trail(self, second)
        return self._trails[second]

    def trails(self) -> list[Trail]:
        """All detections."""
        return [self.box(k) for k in range(len(self))]

    def lost(self, most: int = 10) -> Lost:
        """What came near an object and is no detection, with the reason; with targets also the
        hardest misses and the worst false alarms."""
        return lost(self.model, self.found, self.targeted, most)

    # ---- checking ---------------------------------------------------------------------------

    def verify(self) -> Checked:
        """Computes every printed number again, in float64 NumPy from the feature maps on, and asks
        the model itself once more. Texts printed afterwards mark each line with ✓ and its error.
        """
        lines, wrong, worst = {}, [], 0.0
        for k, trail in enumerate(self.trails()):
            lines[k] = trail.verify()
            for key, one in lines[k].items():
                if not one.right:
                    wrong.append(t("box {k}: {key} ({names})", k=k, key=key,
                                   names=", ".join(one.wrong)))  # fmt: skip
                worst = max(worst, one.error)
        wrong += check_tables(self.again)
        if not self._same():
            wrong.append(t("the model itself gives other detections"))
        self.checked = Checked(lines, wrong, worst)
        return self.checked

    def _same(self) -> bool:
        """Whether the model, asked as usual, finds the same."""
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with no_grad():
                image = Tensor(self.found.image)
                batch = self.batch if self.batch is not None else self.model.batch([image])
                raw = self.model.raw(batch.images, batch.sizes)
                other = self.model.detections(raw, batch.sizes, [image])[0]
        finally:
            for module, mode in modes:
                module.training = mode
        return all(
            other[key].shape == value.shape
            and np.allclose(other[key].numpy(), value, 1e-5, 1e-3 if key == "boxes" else 1e-6)
            for key, value in self.result.items()
        )

    # ---- texts ------------------------------------------------------------------------------

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Plain data for JSON; the form is described in explain/detection/README.md."""
        with speaking(language):
            return data.to_dict(self)

    def to_text(self, digits: int = 4, language: str | None = None) -> str:
        """All boxes as plain text, stage by stage."""
        with speaking(language):
            return render.to_text(self, digits)

    def to_markdown(self, digits: int = 4, language: str | None = None) -> str:
        """All boxes as Markdown."""
        with speaking(language):
            return render.to_markdown(self, digits)

    def to_html(self, digits: int = 4, language: str | None = None) -> str:
        """All boxes as one HTML element without scripts."""
        with speaking(language):
            return render.to_html(self, digits)

    def page(self) -> str:
        """An HTML page to look around in, complete in itself: the image with what was found."""
        return page.to_page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `page()` to a file."""
        atomic_write(path, self.page())

    def __repr__(self) -> str:
        return f"<DetectionExplanation: {len(self)} boxes>"
