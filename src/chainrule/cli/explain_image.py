"""`chainrule explain RUN --image FILE --html FILE`: where the boxes of a detector come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.cli import run_folder
from chainrule.cli.detection_use import is_detector
from chainrule.data import read_image
from chainrule.explain.detection import DetectionExplanation, explain_detection
from chainrule.graph import Tensor
from chainrule.models.detection.transform import Batch
from chainrule.train.detection import Finder


def explained_image(source: str, path: str) -> DetectionExplanation:
    """An image as the detector in a run folder sees it, checked."""
    model = run_folder.model_of(source)
    if not is_detector(model):
        raise ArgumentError(
            t("{path} holds no detector: --image explains only those.", path=source)
        )
    image = read_image(path, channels=model.config["input_shape"][0])
    x, sizes, _ = Finder.of(model).prepared(image)
    none = Tensor(np.zeros((1, 0, 4), np.float32)), Tensor(np.zeros((1, 0), np.int64))
    explanation = explain_detection(
        model, np.asarray(image, np.float32) / 255, classes=model.classes, name=Path(path).name,
        batch=Batch(x, sizes, *none),
    )  # fmt: skip
    explanation.verify()
    return explanation
