"""Training detectors: the four losses for `Trainer`, finding in fixed shapes, what is recorded.

`Trainer(DetectionLosses(model), total_loss, ...)` over `data.detection.detection_loader` compiles
the whole step, once for each size of image, and checkpoints and resumes as every training does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.base.constraints import Bool, Choice
from chainrule.base.errors import ChainruleError
from chainrule.compile import backend
from chainrule.data.detection import DetectionDataset, buckets
from chainrule.data.detection.batches import bucket_of
from chainrule.data.detection.colours import standardised
from chainrule.data.detection.geometry import letterboxed
from chainrule.data.detection.samples import Objects, objects_of
from chainrule.graph import Tensor, no_grad
from chainrule.ops import functional as F
from chainrule.train.attempt import Attempt
from chainrule.train.average_precision import (
    DetectionScores,
    mean_average_precision,
    pairwise_iou,
)
from chainrule.train.averaging import WeightAveraging
from chainrule.train.callbacks import Callback
from chainrule.train.detection_views import (
    VIEWS,
    Found,
    fused,
    mirror_boxes,
    mirror_image,
)
from chainrule.train.streaming import Metric

if TYPE_CHECKING:
    from chainrule.train.run import Run

LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")


class DetectionLosses(nn.Module):
    """A detector as `Trainer` wants its model: images (N, C, H, W), sizes (N, 2), objects (N, M, 4)
    and labels (N, M) → the four losses (4,), in the order of `LOSSES`.

    batch_norm: "running" normalises by each batch, "frozen" by fixed statistics.
    """

    def __init__(self, detector: nn.Module, batch_norm: str = "running") -> None:
        super().__init__()
        self.detector = detector
        self.batch_norm = Choice("running", "frozen").check(
            batch_norm, "DetectionLosses", "batch_norm"
        )

    def train(self, mode: bool = True) -> DetectionLosses:
        """As of every module; frozen batch norm stays in evaluation mode."""
        super().train(mode)
        if self.batch_norm == "frozen":
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, images: Tensor, sizes: Tensor, objects: Tensor, labels: Tensor) -> Tensor:
        losses = self.detector.losses(images, sizes, objects, labels)
        return F.stack([losses[name] for name in LOSSES])


def total_loss(losses: Tensor, labels: Tensor) -> Tensor:
    """The sum of the four losses."""
    return losses.sum()


class LossPart(Metric):
    """The mean of one of the four losses."""

    fields = ("total", "count")

    def __init__(self, name: str) -> None:
        self.name, self._place = name, LOSSES.index(name)
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        self.total += float(output[self._place].item()) * len(target)
        self.count += len(target)

    def compute(self) -> float:
        return self.total / self.count if self.count else math.nan


class Finder:
    """Finds objects in images of any size: letterboxed into few sizes, each one compiled program.

    Args:
        model: a detector, which is put into evaluation mode for as long as it finds.
        side: to which the longer side of an image is brought, which may be another than in
            training.
        mean, std: of pixels 0 .. 1, as in training.
        standardise: bring each channel of each image to one mean and deviation first, as in
            training; see `data.detection.colours.standardised`.
        views: mirror images that are searched as well, of "x", "y", "xy"; what is found in all of
            them is fused, see `detection_views.fused`.
    """

    def __init__(
        self,
        model: Any,
        side: int,
        mean: float = 0.5,
        std: float = 0.25,
        compile: bool = True,
        *,
        standardise: bool = False,
        views: Sequence[str] = (),
    ) -> None:
        self.model, self.side, self.sizes = model, side, buckets(side)
        self.mean, self.std, self.compile = mean, std, compile
        self.standardise = Bool().check(standardise, "Finder", "standardise")
        self.views = tuple(Choice(*VIEWS).check(view, "Finder", "views") for view in views)
        self._program = Attempt(self._both, compile and backend.native_available())

    @classmethod
    def of(cls, model: Any, side: int | None = None, views: Sequence[str] | None = None) -> Finder:
        """As a loaded model says that it wants to be asked (`settings` in its `info`); `side` and
        `views` may be others. A model from before they were kept has the side of its training."""
        kept, scale = model.info.get("finding", {}), model.normalization
        usual = kept.get("side", max(model.config["input_shape"][1:]))
        return cls(
            model, usual if side is None else side, float(scale["mean"][0]),
            float(scale["std"][0]), standardise=kept.get("standardise", False),
            views=kept.get("views", ()) if views is None else views,
        )  # fmt: skip

    def of_model(self, model: Any) -> Finder:
        """The same for another model."""
        return Finder(model, self.side, self.mean, self.std, self.compile,
                      standardise=self.standardise, views=self.views)  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """What `of` has to know beside the model itself, JSON values."""
        return {"side": self.side, "standardise": self.standardise, "views": list(self.views)}

    def _both(self, images: Tensor, sizes: Tensor) -> Any:
        return self.model.best_and_proposals(images, sizes)

    def prepared(self, image: NDArray[Any], objects: Objects | None = None) -> tuple[Any, ...]:
        """Of an image (C, H, W), uint8 or 0 .. 255: the batch (1, C, h, w), the sizes (1, 2), and
        its objects in the batch's pixels."""
        size = self.sizes[bucket_of(image.shape[1:], self.sizes)]  # type: ignore[arg-type]
        some = objects_of([], []) if objects is None else objects
        image = standardised(image) if self.standardise else image
        picture, some, inner = letterboxed(image, some, size, 255 * self.mean)
        x = (picture / np.float32(255) - np.float32(self.mean)) / np.float32(self.std)
        return Tensor(x[None]), Tensor(np.array([inner], np.float32)), some

    def __call__(self, image: NDArray[Any]) -> Found:
        """Boxes (D, 4) in the image's pixels, labels (D,) and scores (D,), best first."""
        return self.with_proposals(image)[0]

    def with_proposals(self, image: NDArray[Any]) -> tuple[Found, NDArray[Any]]:
        """And the boxes that the first stage proposed, best first, in the image's pixels (without
        those of mirror images)."""
        model = self.model
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            found, proposals = self._seen(image)
            mirrored = [(view, self._seen(mirror_image(image, view))[0]) for view in self.views]
        finally:
            for module, mode in modes:
                module.training = mode
        if mirrored:
            size = int(image.shape[1]), int(image.shape[2])
            turned = [v | {"boxes": mirror_boxes(v["boxes"], view, size)} for view, v in mirrored]
            found = fused([found, *turned], most=model.roi_heads.detections_per_img)
        return found, proposals

    @no_grad()
    def _seen(self, image: NDArray[Any]) -> tuple[Found, NDArray[Any]]:
        """What one view shows, and its proposals."""
        x, sizes, _ = self.prepared(image)
        best, proposals, present = self._program(x, sizes)
        shown = Tensor(np.zeros(image.shape, np.float32))
        found = self.model.listed(best, sizes, [shown])[0]
        height, width = (float(s) for s in sizes[0].tolist())
        scale = np.array([image.shape[2] / width, image.shape[1] / height] * 2)
        there = proposals[0].numpy()[present[0].numpy()]
        return {k: v.numpy() for k, v in found.items()}, there * scale


def as_target(objects: Objects) -> dict[str, NDArray[Any]]:
    """Objects as `mean_average_precision` takes them."""
    return {"boxes": objects.boxes, "labels": objects.labels, "ignored": objects.ignored}


class Evaluation:
    """What a detector finds in a dataset.

    Attributes:
        found: for each image that could be read its detections; targets: its objects.
        numbers: of these images in the dataset.
        proposals_recall: the share of objects that a proposal overlaps by an IoU of 0.5 or more.
        problems: a line for each image that could not be read.
    """

    def __init__(self, finder: Finder, dataset: DetectionDataset, most: int | None = None) -> None:
        self.classes = dataset.classes
        self.found: list[Found] = []
        self.targets: list[dict[str, NDArray[Any]]] = []
        self.numbers: list[int] = []
        self.problems: list[str] = []
        covered = there = 0
        for k in range(len(dataset) if most is None else min(most, len(dataset))):
            try:
                image, objects = dataset[k]
            except (ChainruleError, OSError) as error:
                self.problems.append(str(error))
                continue
            found, proposals = finder.with_proposals(image)
            self.found.append(found)
            self.targets.append(as_target(objects))
            self.numbers.append(k)
            ours = objects.boxes[~objects.ignored]
            there += len(ours)
            if len(proposals) and len(ours):
                covered += int((pairwise_iou(ours, proposals).max(1) >= 0.5).sum())
        self.proposals_recall = covered / there if there else math.nan

    def scores(self, interpolation: str = "coco", **options: Any) -> DetectionScores:
        """What it is worth; see `mean_average_precision`."""
        return mean_average_precision(
            self.found, self.targets, len(self.classes), interpolation=interpolation, **options
        )


class DetectionRecorder(Callback):
    """Measures the detector after epochs, on the first images of a held-out dataset.

    The epoch's row gets `map`, `map_50`, `proposals_recall` and `anchors_matched` (how many anchors
    stand for an object, for each object).

    Args:
        images: how many are looked at.
        every: after every so many epochs, and after the last.
        averaging: of a run whose average is the model in the end: then that is measured. It has to
            stand before this among the callbacks.
    """

    def __init__(
        self,
        finder: Finder,
        dataset: DetectionDataset,
        images: int = 100,
        every: int = 1,
        averaging: WeightAveraging | None = None,
    ) -> None:
        self.finder, self.dataset, self.images, self.every = finder, dataset, images, every
        self._averaging = averaging
        self._matched: float | None = None

    def on_train_begin(self, run: Run) -> None:
        if self._averaging is not None and self._averaging.averaged is not None:
            losses: Any = self._averaging.averaged.module
            self.finder = self.finder.of_model(losses.detector)

    def on_epoch_end(self, run: Run) -> None:
        if run.epoch % self.every and run.epoch != run.epochs:
            return
        evaluation = Evaluation(self.finder, self.dataset, self.images)
        scores = evaluation.scores()
        if self._matched is None:
            self._matched = anchors_matched(self.finder, self.dataset, min(self.images, 32))
        run.logs |= {
            "map": scores.map, "map_50": scores.map_50,
            "proposals_recall": evaluation.proposals_recall, "anchors_matched": self._matched,
        }  # fmt: skip


def anchors_matched(finder: Finder, dataset: DetectionDataset, images: int) -> float:
    """How many anchors stand for an object, for each object, in the first images.

    That follows from anchors and boxes alone, and says whether the anchors fit the data.
    """
    rpn = finder.model.rpn
    total = objects = 0
    for k in range(min(images, len(dataset))):
        try:
            image, theirs = dataset[k]
        except (ChainruleError, OSError):
            continue
        batch, _, ours = finder.prepared(image, theirs)
        if not len(ours.boxes):
            continue
        anchors = np.concatenate(anchors_of(finder.model, batch))
        matched = rpn.proposal_matcher(
            Tensor(pairwise_iou(ours.boxes, anchors).astype(np.float32))
        ).numpy()
        total += int((matched >= 0).sum())
        objects += len(ours.boxes)
    return total / objects if objects else math.nan


@no_grad()
def anchors_of(model: Any, batch: Tensor) -> Sequence[NDArray[Any]]:
    """The anchors (A, 4) of each map for a batch (1, C, H, W)."""
    size = int(batch.shape[-2]), int(batch.shape[-1])
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        maps = model.backbone(batch)
    finally:
        for module, mode in training:
            module.training = mode
    shapes = [(int(m.shape[-2]), int(m.shape[-1])) for m in maps.values()]
    grids: Sequence[NDArray[Any]] = model.rpn.anchor_generator.grids(size, shapes)
    return grids
