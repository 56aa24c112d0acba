"""Detectors by name, and how each is trained well, with the evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule import nn, optim
from chainrule.base.constraints import Choice
from chainrule.models.detection.faster_rcnn import FasterRCNN, fasterrcnn_small
from chainrule.models.registry import detector
from chainrule.optim import lr_scheduler


@dataclass(frozen=True)
class DetectionRecipe:
    """How to train one detector: AdamW, the rate warmed up and then falling along a cosine.

    Fields: `model`; `data`, what it is tried on; `epochs`; `batch_size`; `max_lr`, the peak;
    `warm_up`, the share of the steps until it; `weight_decay`, of weights and not of biases;
    `clip_grad_norm`; `side`, to which the longer side of images is brought; `mean` and `std` of
    pixels 0 .. 1; `batch_norm`, "running" (statistics of the batch, and those seen on average for
    evaluation) or "frozen".
    """

    model: str
    data: str = "digit-scenes"
    epochs: int = 36
    batch_size: int = 8
    max_lr: float = 0.002
    warm_up: float = 0.05
    weight_decay: float = 0.01
    clip_grad_norm: float = 5.0
    side: int = 128
    mean: float = 0.5
    std: float = 0.25
    batch_norm: str = "running"
    optimizer_name: str = "adamw"

    def for_data(self, source: str, images: int) -> DetectionRecipe:
        """The recipe for other data than those it is tried on: larger images, fewer at a time."""
        if source == self.data:
            return self
        if source == "deepforest":
            # Tiles of 400 pixels made smaller: 2.6 times as many steps in the same time.
            return replace(self, side=256, batch_size=4, epochs=60)
        epochs = int(min(max(math.ceil(6000 / max(images, 1)), 4), 200))
        return replace(self, side=320, batch_size=4, max_lr=self.max_lr / 2, epochs=epochs)

    def optimizer(self, model: nn.Module, lr: float | None = None) -> Any:
        """AdamW; its decay acts on weights (two or more axes) and not on biases."""
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return optim.AdamW(groups, lr=self.max_lr if lr is None else lr)

    def scheduler(self, optimizer: Any, total_steps: int) -> Any:
        """From a hundredth of the peak to it in a straight line, then along a cosine to a
        hundredth."""
        rising = max(1, round(self.warm_up * total_steps))

        def factor(step: int) -> float:
            if step < rising:
                return 0.01 + 0.99 * step / rising
            done = min((step - rising) / max(total_steps - rising, 1), 1.0)
            return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2

        return lr_scheduler.LambdaLR(optimizer, factor)


# On digit scenes, the first 150 held out: after 6,000 scenes (3 epochs, 12 ms a scene on two cores)
# mAP@0.5 0.950, mAP@[.5:.95] 0.696, and a proposal on every object.
_RECIPES = {recipe.model: recipe for recipe in (DetectionRecipe("faster-rcnn"),)}


def detection_recipe(model: str) -> DetectionRecipe:
    """The recipe of a detector by its name."""
    Choice(*_RECIPES).check(model, "detection_recipe", "model")
    return _RECIPES[model]


@detector("faster-rcnn")
def faster_rcnn(
    input_shape: Sequence[int], classes: int, smallest: float = 12.0, proposals: int = 128
) -> FasterRCNN:
    """`fasterrcnn_small` for images (C, H, W) brought to H×W, and so many classes beside the
    background.

    smallest: side of the smallest anchors in pixels; proposals: how many the second stage looks
    at. An anchor stands for an object from an IoU of 0.5 on, and not 0.7 as in the paper: small
    objects of all shapes meet few anchors so well (1.4 an object in digit scenes; with 0.5, 9.5).
    """
    channels, height, width = input_shape
    return fasterrcnn_small(
        num_classes=classes + 1, fixed_size=(height, width), in_channels=channels,
        smallest=smallest, rpn_fg_iou_thresh=0.5, rpn_bg_iou_thresh=0.3,
        rpn_pre_nms_top_n_train=proposals, rpn_pre_nms_top_n_test=2 * proposals,
        rpn_post_nms_top_n_train=proposals, rpn_post_nms_top_n_test=proposals,
    )  # fmt: skip
