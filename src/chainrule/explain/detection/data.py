"""An explained image as plain data; README.md describes the form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.text import language, t
from chainrule.explain.detection import words
from chainrule.explain.detection.capture import UNFIT, Boxes
from chainrule.explain.detection.sampling import Axis, Region
from chainrule.explain.detection.trail import anchor_of
from chainrule.explain.worksheet.numbers import number

if TYPE_CHECKING:
    from chainrule.explain.detection.explanation import DetectionExplanation, Trail

#: Of more boxes of the second stage only the likeliest are told.
MOST = 2000


def title(of: DetectionExplanation) -> str:
    """`scene.png: 5 boxes`"""
    text = t("{n} boxes", n=len(of)) if len(of) != 1 else t("1 box")
    return f"{of.name}: {text}" if of.name else text


def short(values: Any, digits: int = 6) -> Any:
    """Numbers with so many digits; lists of them; null for what is not finite."""
    if isinstance(values, list | tuple | np.ndarray):
        return [short(v, digits) for v in values]
    value = float(values)
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def to_dict(of: DetectionExplanation) -> dict[str, Any]:
    found, model = of.found, of.model
    height, width = found.image.shape[-2:]
    classes = found.logits.shape[1]
    return {
        "format": "chainrule.detection",
        "schema": 1,
        "language": language(),
        "title": title(of),
        "name": of.name,
        "image": {"height": height, "width": width, "size": list(found.size),
                  "canvas": list(found.canvas), "scale": short(found.scale, 8)},
        "classes": [of.class_name(k) for k in range(classes)],
        "settings": {
            "first_threshold": model.rpn.nms_thresh,
            "last_threshold": model.roi_heads.nms_thresh,
            "score_threshold": model.roi_heads.score_thresh,
        },
        "levels": [
            {"name": level.name, "rows": level.rows, "columns": level.columns,
             "strides": list(level.strides), "cell": short(level.cell)}
            for level in found.levels
        ],
        "first": _first(of),
        "second": _second(of),
        "detections": [_detection(of, k) for k in range(len(of))],
        "objects": [
            {"label": int(label), "box": short(box)}
            for box, label in zip(found.objects, found.labels, strict=True)
        ] if of.targeted else None,
        "lost": lost_data(of),
        "checked": None if of.checked is None else {
            "right": of.checked.right, "lines": of.checked.total, "wrong": of.checked.wrong,
            "worst": short(of.checked.worst, 2), "text": str(of.checked),
        },
    }  # fmt: skip


def _boxes(boxes: Boxes, rows: Any) -> dict[str, Any]:
    place = np.full(len(boxes.boxes) + 1, -1)
    place[rows] = np.arange(len(rows))
    return {
        "box": short(boxes.boxes[rows]), "group": boxes.group[rows].tolist(),
        "state": boxes.state[rows].tolist(), "by": place[boxes.by[rows]].tolist(),
        "iou": short(boxes.iou[rows], 4),
    }  # fmt: skip


def _first(of: DetectionExplanation) -> dict[str, Any]:
    found = of.found
    logits = np.array([
        found.levels[int(level)].logits[anchor]
        for level, anchor in zip(found.first.group, found.anchors, strict=True)
    ], np.float64)  # fmt: skip
    return {
        **_boxes(found.first, np.arange(len(logits))),
        "score": short(1 / (1 + np.exp(-logits)), 4),
        "place": [list(anchor_of(found, k)[1:]) for k in range(len(found.anchors))],
        "proposals": found.proposals.tolist(),
    }


def told(of: DetectionExplanation) -> Any:
    """Which of the second stage's boxes are told: those above the score threshold."""
    second = of.found.second
    rows = np.flatnonzero(second.state != UNFIT)
    return rows[np.argsort(-second.scores[rows], kind="stable")][:MOST]


def _second(of: DetectionExplanation) -> dict[str, Any]:
    rows = told(of)
    classes = of.found.logits.shape[1] - 1
    return {
        **_boxes(of.found.second, rows), "score": short(of.found.second.scores[rows], 4),
        "proposal": (rows // classes).tolist(), "count": len(of.found.second.boxes),
    }  # fmt: skip


def _detection(of: DetectionExplanation, k: int) -> dict[str, Any]:
    trail, found = of.box(k), of.found
    origin = trail.origin
    probabilities = of.found.logits[origin.proposal].astype(np.float64)
    probabilities = np.exp(probabilities - probabilities.max())
    probabilities /= probabilities.sum()
    best = np.argsort(-probabilities, kind="stable")[:12]
    return {
        "label": origin.label, "score": short(found.result["scores"][k]),
        "box": short(found.result["boxes"][k]), "first": origin.first,
        "proposal": origin.proposal,
        "second": int(np.flatnonzero(told(of) == origin.second)[0]),
        "level": origin.level, "place": [origin.row, origin.column, origin.anchor],
        "anchor": short([trail.stage("anchor").line("anchor.box").values[c]
                         for c in ("x1", "y1", "x2", "y2")]),
        "classes": [[int(c), short(probabilities[c], 4)] for c in best],
        "region": region(trail.region),
        "stages": [
            {"key": stage.key, "title": words.stage_title(stage.key),
             "hint": words.stage_hint(stage.key), "lines": _lines(trail, stage)}
            for stage in trail.stages
        ],
    }  # fmt: skip


def _lines(trail: Trail, stage: Any) -> list[dict[str, Any]]:
    out = []
    for line in stage.lines:
        check = trail.checks.get(line.key)
        out.append(
            {"key": line.key, "label": label(trail, line.key), "text": line.text(),
             "check": None if check is None else
             {"right": check.right, "error": short(check.error, 1)}}
        )  # fmt: skip
    return out


def label(trail: Trail, key: str) -> str:
    """What a line of a trail is about."""
    stage, _, rest = key.partition(".")
    name = trail.of.class_name(int(rest)) if stage == "class" and rest != "sum" else ""
    return words.line_label(key, name)


def region(of: Region) -> dict[str, Any]:
    """A region with the part of the map that its points read."""
    top, left = int(of.down.taps.min()), int(of.across.taps.min())
    part = of.map[top : int(of.down.taps.max()) + 1, left : int(of.across.taps.max()) + 1]
    return {
        "box": short(of.box), "map": of.name, "scale": of.scale, "channel": of.channel,
        "bins": list(of.pooled.shape), "down": _axis(of.down), "across": _axis(of.across),
        "pooled": short(of.pooled, 5), "worked": list(of.worked),
        "part": {"row": top, "column": left, "values": short(part, 5)},
    }  # fmt: skip


def _axis(of: Axis) -> dict[str, Any]:
    return {"places": short(of.places), "taps": of.taps.tolist(), "weights": short(of.weights, 5),
            "step": short(of.step)}  # fmt: skip


# ---- what was lost --------------------------------------------------------------------------


def lost_data(of: DetectionExplanation) -> dict[str, Any]:
    """What was lost, with the reasons as sentences."""
    found = of.lost()
    first = of.found.proposals
    threshold = number(of.model.roi_heads.score_thresh)
    out: dict[str, Any] = {
        "near": [
            {"first": int(first[one.proposal]), "score": short(one.score), "label": one.label,
             "text": words.given_up(one.reason, label=of.class_name(one.label), by=one.by,
                                    score=_two(one.score), iou=_two(one.iou),
                                    threshold=threshold)}
            for one in found.near
        ],
        "misses": None, "false_alarms": None,
    }  # fmt: skip
    if found.misses is not None and found.false_alarms is not None:
        out["misses"] = [
            {
                "object": miss.object,
                "label": miss.label,
                "first": int(first[miss.proposal]) if miss.proposal >= 0 else -1,
                "text": words.miss(
                    miss.reason,
                    anchor=_two(miss.anchor_iou),
                    by=miss.by,
                    proposal=_two(miss.proposal_iou),
                    iou=_two(miss.iou),
                    seen=of.class_name(miss.seen),
                    label=of.class_name(miss.label),
                    score=_two(miss.score),
                    threshold=threshold,
                ),
            }
            for miss in found.misses
        ]
        out["false_alarms"] = [
            {"detection": one.detection,
             "text": words.false_alarm(one.reason, iou=_two(one.iou),
                                       seen=of.class_name(one.seen))}
            for one in found.false_alarms
        ]  # fmt: skip
    return out


def _two(value: float) -> str:
    return f"{value:.2f}"
