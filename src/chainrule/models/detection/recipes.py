"""Detectors by name, and how each is trained well, with the evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    `warm_up`, the share of the steps until it; `floor`, the share of it in the end; `weight_decay`,
    of weights and not of biases; `clip_grad_norm`; `batch_norm`, "running" (statistics of the
    batch, and those seen on average for evaluation) or "frozen"; `average`, the decay of an
    exponential average of the weights, which is the model in the end (None: the last weights are).

    Images: `side`, to which the longer side is brought for training; `test_side`, the same for
    everything after it (None: as for training); `mean` and `std` of pixels 0 .. 1; `standardise`,
    whether each channel of each image is brought to the same mean and deviation first; `tile`, side
    and step of the tiles that aerial photographs are learnt from; `views`, the mirror images that
    are searched as well when finding ("x", "y", "xy"), or none. Augmentation: `scale`, `light`,
    `colour`, `hues` and `shades`, see `data.detection.Augmentation`; `pasted`, how many pieces of
    other images are set down in each, `made_ground`, in which share of images on made-up ground,
    and `recoloured`, which share of the pieces in other colours, see `data.detection.pasting`.

    `network`: what the builder takes; `smallest` and `proposals` follow from the data where they
    are not in it.
    """

    model: str
    data: str = "digit-scenes"
    epochs: int = 36
    batch_size: int = 8
    max_lr: float = 0.002
    warm_up: float = 0.05
    floor: float = 0.01
    weight_decay: float = 0.01
    clip_grad_norm: float = 5.0
    batch_norm: str = "running"
    average: float | None = None
    side: int = 128
    test_side: int | None = None
    mean: float = 0.5
    std: float = 0.25
    standardise: bool = False
    tile: tuple[int, int] = (400, 200)
    views: tuple[str, ...] = ()
    scale: tuple[float, float] = (0.8, 1.25)
    light: float = 0.15
    colour: float = 0.0
    hues: float = 0.0
    shades: float = 0.0
    pasted: int = 0
    made_ground: float = 0.0
    recoloured: float = 0.0
    network: Mapping[str, Any] = field(default_factory=dict)
    optimizer_name: str = "adamw"

    def for_data(self, source: str, images: int = 0) -> DetectionRecipe:
        """The recipe for other data than those it is tried on: larger images, fewer at a time, and
        the fewer epochs the more images there are."""
        if source == self.data:
            return self
        if source in _OF_DATA:
            return replace(self, **_OF_DATA[source])
        epochs = int(min(max(math.ceil(6000 / max(images, 1)), 4), 200))
        return replace(self, side=320, batch_size=4, max_lr=self.max_lr / 2, epochs=epochs)

    def brought_to(self, side: int) -> DetectionRecipe:
        """The recipe with larger or smaller images: by as much when testing, and so the anchors."""
        factor, network = side / self.side, dict(self.network)
        if "smallest" in network:
            network["smallest"] = network["smallest"] * factor
        tested = None if self.test_side is None else round(self.test_side * factor)
        return replace(self, side=side, test_side=tested, network=network)

    def kept(self) -> dict[str, Any]:
        """What a run has to remember of it beside its own settings, JSON values."""
        values = {name: getattr(self, name) for name in _KEPT}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def again(self, kept: Mapping[str, Any]) -> DetectionRecipe:
        """The recipe of a run that remembers this. Raises ValueError for what `kept` never gave."""
        for name, value in kept.items():
            if name not in _KEPT or not _alike(value, getattr(self, name)):
                raise ValueError(name)
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()
        }
        return replace(self, **values)

    def optimizer(self, model: nn.Module, lr: float | None = None) -> Any:
        """AdamW; its decay acts on weights (two or more axes) and not on biases."""
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return optim.AdamW(groups, lr=self.max_lr if lr is None else lr)

    def scheduler(self, optimizer: Any, total_steps: int) -> Any:
        """From a hundredth of the peak to it in a straight line, then along a cosine to `floor` of
        it."""
        rising = max(1, round(self.warm_up * total_steps))

        def factor(step: int) -> float:
            if step < rising:
                return 0.01 + 0.99 * step / rising
            done = min((step - rising) / max(total_steps - rising, 1), 1.0)
            return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2

        return lr_scheduler.LambdaLR(optimizer, factor)


_KEPT = (
    "warm_up", "floor", "weight_decay", "clip_grad_norm", "average", "mean", "std", "tile", "views",
    "scale", "light", "colour", "hues", "shades", "pasted", "made_ground", "recoloured",
    "network",
)  # fmt: skip


def _alike(value: Any, usual: Any) -> bool:
    """Whether a value read from JSON is of the kind of a usual one."""
    if isinstance(usual, tuple):
        # Of views there may be any number.
        return isinstance(value, list) and (not usual or len(value) == len(usual))
    if isinstance(usual, Mapping):
        return isinstance(value, dict) and all(_alike(v, 0.0) for v in value.values())
    return value is usual is None or isinstance(value, int | float) and math.isfinite(value)


# What is other for data that are known by name. Tree crowns, at the photographs' own resolution:
# tiles of 256 pixels to learn from, the held-out photographs of 400 whole. They were taken
# elsewhere, on other ground, in another light: each channel is brought to the same mean and
# deviation, and crowns are learnt on made-up ground as well and in colours that differ from those
# around them; half of the channels of two stages are normalised image by image (AP@0.5 elsewhere,
# mean of epochs 41 to 70: 0.40; 0.37 without the last two; each of one run, see docs/detection.md;
# at the end of trials 0.33 without made-up ground, 0.30 with nothing pasted). 853 crowns are soon
# known by heart: the rate stays high, and the average of the weights is the model (trained on one
# large photograph, AP@0.5 on the other is 0.37 with the average and 0.31 without).
_OF_DATA: dict[str, dict[str, Any]] = {
    "deepforest": {
        "epochs": 70,
        "batch_size": 4,
        "max_lr": 0.002,
        "side": 256,
        "test_side": 400,
        "tile": (256, 128),
        "standardise": True,
        "scale": (0.75, 1.35),
        "light": 0.3,
        "colour": 0.15,
        "hues": 40.0,
        "shades": 15.0,
        "pasted": 20,
        "made_ground": 0.3,
        "recoloured": 0.7,
        "weight_decay": 0.05,
        "floor": 0.3,
        "average": 0.998,
        "views": ("x", "y", "xy"),
        "network": {
            "smallest": 18.0,
            "proposals": 256,
            "test_candidates": 1024,
            "test_proposals": 512,
            "rpn_samples": 128,
            "box_samples": 128,
            "detections": 200,
            "least_score": 0.02,
            "by_image": 2,
        },
    },
}

# On digit scenes, the first 150 held out: after 6,000 scenes (3 epochs, 12 ms a scene on two cores)
# mAP@0.5 0.950, mAP@[.5:.95] 0.696, and a proposal on every object.
_RECIPES = {recipe.model: recipe for recipe in (DetectionRecipe("faster-rcnn"),)}


def detection_recipe(model: str) -> DetectionRecipe:
    """The recipe of a detector by its name."""
    Choice(*_RECIPES).check(model, "detection_recipe", "model")
    return _RECIPES[model]


@detector("faster-rcnn")
def faster_rcnn(
    input_shape: Sequence[int], classes: int, smallest: float = 12.0, proposals: int = 128,
    test_candidates: int | None = None, test_proposals: int | None = None, rpn_samples: int = 128,
    box_samples: int = 64, detections: int = 100, least_score: float = 0.05, blocks: int = 1,
    by_image: int = 0,
) -> FasterRCNN:  # fmt: skip
    """`fasterrcnn_small` for images (C, H, W) brought to H×W, and so many classes beside the
    background.

    smallest: side of the smallest anchors in pixels; proposals: how many the second stage looks at,
    test_proposals: after training (the same); test_candidates: how many of each map go through
    suppression then (twice as many as proposals). rpn_samples, box_samples: anchors and proposals
    of an image that the losses look at. detections: at most so many of an image, each with a score
    above least_score. blocks, by_image: of the backbone, see `pyramid.SmallBody`.
    An anchor stands for an object from an IoU of 0.5 on, and not 0.7 as in the paper: small
    objects of all shapes meet few anchors so well (1.4 an object in digit scenes; with 0.5, 9.5).
    """
    channels, height, width = input_shape
    return fasterrcnn_small(
        num_classes=classes + 1, fixed_size=(height, width), in_channels=channels,
        smallest=smallest, blocks=blocks, by_image=by_image,
        rpn_fg_iou_thresh=0.5, rpn_bg_iou_thresh=0.3,
        rpn_pre_nms_top_n_train=proposals, rpn_pre_nms_top_n_test=test_candidates or 2 * proposals,
        rpn_post_nms_top_n_train=proposals, rpn_post_nms_top_n_test=test_proposals or proposals,
        rpn_batch_size_per_image=rpn_samples, box_batch_size_per_image=box_samples,
        box_detections_per_img=detections, box_score_thresh=least_score,
    )  # fmt: skip
