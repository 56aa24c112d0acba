"""The second stage: what is in each proposal, and where exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import chainrule.ops as ops
from chainrule import nn
from chainrule.graph import Tensor, no_grad
from chainrule.models.detection.matching import (
    BalancedPositiveNegativeSampler,
    Matcher,
    of_image,
    overlaps,
)
from chainrule.models.detection.proposals import BETA, Proposals, within
from chainrule.nn import functional as NF
from chainrule.ops import functional as F
from chainrule.ops.dispatch import apply
from chainrule.ops.regions import RoIAlignLevels


class Detections(NamedTuple):
    """Of each image boxes (N, D, 4), labels (N, D) and scores (N, D), best first, and which of them
    are there (N, D): the number of places is fixed."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    present: Tensor


class MultiScaleRoIAlign(nn.Module):
    """roi_align over a pyramid: each box is read from the map in which it has a usual size.

    A box of the area of canonical_scale² is read from level canonical_level, one of half the side
    from the level below. featmap_names: which of the backbone's maps; output_size, sampling_ratio:
    as in roi_align, the ratio at least 1.
    """

    def __init__(
        self,
        featmap_names: Sequence[str],
        output_size: int | Sequence[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names = list(featmap_names)
        size = (output_size,) * 2 if isinstance(output_size, int) else tuple(output_size)
        self.output_size = size
        self.sampling_ratio = sampling_ratio
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def scales(self, x: Sequence[Tensor], image_size: tuple[int, int]) -> list[float]:
        """Elements per pixel of each map, as powers of two: how often halving the image's height,
        rounded up, gives the map's."""
        found = []
        for m in x:
            near = round(math.log2(image_size[0] / m.shape[-2]))
            often = (k for k in (near, near + 1) if -(-image_size[0] // 2**k) == m.shape[-2])
            found.append(2.0 ** -next(often, near))
        return found

    def levels(self, boxes: Tensor, scales: Sequence[float]) -> Tensor:
        """Which map each of the boxes (K, 4) is read from, (K,) integers."""
        lowest, highest = (-round(math.log2(s)) for s in (scales[0], scales[-1]))
        side = ops.box_area(boxes).clamp(min=1e-12).sqrt()
        level = (self.canonical_level + (side / self.canonical_scale).log2() + 1e-6).floor()
        return (level.clamp(lowest, highest) - lowest).long()

    def forward(
        self, x: Mapping[str, Tensor], boxes: Tensor, image_size: tuple[int, int]
    ) -> Tensor:
        """Maps by name and boxes (N, R, 4) of an image each → (N·R, C, *output_size)."""
        maps = [m for name, m in x.items() if name in self.featmap_names]
        n, count = boxes.shape[:2]
        numbers = F.arange(n, dtype=boxes.dtype).reshape(n, 1, 1).expand(n, count, 1)
        flat = F.cat([numbers, boxes], 2).reshape(n * count, 5)
        scales = self.scales(maps, image_size)
        levels = self.levels(flat[:, 1:], scales)
        params = RoIAlignLevels.validate(
            {
                "output_size": self.output_size,
                "spatial_scales": scales,
                "sampling_ratio": self.sampling_ratio,
            }
        )
        return apply(RoIAlignLevels, flat, levels, *maps, **params)  # type: ignore[no-any-return]


class TwoMLPHead(nn.Module):
    """(K, C, h, w) → (K, representation_size): two linear layers with ReLU."""

    def __init__(self, in_channels: int, representation_size: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x: Tensor) -> Tensor:
        return NF.relu(self.fc7(NF.relu(self.fc6(F.flatten(x, 1)))))


class FastRCNNPredictor(nn.Module):
    """(K, in_channels) → class logits (K, num_classes) and offsets (K, 4·num_classes); class 0 is
    the background."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.flatten(x, 1)
        return self.cls_score(x), self.bbox_pred(x)


def fastrcnn_loss(
    class_logits: Tensor, box_regression: Tensor, labels: Tensor, targets: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of the classes, and smooth L1 of the offsets of each object's own class,
    per sample.

    class_logits (K, classes), box_regression (K, 4·classes), labels (K,) with 0 for background,
    targets (K, 4), counts (K,): False for places without a sample.
    """
    samples = counts.sum().clamp(min=1)
    entropy = NF.cross_entropy(class_logits, labels, reduction="none")
    of_class = box_regression.reshape(len(labels), -1, 4)
    own = of_class[F.arange(len(labels)), labels]
    off = NF.smooth_l1_loss(own, targets, beta=BETA, reduction="none").sum(1)
    objects = counts & (labels > 0)
    return (entropy * counts).sum() / samples, (off * objects).sum() / samples


class RoIHeads(nn.Module):
    """Proposals → classes and boxes. Arguments as in torchvision."""

    def __init__(
        self,
        box_roi_pool: nn.Module,
        box_head: nn.Module,
        box_predictor: nn.Module,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        batch_size_per_image: int,
        positive_fraction: float,
        bbox_reg_weights: Sequence[float] | None,
        score_thresh: float,
        nms_thresh: float,
        detections_per_img: int,
    ) -> None:
        super().__init__()
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh, False)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self.weights = tuple(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.box_roi_pool, self.box_head = box_roi_pool, box_head
        self.box_predictor = box_predictor
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img = detections_per_img

    def forward(
        self, features: Mapping[str, Tensor], boxes: Tensor, image_size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, R, classes) and offsets (N, R, classes, 4) of boxes (N, R, 4)."""
        n, count = boxes.shape[:2]
        seen = self.box_head(self.box_roi_pool(features, boxes, image_size))
        logits, codes = self.box_predictor(seen)
        return logits.reshape(n, count, -1), codes.reshape(n, count, -1, 4)

    @no_grad()
    def sample(
        self, proposals: Proposals, objects: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes (N, R, 4) to learn from, with labels (N, R), offsets to be learnt (N, R, 4), and
        which of them count (N, R). The objects (N, M, 4), label 0 for none, are proposals, too."""
        present = labels > 0
        boxes = F.cat([proposals.boxes, objects], 1)
        counts = F.cat([proposals.present, present], 1)
        matched = self.proposal_matcher(overlaps(objects, present, boxes))
        chosen = self.fg_bg_sampler(matched, counts)
        boxes = of_image(boxes, chosen.places)
        matched = of_image(matched, chosen.places).clamp(min=0)
        label = F.where(chosen.positive, of_image(labels, matched), 0)
        # Anything with an area does for what is no object: nothing is learnt from it.
        some = F.tensor([0.0, 0.0, 1.0, 1.0], dtype=boxes.dtype)
        positive = chosen.positive.unsqueeze(-1)
        target = ops.box_encode(
            F.where(positive, of_image(objects, matched), some),
            F.where(positive, boxes, some),
            self.weights,
        )
        return boxes, label, target, chosen.counts

    def losses(
        self, features: Mapping[str, Tensor], proposals: Proposals, image_size: tuple[int, int],
        objects: Tensor, labels: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        """The class and box losses over sampled proposals."""
        boxes, label, target, counts = self.sample(proposals, objects, labels)
        logits, codes = self(features, boxes, image_size)
        of_class, of_box = fastrcnn_loss(
            logits.flatten(0, 1), codes.flatten(0, 1).flatten(1), label.flatten(),
            target.flatten(0, 1), counts.flatten(),
        )  # fmt: skip
        return {"loss_classifier": of_class, "loss_box_reg": of_box}

    def detections(
        self, logits: Tensor, codes: Tensor, boxes: Tensor, present: Tensor,
        size: tuple[int, int],
    ) -> dict[str, Tensor]:  # fmt: skip
        """Of one image: the boxes (D, 4), labels (D,) and scores (D,) that remain.

        logits (R, classes), codes (R, classes, 4), proposals (R, 4) of which some are present (R,).
        Every class but the background is decoded by its own offsets; those with a score above
        score_thresh go through suppression, class by class, and the best detections_per_img stay.
        """
        here = F.nonzero(present, as_tuple=True)[0]
        every, scores = self.decoded(logits[here], codes[here], boxes[here], size)
        labels = F.arange(1, logits.shape[1]).unsqueeze(0).expand(*scores.shape).reshape(-1)
        every, scores = every.reshape(-1, 4), scores.reshape(-1)
        keep = self.kept(every, scores, labels)
        return {"boxes": every[keep], "labels": labels[keep], "scores": scores[keep]}

    def best(
        self, logits: Tensor, codes: Tensor, boxes: Tensor, present: Tensor, sizes: Tensor
    ) -> Detections:
        """What `detections` gives, of several images at once and in a fixed number of places.
        Compiles.

        logits (N, R, classes), codes (N, R, classes, 4), proposals (N, R, 4) of which some are
        present (N, R), in images of sizes (N, 2). All proposals are compared with each other for
        each class: of many classes, `detections` compares fewer.
        """
        n, count, classes = logits.shape
        every = boxes.unsqueeze(2).expand(n, count, classes, 4)
        every = within(ops.box_decode(codes, every, self.weights), sizes.unsqueeze(1))
        every = every[:, :, 1:].permute(0, 2, 1, 3)
        scores = NF.softmax(logits, -1)[:, :, 1:].permute(0, 2, 1)
        fine = self.fine(every, scores) & present.unsqueeze(1)
        scores = F.where(fine, scores, float("-inf"))
        keep = ops.nms_keep(every, scores, iou_threshold=self.nms_thresh)
        # Of equal scores the better proposal is first, then the lower class.
        scores = F.where(keep, scores, float("-inf")).permute(0, 2, 1).flatten(1)
        best, which = scores.topk(min(self.detections_per_img, scores.shape[1]))
        labels, proposal = which % (classes - 1), which // (classes - 1)
        images = F.arange(n).unsqueeze(1)
        found = every[images, labels, proposal]
        return Detections(found, labels + 1, best, best > float("-inf"))

    def fine(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """Which boxes (…, 4) have a score above score_thresh and are not too small."""
        sides = boxes[..., 2:] - boxes[..., :2]
        return (scores > self.score_thresh) & (sides >= 1e-2).all(-1)

    def decoded(
        self, logits: Tensor, codes: Tensor, boxes: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Boxes (R, classes − 1, 4) within the image and scores (R, classes − 1) of the classes
        from 1 on, each decoded by its own offsets."""
        classes = int(codes.shape[1])
        every = boxes.unsqueeze(1).expand(len(boxes), classes, 4)
        every = ops.box_decode(codes, every, self.weights)
        every = ops.clip_boxes_to_image(every, size)[:, 1:]
        return every, NF.softmax(logits, -1)[:, 1:]

    def kept(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
        """Which of the boxes (K, 4) remain, best first: score above score_thresh, not too small, no
        better one of the same class over it, at most detections_per_img."""
        which = F.nonzero(self.fine(boxes, scores), as_tuple=True)[0]
        keep = ops.batched_nms(boxes[which], scores[which], labels[which], self.nms_thresh)
        return which[keep[: self.detections_per_img]]
