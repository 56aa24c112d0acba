"""The same detector in plain PyTorch: the peer of `benchmarks.detection`, and the reference of
tests/models/test_detection.py. Names of parameters are ours, which are torchvision's.

Suppression compares all pairs at once and repeats until nothing changes; RoI align is one
grid_sample a map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FrozenNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0),
                            ("running_var", 1.0)):  # fmt: skip
            self.register_buffer(name, torch.full((width,), value))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int, norm: Any) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = norm(after)
        self.downsample = None
        if stride != 1 or before != after:
            shorter = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(shorter, norm(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    widths = (64, 128, 256, 512)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenNorm(64)
        before = 64
        for k, width in enumerate(self.widths):
            first = Block(before, width, 1 if k == 0 else 2, FrozenNorm)
            stage = nn.Sequential(first, Block(width, width, 1, FrozenNorm))
            setattr(self, f"layer{k + 1}", stage)
            before = width

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        out = []
        for k in range(4):
            x = getattr(self, f"layer{k + 1}")(x)
            out.append(x)
        return out


class Small(nn.Module):
    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        half = widths[0] // 2
        conv = nn.Conv2d(3, half, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(half), nn.ReLU())
        before, stages = half, []
        for width in widths:
            stages.append(Block(before, width, 2, nn.BatchNorm2d))
            before = width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        x, out = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out


class Pyramid(nn.Module):
    def __init__(self, widths: Sequence[int], out: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(w, out, 1)) for w in widths)
        self.layer_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(out, out, 3, padding=1)) for _ in widths
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        inner = [block(m) for block, m in zip(self.inner_blocks, maps, strict=True)]
        for k in reversed(range(len(inner) - 1)):
            inner[k] = inner[k] + F.interpolate(inner[k + 1], size=inner[k].shape[-2:])
        out = [block(m) for block, m in zip(self.layer_blocks, inner, strict=True)]
        return [*out, F.max_pool2d(out[-1], 1, 2)]


class Backbone(nn.Module):
    def __init__(self, body: nn.Module, out: int) -> None:
        super().__init__()
        self.body, self.fpn = body, Pyramid(body.widths, out)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.fpn(self.body(x))


class Head(nn.Module):
    def __init__(self, width: int, anchors: int) -> None:
        super().__init__()
        conv = nn.Conv2d(width, width, 3, padding=1)
        self.conv = nn.Sequential(nn.Sequential(conv, nn.ReLU()))
        self.cls_logits = nn.Conv2d(width, anchors, 1)
        self.bbox_pred = nn.Conv2d(width, anchors * 4, 1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """(…, A, 4) with (…, B, 4): (…, A, B)."""
    a, b = a.unsqueeze(-2), b.unsqueeze(-3)
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(0)
    shared = sides[..., 0] * sides[..., 1]
    area = [(x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1]) for x in (a, b)]
    union = area[0] + area[1] - shared
    return torch.where(union > 0, shared / union, 0.0)


def kept(boxes: Tensor, threshold: float) -> Tensor:
    """Which of the boxes (…, K, 4), best first, greedy suppression keeps: (…, K)."""
    over = (iou(boxes, boxes) > threshold).triu(1)
    keep = torch.ones(boxes.shape[:-1], dtype=torch.bool)
    while True:
        again = ~(over & keep.unsqueeze(-1)).any(-2)
        if bool((again == keep).all()):
            return keep
        keep = again


def encoded(boxes: Tensor, by: Tensor, weights: Sequence[float]) -> Tensor:
    size, base = boxes[..., 2:] - boxes[..., :2], by[..., 2:] - by[..., :2]
    centre, middle = boxes[..., :2] + 0.5 * size, by[..., :2] + 0.5 * base
    codes = torch.cat([(centre - middle) / base, torch.log(size / base)], -1)
    return codes * codes.new_tensor(weights)


def decoded(codes: Tensor, by: Tensor, weights: Sequence[float]) -> Tensor:
    codes = codes / codes.new_tensor(weights)
    base = by[..., 2:] - by[..., :2]
    middle = by[..., :2] + 0.5 * base + codes[..., :2] * base
    half = 0.5 * base * torch.exp(codes[..., 2:].clamp(max=math.log(1000 / 16)))
    return torch.cat([middle - half, middle + half], -1)


def clipped(boxes: Tensor, sizes: Tensor) -> Tensor:
    """sizes (…, 2): height, width."""
    return torch.minimum(boxes.clamp(min=0), sizes[..., [1, 0, 1, 0]])


def matched(quality: Tensor, high: float, low: float, more: bool) -> Tensor:
    """(M, A) → (A,): number of the object, −1 background, −2 neither."""
    best, which = quality.max(0)
    out = torch.where(best >= high, which, -2)
    out[best < low] = -1
    if more:
        top = quality.max(1, keepdim=True)[0]
        ours = ((quality == top) & (quality > 0)).any(0)
        out[ours] = which[ours]
    return out


def sampled(match: Tensor, count: int, fraction: float) -> tuple[Tensor, int]:
    """Places at random, the objects first, and how many of them are objects."""
    positive, negative = (match >= 0).nonzero()[:, 0], (match == -1).nonzero()[:, 0]
    some = min(len(positive), int(count * fraction))
    rest = min(len(negative), count - some)
    positive = positive[torch.randperm(len(positive))[:some]]
    return torch.cat([positive, negative[torch.randperm(len(negative))[:rest]]]), some


class Detector(nn.Module):
    """Takes its sizes and thresholds from one of our models."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.ours = {"rpn": ours.rpn, "heads": ours.roi_heads}
        body = ours.backbone.body
        widths = getattr(body, "stages", None) and [s.conv2.out_channels for s in body.stages]
        out = ours.backbone.out_channels
        self.backbone = Backbone(Small(widths) if widths else ResNet18(), out)
        anchors = ours.rpn.anchor_generator.num_anchors_per_location()[0]
        self.rpn = nn.Module()
        self.rpn.head = Head(out, anchors)
        self.roi_heads = nn.Module()
        self.roi_heads.box_head = nn.Module()
        for name in ("fc6", "fc7"):
            layer = getattr(ours.roi_heads.box_head, name)
            setattr(self.roi_heads.box_head, name, nn.Linear(*layer.weight.shape[::-1]))
        self.roi_heads.box_predictor = nn.Module()
        for name in ("cls_score", "bbox_pred"):
            layer = getattr(ours.roi_heads.box_predictor, name)
            setattr(self.roi_heads.box_predictor, name, nn.Linear(*layer.weight.shape[::-1]))
        state = {k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()}
        self.to(next(v.dtype for v in state.values() if v.is_floating_point()))
        self.load_state_dict(state)
        self.features = self.backbone  # or compiled
        self.train(ours.training)

    def anchors(self, size: Sequence[int], maps: list[Tensor]) -> list[Tensor]:
        generator = self.ours["rpn"].anchor_generator
        out = []
        for sizes, ratios, m in zip(generator.sizes, generator.aspect_ratios, maps, strict=True):
            r = torch.tensor(ratios, dtype=torch.float64).sqrt()[:, None]
            s = torch.tensor(sizes, dtype=torch.float64)[None]
            h, w = (r * s).flatten(), (s / r).flatten()
            cell = (torch.stack([-w, -h, w, h], 1) / 2).round()
            y = torch.arange(m.shape[-2]) * (size[0] // m.shape[-2])
            x = torch.arange(m.shape[-1]) * (size[1] // m.shape[-1])
            y, x = torch.meshgrid(y, x, indexing="ij")
            shift = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4)
            out.append((shift + cell).reshape(-1, 4).to(m.dtype))
        return out

    def scored(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        head, logits, codes = self.rpn.head, [], []
        for m in maps:
            seen, n = head.conv(m), len(m)
            logits.append(head.cls_logits(seen).permute(0, 2, 3, 1).reshape(n, -1))
            codes.append(head.bbox_pred(seen).permute(0, 2, 3, 1).reshape(n, -1, 4))
        return logits, codes

    @torch.no_grad()
    def propose(
        self, anchors: list[Tensor], logits: list[Tensor], codes: list[Tensor], sizes: Tensor
    ) -> list[Tensor]:
        """The proposals (P, 4) of each image."""
        rpn, boxes, scores = self.ours["rpn"], [], []
        which_set = "training" if self.training else "testing"
        before, after = rpn._pre_nms_top_n[which_set], rpn._post_nms_top_n[which_set]
        for a, logit, code in zip(anchors, logits, codes, strict=True):
            score, which = logit.topk(min(before, logit.shape[1]))
            code = code.gather(1, which.unsqueeze(-1).expand(-1, -1, 4))
            box = clipped(decoded(code, a[which], (1.0,) * 4), sizes.unsqueeze(1))
            fine = (box[..., 2:] - box[..., :2] >= 1e-3).all(-1)
            fine &= score.sigmoid() >= rpn.score_thresh
            # What is unfit strikes nothing: it has no area any more.
            box = torch.where(fine.unsqueeze(-1), box, 0.0)
            boxes.append(box)
            scores.append(score.masked_fill(~(fine & kept(box, rpn.nms_thresh)), -math.inf))
        score, which = torch.cat(scores, 1).sort(dim=1, descending=True, stable=True)
        every = torch.cat(boxes, 1)
        return [
            b[w[:after][s[:after] > -math.inf]] for b, w, s in zip(every, which, score, strict=True)
        ]

    def pooled(self, maps: list[Tensor], boxes: list[Tensor], size: Sequence[int]) -> Tensor:
        pool = self.ours["heads"].box_roi_pool
        maps = maps[: len(pool.featmap_names)]
        high, wide = pool.output_size
        ratio = pool.sampling_ratio
        steps = [2.0 ** round(math.log2(m.shape[-2] / size[0])) for m in maps]
        flat = torch.cat(boxes)
        image = torch.repeat_interleave(
            torch.arange(len(boxes)), torch.tensor([len(b) for b in boxes])
        )
        side = ((flat[:, 2] - flat[:, 0]) * (flat[:, 3] - flat[:, 1])).sqrt()
        level = pool.canonical_level + torch.log2(side / pool.canonical_scale) + 1e-6
        lowest = -round(math.log2(steps[0]))
        level = level.floor().clamp(lowest, -round(math.log2(steps[-1]))) - lowest
        out = flat.new_zeros(len(flat), maps[0].shape[1], high, wide)
        for k, (m, step) in enumerate(zip(maps, steps, strict=True)):
            h, w = m.shape[-2:]
            for n in range(len(boxes)):
                here = ((level == k) & (image == n)).nonzero()[:, 0]
                if not len(here):
                    continue
                box = flat[here] * step
                length = (box[:, 2:] - box[:, :2]).clamp(min=1)
                y = (torch.arange(high * ratio, dtype=box.dtype) + 0.5) / (high * ratio)
                x = (torch.arange(wide * ratio, dtype=box.dtype) + 0.5) / (wide * ratio)
                y = box[:, 1:2] + y * length[:, 1:]
                x = box[:, :1] + x * length[:, :1]
                inside = ((y >= -1) & (y <= h)).unsqueeze(2) & ((x >= -1) & (x <= w)).unsqueeze(1)
                shape = (len(here), high * ratio, wide * ratio)
                grid = torch.stack([
                    (2 * x / max(w - 1, 1) - 1).unsqueeze(1).expand(shape),
                    (2 * y / max(h - 1, 1) - 1).unsqueeze(2).expand(shape),
                ], -1)  # fmt: skip
                seen = F.grid_sample(
                    m[n : n + 1], grid.reshape(1, -1, shape[2], 2), "bilinear", "border", True
                )
                seen = seen.reshape(-1, *shape).permute(1, 0, 2, 3) * inside.unsqueeze(1)
                out = out.index_put((here,), F.avg_pool2d(seen, ratio))
        return out

    def second(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        head, predictor = self.roi_heads.box_head, self.roi_heads.box_predictor
        x = F.relu(head.fc7(F.relu(head.fc6(seen.flatten(1)))))
        return predictor.cls_score(x), predictor.bbox_pred(x).reshape(len(x), -1, 4)

    def losses(
        self, images: Tensor, sizes: Tensor, objects: list[Tensor], labels: list[Tensor]
    ) -> dict[str, Tensor]:
        """The four losses; images are standardised and padded, objects (L, 4) of each."""
        rpn, heads = self.ours["rpn"], self.ours["heads"]
        maps = self.features(images)
        anchors = self.anchors(images.shape[-2:], maps)
        logits, codes = self.scored(maps)
        proposals = self.propose(anchors, logits, codes, sizes)
        every, logit, code = torch.cat(anchors), torch.cat(logits, 1), torch.cat(codes, 1)
        right, entropy, off = [], 0.0, 0.0
        total = 0
        for n, ours in enumerate(objects):
            m, s = rpn.proposal_matcher, rpn.fg_bg_sampler
            match = matched(iou(ours, every), m.high_threshold, m.low_threshold, True)
            at, some = sampled(match, s.batch_size_per_image, s.positive_fraction)
            right = torch.zeros(len(at), dtype=images.dtype)
            right[:some] = 1
            entropy += F.binary_cross_entropy_with_logits(logit[n, at], right, reduction="sum")
            goal = encoded(ours[match[at[:some]]], every[at[:some]], (1.0,) * 4)
            off += F.smooth_l1_loss(code[n, at[:some]], goal, reduction="sum", beta=1 / 9)
            total += len(at)
        boxes, classes, goals = [], [], []
        for ours, label, found in zip(objects, labels, proposals, strict=True):
            m, s = heads.proposal_matcher, heads.fg_bg_sampler
            found = torch.cat([found, ours])
            match = matched(iou(ours, found), m.high_threshold, m.low_threshold, False)
            at, some = sampled(match, s.batch_size_per_image, s.positive_fraction)
            right = torch.zeros(len(at), dtype=torch.int64)
            right[:some] = label[match[at[:some]]]
            boxes.append(found[at])
            classes.append(right)
            goals.append(encoded(ours[match[at].clamp(min=0)], found[at], heads.weights))
        scores, moves = self.second(self.pooled(maps, boxes, images.shape[-2:]))
        right, goal = torch.cat(classes), torch.cat(goals)
        ours = (right > 0).nonzero()[:, 0]
        distance = F.smooth_l1_loss(
            moves[ours, right[ours]], goal[ours], reduction="sum", beta=1 / 9
        )
        return {
            "loss_classifier": F.cross_entropy(scores, right),
            "loss_box_reg": distance / len(right),
            "loss_objectness": entropy / total,
            "loss_rpn_box_reg": off / total,
        }

    @torch.no_grad()
    def detections(self, images: Tensor, sizes: Tensor) -> list[dict[str, Tensor]]:
        heads = self.ours["heads"]
        maps = self.features(images)
        logits, codes = self.scored(maps)
        anchors = self.anchors(images.shape[-2:], maps)
        proposals = self.propose(anchors, logits, codes, sizes)
        logits, moves = self.second(self.pooled(maps, proposals, images.shape[-2:]))
        out = []
        counts = [len(p) for p in proposals]
        for boxes, logit, move, size in zip(
            proposals, logits.split(counts), moves.split(counts), sizes, strict=True
        ):
            classes = logit.shape[1]
            found = clipped(decoded(move, boxes.unsqueeze(1), heads.weights), size)
            found, score = found[:, 1:].transpose(0, 1), logit.softmax(-1)[:, 1:].T
            fine = (score > heads.score_thresh) & (found[..., 2:] - found[..., :2] >= 1e-2).all(-1)
            # Class by class: fewer pairs than of all boxes. What is unfit comes last.
            score, order = score.masked_fill(~fine, -math.inf).sort(
                dim=1, descending=True, stable=True
            )
            found = found.gather(1, order.unsqueeze(-1).expand(-1, -1, 4))
            score = score.masked_fill(~kept(found, heads.nms_thresh), -math.inf).flatten()
            label = torch.arange(1, classes).repeat_interleave(len(boxes))
            score, keep = score.sort(descending=True, stable=True)
            keep = keep[: int((score[: heads.detections_per_img] > -math.inf).sum())]
            found, score = found.reshape(-1, 4), score[: len(keep)]
            out.append({"boxes": found[keep], "labels": label[keep], "scores": score})
        return out
