"""The region proposal network: where there may be objects, of whatever class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import chainrule.ops as ops
from chainrule import nn
from chainrule.graph import Tensor, no_grad
from chainrule.models.detection.anchors import AnchorGenerator
from chainrule.models.detection.matching import (
    BalancedPositiveNegativeSampler,
    Matcher,
    of_image,
    overlaps,
)
from chainrule.models.weights import older_names
from chainrule.nn import functional as NF
from chainrule.ops import functional as F

#: From here on the box loss grows linearly (torchvision's number).
BETA = 1 / 9


class RPNHead(nn.Module):
    """Over each element of each map (N, C, H, W): `num_anchors` logits of being an object, and
    four offsets for each anchor. Convolution 3×3, ReLU, then two 1×1."""

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(in_channels, in_channels, 3, padding=1), nn.ReLU())
                for _ in range(conv_depth)
            )
        )
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, 1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        # torchvision's files until 2022, the published one of ResNet-50 among them.
        self.register_load_state_dict_pre_hook(partial(older_names, {"conv": "conv.0.0"}))

    def forward(self, x: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        seen = [self.conv(feature) for feature in x]
        return [self.cls_logits(s) for s in seen], [self.bbox_pred(s) for s in seen]


class Candidates(NamedTuple):
    """The best anchors of one map in each image: which (N, K), the boxes they were moved to
    (N, K, 4) and their logits (N, K), −∞ for boxes that are too small; whether suppression keeps
    each (N, K)."""

    which: Tensor
    boxes: Tensor
    scores: Tensor
    keep: Tensor


class Proposals(NamedTuple):
    """The best boxes (N, P, 4) of each image, their logits (N, P), best first, and which of them
    are there (N, P): the number of places is fixed."""

    boxes: Tensor
    scores: Tensor
    present: Tensor


def _rows(x: Tensor, values: int) -> Tensor:
    """(N, A·values, H, W) → (N, H·W·A, values), in the order of the anchors."""
    n, channels, height, width = x.shape
    x = x.reshape(n, channels // values, values, height, width)
    return x.permute(0, 3, 4, 1, 2).reshape(n, -1, values)


class RegionProposalNetwork(nn.Module):
    """Anchors, scored and moved, of which the best that do not overlap are proposed.

    Arguments as in torchvision: fg_iou_thresh, bg_iou_thresh (see Matcher), batch_size_per_image
    and positive_fraction (of the anchors that the losses look at), pre_nms_top_n and post_nms_top_n
    (proposals of each map before and of all after suppression, each {"training": n, "testing": n}),
    nms_thresh, score_thresh (a probability).
    """

    def __init__(
        self,
        anchor_generator: AnchorGenerator,
        head: nn.Module,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        batch_size_per_image: int,
        positive_fraction: float,
        pre_nms_top_n: dict[str, int],
        post_nms_top_n: dict[str, int],
        nms_thresh: float,
        score_thresh: float = 0.0,
    ) -> None:
        super().__init__()
        self.anchor_generator = anchor_generator
        self.head = head
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh, True)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self._pre_nms_top_n, self._post_nms_top_n = dict(pre_nms_top_n), dict(post_nms_top_n)
        self.nms_thresh, self.score_thresh, self.min_size = nms_thresh, score_thresh, 1e-3

    def pre_nms_top_n(self) -> int:
        """Proposals of each map that suppression looks at."""
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self) -> int:
        """Proposals of all maps together that are passed on."""
        return self._post_nms_top_n["training" if self.training else "testing"]

    def forward(
        self, image_size: tuple[int, int], sizes: Tensor, features: Sequence[Tensor],
        objects: Tensor | None = None, present: Tensor | None = None,
    ) -> tuple[Proposals, dict[str, Tensor]]:  # fmt: skip
        """Proposals, and with objects (N, M, 4), of which some are present (N, M), the losses.

        image_size: height and width of the batch; sizes (N, 2): those of each image within it.
        """
        anchors, logits, codes = self.scored(image_size, features)
        proposals = self.propose(anchors, logits, codes, sizes)
        losses = {}
        if objects is not None and present is not None:
            losses = self.losses(anchors, logits, codes, objects, present)
        return proposals, losses

    def scored(
        self, image_size: tuple[int, int], features: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """For each map its anchors (A, 4), logits (N, A) and offsets (N, A, 4)."""
        objectness, offsets = self.head(features)
        anchors = self.anchor_generator(image_size, features)
        logits = [_rows(o, 1).squeeze(-1) for o in objectness]
        return anchors, logits, [_rows(o, 4) for o in offsets]

    @no_grad()
    def propose(
        self, anchors: Sequence[Tensor], logits: Sequence[Tensor], codes: Sequence[Tensor],
        sizes: Tensor,
    ) -> Proposals:  # fmt: skip
        """The best boxes of all maps, after suppression map by map."""
        ranked = [
            self.ranked(a, logit, code, sizes)
            for a, logit, code in zip(anchors, logits, codes, strict=True)
        ]
        found = self.suppressed(ranked)
        scores, which = self.best(found)
        boxes = of_image(F.cat([each.boxes for each in found], 1), which)
        return Proposals(boxes, scores, scores > float("-inf"))

    def candidates(
        self, anchors: Tensor, logits: Tensor, codes: Tensor, sizes: Tensor
    ) -> Candidates:
        """The best anchors (A, 4) of one map in each image, moved, and which of them suppression
        keeps. logits (N, A), codes (N, A, 4), sizes (N, 2); or all of one image, without N."""
        which, boxes, scores = self.ranked(anchors, logits, codes, sizes)
        keep = ops.nms_keep(boxes, scores, iou_threshold=self.nms_thresh)
        return Candidates(which, boxes, scores, keep)

    def ranked(
        self, anchors: Tensor, logits: Tensor, codes: Tensor, sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The first three of `candidates`."""
        scores, which = logits.topk(min(self.pre_nms_top_n(), logits.shape[-1]))
        boxes = within(ops.box_decode(of_image(codes, which), anchors[which]), sizes)
        sides = boxes[..., 2:] - boxes[..., :2]
        fine = (sides >= self.min_size).all(-1) & (scores.sigmoid() >= self.score_thresh)
        return which, boxes, F.where(fine, scores, float("-inf"))

    def suppressed(self, ranked: Sequence[tuple[Tensor, Tensor, Tensor]]) -> list[Candidates]:
        """The candidates of each map, of N images; all maps go through suppression together, each
        by itself."""
        most = max(scores.shape[1] for _, _, scores in ranked)
        boxes = [NF.pad(b, (0, 0, 0, most - b.shape[1])) for _, b, _ in ranked]
        scores = [NF.pad(s, (0, most - s.shape[1]), value=float("-inf")) for _, _, s in ranked]
        keep = ops.nms_keep(F.stack(boxes, 1), F.stack(scores, 1), iou_threshold=self.nms_thresh)
        return [Candidates(*one, keep[:, k, : one[2].shape[1]]) for k, one in enumerate(ranked)]

    def best(self, found: Sequence[Candidates]) -> tuple[Tensor, Tensor]:
        """Logits of the best of all maps together, −∞ for places that stay empty, and where they
        are among the candidates of all maps."""
        scores = F.cat([F.where(c.keep, c.scores, float("-inf")) for c in found], -1)
        best, which = scores.topk(min(self.post_nms_top_n(), scores.shape[-1]))
        return best, which

    def losses(
        self, anchors: Sequence[Tensor], logits: Sequence[Tensor], codes: Sequence[Tensor],
        objects: Tensor, present: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Binary cross-entropy of object or not, and smooth L1 of the offsets of objects, over
        the anchors sampled."""
        every = F.cat(list(anchors))
        with no_grad():
            matched = self.proposal_matcher(overlaps(objects, present, every))
            chosen = self.fg_bg_sampler(matched)
            ours = of_image(objects, of_image(matched, chosen.places).clamp(min=0))
            target = self._codes(ours, every[chosen.places], chosen.positive)
        logit = of_image(F.cat(list(logits), 1), chosen.places)
        code = of_image(F.cat(list(codes), 1), chosen.places)
        entropy = NF.binary_cross_entropy_with_logits(
            logit, chosen.positive.to(logit.dtype), reduction="none"
        )
        off = NF.smooth_l1_loss(code, target, beta=BETA, reduction="none").sum(-1)
        total = chosen.counts.sum().clamp(min=1)
        return {
            "loss_objectness": (entropy * chosen.counts).sum() / total,
            "loss_rpn_box_reg": (off * chosen.positive).sum() / total,
        }

    @staticmethod
    def _codes(objects: Tensor, anchors: Tensor, positive: Tensor) -> Tensor:
        """Offsets from the anchors; 0 for what is no object."""
        objects = F.where(positive.unsqueeze(-1), objects, anchors)
        return ops.box_encode(objects, anchors)


def within(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Boxes (…, K, 4) cut off at images of sizes (…, 2), height and width."""
    limit = sizes[..., [1, 0, 1, 0]].to(boxes.dtype).unsqueeze(-2)
    return F.minimum(boxes.clamp(min=0), limit)
