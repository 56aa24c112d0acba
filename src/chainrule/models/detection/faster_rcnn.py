"""Faster R-CNN, whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.models.detection.anchors import AnchorGenerator
from chainrule.models.detection.proposals import RegionProposalNetwork, RPNHead
from chainrule.models.detection.pyramid import (
    FrozenBatchNorm2d,
    resnet_fpn_backbone,
    small_fpn_backbone,
)
from chainrule.models.detection.regions import (
    Detections,
    FastRCNNPredictor,
    MultiScaleRoIAlign,
    RoIHeads,
    TwoMLPHead,
)
from chainrule.models.detection.transform import Batch, GeneralizedRCNNTransform
from chainrule.models.weights import Weights, with_weights


class FasterRCNN(nn.Module):
    """Finds objects: where they are, which class, how sure. Arguments and defaults: torchvision's.

    In training, `model(images, targets)` gives the four losses as a dict; in evaluation
    `model(images)` gives for each image a dict of boxes (D, 4), labels (D,) and scores (D,), best
    first. images: a list of (C, H, W), floats in 0..1, of any sizes; targets: for each a dict of
    boxes (L, 4) in its pixels and labels (L,) from 1 on.

    `model.batch(images, targets)` makes a batch of fixed shapes, whose `model.losses(*batch)`,
    `model.raw(images, sizes)` and `model.best(images, sizes)` compile.

    Args:
        backbone: image → dict of maps, with `out_channels`.
        num_classes: with the background, which is class 0.
        fixed_size: (height, width) to which all images are brought; None: each batch its own.
    """

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int | None = None,
        min_size: int = 800,
        max_size: int = 1333,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        rpn_anchor_generator: AnchorGenerator | None = None,
        rpn_head: nn.Module | None = None,
        rpn_pre_nms_top_n_train: int = 2000,
        rpn_pre_nms_top_n_test: int = 1000,
        rpn_post_nms_top_n_train: int = 2000,
        rpn_post_nms_top_n_test: int = 1000,
        rpn_nms_thresh: float = 0.7,
        rpn_fg_iou_thresh: float = 0.7,
        rpn_bg_iou_thresh: float = 0.3,
        rpn_batch_size_per_image: int = 256,
        rpn_positive_fraction: float = 0.5,
        rpn_score_thresh: float = 0.0,
        box_roi_pool: nn.Module | None = None,
        box_head: nn.Module | None = None,
        box_predictor: nn.Module | None = None,
        box_score_thresh: float = 0.05,
        box_nms_thresh: float = 0.5,
        box_detections_per_img: int = 100,
        box_fg_iou_thresh: float = 0.5,
        box_bg_iou_thresh: float = 0.5,
        box_batch_size_per_image: int = 512,
        box_positive_fraction: float = 0.25,
        bbox_reg_weights: Sequence[float] | None = None,
        fixed_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        width = getattr(backbone, "out_channels", None)
        if not isinstance(width, int):
            raise ArgumentError(
                t("FasterRCNN: the backbone needs out_channels, the width of its maps.")
            )
        if (num_classes is None) == (box_predictor is None):
            raise ArgumentError(
                t("FasterRCNN wants either num_classes or a box_predictor, which knows them.")
            )
        if rpn_anchor_generator is None:
            sizes = ((32,), (64,), (128,), (256,), (512,))
            rpn_anchor_generator = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
        if rpn_head is None:
            counts = rpn_anchor_generator.num_anchors_per_location()
            rpn_head = RPNHead(width, counts[0])
        if box_roi_pool is None:
            box_roi_pool = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
        if box_head is None:
            size: Any = box_roi_pool.output_size
            box_head = TwoMLPHead(width * size[0] * size[1], 1024)
        if box_predictor is None:
            assert num_classes is not None
            box_predictor = FastRCNNPredictor(1024, num_classes)
        self.transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or (0.485, 0.456, 0.406),
            image_std or (0.229, 0.224, 0.225), fixed_size=fixed_size,
        )  # fmt: skip
        self.backbone = backbone
        self.rpn = RegionProposalNetwork(
            rpn_anchor_generator, rpn_head, rpn_fg_iou_thresh, rpn_bg_iou_thresh,
            rpn_batch_size_per_image, rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
            rpn_nms_thresh, rpn_score_thresh,
        )  # fmt: skip
        self.roi_heads = RoIHeads(
            box_roi_pool, box_head, box_predictor, box_fg_iou_thresh, box_bg_iou_thresh,
            box_batch_size_per_image, box_positive_fraction, bbox_reg_weights,
            box_score_thresh, box_nms_thresh, box_detections_per_img,
        )  # fmt: skip

    # ---- as in torchvision ------------------------------------------------------------------

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]] | None = None
    ) -> Any:
        """Losses in training, detections in evaluation; see the class."""
        if self.training:
            if targets is None:
                raise ArgumentError(
                    t(
                        "FasterRCNN in training needs targets: write model(images, targets), or "
                        "call model.eval() first."
                    )
                )
            return self.losses(*self.batch(images, targets))
        batch = self.batch(images)
        raw = self.raw(batch.images, batch.sizes)
        return self.detections(raw, batch.sizes, images)

    # ---- in fixed shapes --------------------------------------------------------------------

    def batch(
        self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]] | None = None
    ) -> Batch:
        """One batch of images, with their objects."""
        scores = getattr(self.roi_heads.box_predictor, "cls_score", None)
        classes = int(getattr(scores, "out_features", 0))
        for k, target in enumerate(targets or ()):
            largest = max(target["labels"].tolist(), default=0)
            if 0 < classes <= largest:
                raise ArgumentError(
                    t(
                        "Targets of image {k}: label {label}, but the model knows 1 to {last} "
                        "(num_classes={classes} counts the background).",
                        k=k,
                        label=largest,
                        last=classes - 1,
                        classes=classes,
                    )
                )
        with no_grad():
            return self.transform(images, targets)  # type: ignore[no-any-return]

    def losses(
        self, images: Tensor, sizes: Tensor, objects: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """The four losses of a batch: loss_objectness, loss_rpn_box_reg, loss_classifier,
        loss_box_reg. Compiles."""
        image_size = int(images.shape[-2]), int(images.shape[-1])
        features = self.backbone(images)
        maps = list(features.values())
        proposals, first = self.rpn(image_size, sizes, maps, objects, labels > 0)
        second = self.roi_heads.losses(features, proposals, image_size, objects, labels)
        return {**second, **first}

    @no_grad()
    def raw(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Class logits (N, P, classes) and offsets (N, P, classes, 4) of proposals (N, P, 4), of
        which some are present (N, P). Compiles."""
        image_size = int(images.shape[-2]), int(images.shape[-1])
        features = self.backbone(images)
        proposals, _ = self.rpn(image_size, sizes, list(features.values()))
        logits, codes = self.roi_heads(features, proposals.boxes, image_size)
        return logits, codes, proposals.boxes, proposals.present

    @no_grad()
    def best(self, images: Tensor, sizes: Tensor) -> Detections:
        """What is found in each image, in the pixels of the batch. Compiles; for few classes, see
        `RoIHeads.best`."""
        return self.best_and_proposals(images, sizes)[0]

    @no_grad()
    def best_and_proposals(
        self, images: Tensor, sizes: Tensor
    ) -> tuple[Detections, Tensor, Tensor]:
        """What `best` gives, and the proposals (N, P, 4), best first, of which some are present
        (N, P): one program from the images to both. Compiles."""
        logits, codes, boxes, present = self.raw(images, sizes)
        found = self.roi_heads.best(logits, codes, boxes, present, sizes)
        return found, boxes, present

    @no_grad()
    def listed(
        self, found: Detections, sizes: Tensor, images: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        """What `best` found in each image, in the image's own pixels: what `forward` gives."""
        present, out = found.present.numpy(), []
        for k, image in enumerate(images):
            count = int(present[k].sum())
            one = {
                "boxes": found.boxes[k, :count],
                "labels": found.labels[k, :count],
                "scores": found.scores[k, :count],
            }
            height, width = (int(s) for s in sizes[k].tolist())
            original = int(image.shape[-2]), int(image.shape[-1])
            out.append(self.transform.postprocess(one, (height, width), original))
        return out

    @no_grad()
    def detections(
        self, raw: Sequence[Tensor], sizes: Tensor, images: Sequence[Tensor]
    ) -> list[dict[str, Tensor]]:
        """What `raw` found in each image, in the image's own pixels."""
        found = []
        for k, image in enumerate(images):
            logits, codes, boxes, present = (part[k] for part in raw)
            height, width = (int(s) for s in sizes[k].tolist())
            size, original = (height, width), (int(image.shape[-2]), int(image.shape[-1]))
            one = self.roi_heads.detections(logits, codes, boxes, present, size)
            found.append(self.transform.postprocess(one, size, original))
        return found


def fasterrcnn_resnet50_fpn(
    *, weights: Weights = None, num_classes: int = 91, weights_backbone: Weights = None,
    trainable_backbone_layers: int | None = None, **options: Any,
) -> FasterRCNN:  # fmt: skip
    """Faster R-CNN with ResNet-50 and a pyramid.

    weights: a file with torchvision's names, of the whole; weights_backbone: of the classifier.
    With one of them the norms are frozen and the last `trainable_backbone_layers` (3) of conv1 and
    the four stages are trained; without, everything is, with the norms of batches.
    """
    return _with_resnet(
        "resnet50", weights, num_classes, weights_backbone, trainable_backbone_layers, options
    )


def fasterrcnn_resnet18_fpn(
    *, weights: Weights = None, num_classes: int = 91, weights_backbone: Weights = None,
    trainable_backbone_layers: int | None = None, **options: Any,
) -> FasterRCNN:  # fmt: skip
    """Faster R-CNN with ResNet-18 and a pyramid; arguments as of fasterrcnn_resnet50_fpn."""
    return _with_resnet(
        "resnet18", weights, num_classes, weights_backbone, trainable_backbone_layers, options
    )


def _with_resnet(
    name: str, weights: Weights, num_classes: int, weights_backbone: Weights,
    trainable: int | None, options: dict[str, Any],
) -> FasterRCNN:  # fmt: skip
    trained = weights is not None or weights_backbone is not None
    backbone = resnet_fpn_backbone(
        backbone_name=name, weights=weights_backbone,
        norm_layer=FrozenBatchNorm2d if trained else nn.BatchNorm2d,
        trainable_layers=(3 if trainable is None else trainable) if trained else 5,
    )  # fmt: skip
    return with_weights(FasterRCNN(backbone, num_classes, **options), weights)


def fasterrcnn_small(
    *, weights: Weights = None, num_classes: int = 91, fixed_size: tuple[int, int] = (128, 128),
    widths: Sequence[int] = (32, 64, 128), out_channels: int = 64, smallest: float = 12.0,
    in_channels: int = 3, blocks: int = 1, by_image: int = 0, **options: Any,
) -> FasterRCNN:  # fmt: skip
    """A Faster R-CNN that trains from scratch on a CPU in minutes.

    A small residual backbone (blocks, by_image: see `pyramid.SmallBody`) with maps of 1/4, 1/8,
    1/16 and 1/32, anchors from `smallest` pixels on (two sizes a map, twice as large on the next),
    a head of width 256, few proposals.
    """
    backbone = small_fpn_backbone(widths, out_channels, in_channels, blocks, by_image)
    levels = len(widths) + 1
    sizes = tuple((smallest * 2**k, smallest * 2 ** (k + 0.5)) for k in range(levels))
    pool = MultiScaleRoIAlign(
        [str(k) for k in range(len(widths))], 7, 2, canonical_scale=round(smallest * 4),
        canonical_level=3,
    )  # fmt: skip
    settings: dict[str, Any] = {
        "rpn_anchor_generator": AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * levels),
        "box_roi_pool": pool,
        "box_head": TwoMLPHead(out_channels * 49, 256),
        "box_predictor": FastRCNNPredictor(256, num_classes),
        "rpn_pre_nms_top_n_train": 256, "rpn_pre_nms_top_n_test": 256,
        "rpn_post_nms_top_n_train": 256, "rpn_post_nms_top_n_test": 128,
        "rpn_batch_size_per_image": 128, "box_batch_size_per_image": 64,
        "image_mean": (0.5,) * in_channels, "image_std": (0.25,) * in_channels,
        "fixed_size": fixed_size,
    }  # fmt: skip
    return with_weights(FasterRCNN(backbone, **(settings | options)), weights)
