"""One box from its anchor to the image: the worked lines of every stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.explain.detection.capture import STRUCK, Boxes, Capture
from chainrule.explain.detection.lines import Line, Stage, line
from chainrule.explain.detection.sampling import Region, region_of
from chainrule.ops.boxes import LARGEST_SCALE

if TYPE_CHECKING:
    from chainrule.models.detection import FasterRCNN

#: So many of the boxes that one struck out are worked, and so many classes.
OTHERS, CLASSES = 5, 5
_CORNERS = ("x1", "y1", "x2", "y2")


class Origin(NamedTuple):
    """Where a box comes from: which of the first stage's boxes, of the proposals, of the second
    stage's boxes; its class; map, row, column and which anchor of that place."""

    first: int
    proposal: int
    second: int
    label: int
    level: int
    row: int
    column: int
    anchor: int


def origin_of(found: Capture, second: int) -> Origin:
    """Of one of the second stage's boxes."""
    classes = found.logits.shape[1] - 1
    proposal, label = second // classes, second % classes + 1
    first = int(found.proposals[proposal])
    return Origin(first, proposal, second, label, *anchor_of(found, first))


def anchor_of(found: Capture, first: int) -> tuple[int, int, int, int]:
    """Map, row, column and number of the anchor of a box of the first stage."""
    level = int(found.first.group[first])
    of = found.levels[level]
    place, anchor = divmod(int(found.anchors[first]), len(of.cell))
    return level, place // of.columns, place % of.columns, anchor


def anchor_box(found: Capture, origin: Origin) -> Any:
    """The anchor itself, (4,)."""
    of = found.levels[origin.level]
    down, across = of.strides
    shift = np.array([origin.column * across, origin.row * down] * 2)
    return shift + of.cell[origin.anchor]


def stages(model: FasterRCNN, found: Capture, origin: Origin) -> list[Stage]:
    """All stages of a box of the second stage; the last only of a detection."""
    out = [
        Stage("anchor", _anchor(model, found, origin)),
        Stage("score", _score(model, found, origin)),
        Stage("decode", _decode_first(model, found, origin)),
        Stage("suppression", _suppression(found.first, origin.first, model.rpn.nms_thresh)),
        Stage("region", _region(region_of(model, found, origin.proposal), model)),
        Stage("class", _classes(found, origin)),
        Stage("refine", _refine(model, found, origin)),
        Stage("selection", _selection(model, found, origin)),
    ]
    if origin.second in found.detections:
        out.append(Stage("final", _final(found, origin)))
    return out


def corners(box: Any, prefix: str = "") -> dict[str, float]:
    """The four coordinates as the values of a line."""
    return {f"{prefix}{name}": float(v) for name, v in zip(_CORNERS, box, strict=True)}


_BOX = "({x1}, {y1}, {x2}, {y2})"


# ---- the first stage ------------------------------------------------------------------------


def _anchor(model: FasterRCNN, found: Capture, origin: Origin) -> list[Line]:
    of, generator = found.levels[origin.level], model.rpn.anchor_generator
    sizes = generator.sizes[origin.level]
    ratio = generator.aspect_ratios[origin.level][origin.anchor // len(sizes)]
    size = sizes[origin.anchor % len(sizes)]
    half_width, half_height = of.cell[origin.anchor][2:]
    down, across = of.strides
    return [
        line("anchor.width", "w/2 = round({size} / √{ratio} / 2) = {half}",
             size=size, ratio=ratio, half=half_width),
        line("anchor.height", "h/2 = round({size} · √{ratio} / 2) = {half}",
             size=size, ratio=ratio, half=half_height),
        line("anchor.x", "x = {column} · {stride} = {x}", column=origin.column, stride=across,
             x=origin.column * across),
        line("anchor.y", "y = {row} · {stride} = {y}", row=origin.row, stride=down,
             y=origin.row * down),
        line("anchor.box", f"(x − w/2, y − h/2, x + w/2, y + h/2) = {_BOX}",
             **corners(anchor_box(found, origin))),
    ]  # fmt: skip


def _score(model: FasterRCNN, found: Capture, origin: Origin) -> list[Line]:
    logits = found.levels[origin.level].logits
    logit = float(logits[found.anchors[origin.first]])
    better = int((logits > logit).sum())
    return [
        line("score.probability", "p = 1 / (1 + exp(−{logit:b})) = {p}", logit=logit,
             p=1 / (1 + math.exp(-logit))),
        line("score.rank", "{better} + 1 = {rank} ≤ {most}", better=better, rank=better + 1,
             most=min(model.rpn.pre_nms_top_n(), len(logits))),
    ]  # fmt: skip


def _decode_first(model: FasterRCNN, found: Capture, origin: Origin) -> list[Line]:
    codes = found.levels[origin.level].codes[found.anchors[origin.first]]
    return _decoded("decode", codes, (1.0,) * 4, anchor_box(found, origin),
                    found.first.boxes[origin.first], found.size)  # fmt: skip


def _decoded(
    stage: str, codes: Any, weights: Any, start: Any, box: Any, size: tuple[int, int]
) -> list[Line]:
    """A box decoded and cut off at the image; the lines print float64 arithmetic on the network's
    numbers, and the box that the program has."""
    x1, y1, x2, y2 = (float(v) for v in start)
    dx, dy, dw, dh = (float(c) / w for c, w in zip(codes, weights, strict=True))
    wa, ha = x2 - x1, y2 - y1
    xa, ya = x1 + wa / 2, y1 + ha / 2
    scale = math.exp(min(dw, LARGEST_SCALE)), math.exp(min(dh, LARGEST_SCALE))
    x, y, w, h = xa + dx * wa, ya + dy * ha, wa * scale[0], ha * scale[1]
    out = []
    if any(weight != 1 for weight in weights):
        raw = dict(zip(("tx", "ty", "tw", "th"), map(float, codes), strict=True))
        factor = dict(zip(("wx", "wy", "ww", "wh"), weights, strict=True))
        out.append(
            line(f"{stage}.offsets", "(dx, dy, dw, dh) = ({tx}/{wx}, {ty}/{wy}, {tw}/{ww}, "
                 "{th}/{wh}) = ({dx}, {dy}, {dw}, {dh})", **raw, **factor, dx=dx, dy=dy, dw=dw,
                 dh=dh)
        )  # fmt: skip
    else:
        out.append(line(f"{stage}.offsets", "(dx, dy, dw, dh) = ({dx}, {dy}, {dw}, {dh})",
                        dx=dx, dy=dy, dw=dw, dh=dh))  # fmt: skip
    out += [
        line(f"{stage}.from", "(x₀, y₀, w₀, h₀) = ({x}, {y}, {w}, {h})", x=xa, y=ya, w=wa, h=ha),
        line(f"{stage}.x", "x = {start} + {d:b} · {w} = {x}", start=xa, d=dx, w=wa, x=x),
        line(f"{stage}.y", "y = {start} + {d:b} · {h} = {y}", start=ya, d=dy, h=ha, y=y),
        _stretched(f"{stage}.width", "w", wa, dw, w),
        _stretched(f"{stage}.height", "h", ha, dh, h),
        line(f"{stage}.corners", f"(x − w/2, y − h/2, x + w/2, y + h/2) = {_BOX}",
             **corners((x - w / 2, y - h / 2, x + w / 2, y + h / 2))),
        line(f"{stage}.box", f"clip(x, 0, {{width}}), clip(y, 0, {{height}}) → {_BOX}",
             width=size[1], height=size[0], **corners(box)),
    ]  # fmt: skip
    return out


def _stretched(key: str, name: str, start: float, d: float, result: float) -> Line:
    if d > LARGEST_SCALE:
        return line(key, f"{name} = {{start}} · exp(min({{d}}, {{limit}})) = {{result}}",
                    start=start, d=d, limit=LARGEST_SCALE, result=result)  # fmt: skip
    return line(key, f"{name} = {{start}} · exp({{d}}) = {{result}}", start=start, d=d,
                result=result)  # fmt: skip


def _suppression(boxes: Boxes, me: int, threshold: float, stage: str = "suppression") -> list[Line]:
    """Why a box was kept or struck out, and what it struck out itself, most overlapping first."""
    out = []
    if boxes.state[me] == STRUCK:
        out.append(_overlap(f"{stage}.by", boxes, me, int(boxes.by[me]), threshold, ">"))
    else:
        out.append(line(f"{stage}.kept", "IoU = {iou} ≤ {threshold}", iou=boxes.iou[me],
                        threshold=threshold))  # fmt: skip
    mine = np.flatnonzero(boxes.by == me)
    out.append(line(f"{stage}.count", "{count}", count=len(mine)))
    mine = mine[np.argsort(-boxes.iou[mine], kind="stable")][:OTHERS]
    return out + [
        _overlap(f"{stage}.struck.{other}", boxes, int(other), me, threshold, ">")
        for other in mine
    ]  # fmt: skip


def _overlap(
    key: str, boxes: Boxes, one: int, other: int, threshold: float, sign: str
) -> Line:  # fmt: skip
    a, b = (np.asarray(boxes.boxes[k], np.float64) for k in (one, other))
    width, height = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    areas = [float((c[2] - c[0]) * (c[3] - c[1])) for c in (a, b)]
    shared = float(width * height)
    union = areas[0] + areas[1] - shared
    return line(
        key, "IoU = {width} · {height} / ({a} + {b} − {shared}) = {iou} " + sign + " {threshold}",
        width=width, height=height, a=areas[0], b=areas[1], shared=shared,
        iou=shared / union if union > 0 else 0.0, threshold=threshold,
    )  # fmt: skip


# ---- the second stage -----------------------------------------------------------------------


def _region(region: Region, model: FasterRCNN) -> list[Line]:
    pool: Any = model.roi_heads.box_roi_pool
    bins, ratio = pool.output_size, pool.sampling_ratio
    width, height = region.box[2] - region.box[0], region.box[3] - region.box[1]
    low, high = region.limits
    out = [
        line("region.level", "k = ⌊{k0} + log₂(√({w} · {h}) / {s0}) + 10⁻⁶⌋ = ⌊{exact}⌋ = {k}",
             k0=pool.canonical_level, w=width, h=height, s0=pool.canonical_scale,
             exact=region.exact_level, k=math.floor(region.exact_level)),
        line("region.map", "clip({k}, {low}, {high}) = {level}; 1/{stride} = {scale}",
             k=math.floor(region.exact_level), low=low, high=high, level=region.level + low,
             stride=1 / region.scale, scale=region.scale),
        line("region.box", "(x₁, y₁, x₂, y₂) · {scale} = " + _BOX, scale=region.scale,
             **corners([v * region.scale for v in region.box])),
        line("region.bin", "{width} / {columns} × {height} / {rows} = {across} × {down}",
             width=max(width * region.scale, 1.0), columns=bins[1],
             height=max(height * region.scale, 1.0), rows=bins[0], across=region.across.step,
             down=region.down.step),
    ]  # fmt: skip
    row, column = region.worked
    for i in range(ratio):
        for j in range(ratio):
            out.append(_point(region, row * ratio + i, column * ratio + j))
    mean = [region.value(row * ratio + i, column * ratio + j)
            for i in range(ratio) for j in range(ratio)]  # fmt: skip
    terms = {f"v{k}": v for k, v in enumerate(mean)}
    total = " + ".join(f"{{{name}:b}}" if k else f"{{{name}}}" for k, name in enumerate(terms))
    out.append(line("region.mean", f"({total}) / {len(mean)} = {{result}}", **terms,
                    result=float(region.pooled[row, column])))  # fmt: skip
    return out


def _point(region: Region, i: int, j: int) -> Line:
    """One point: its four neighbours with their weights."""
    values: dict[str, float] = {"x": region.across.places[j], "y": region.down.places[i]}
    terms = []
    for a in (0, 1):
        for b in (0, 1):
            row, column = int(region.down.taps[i, a]), int(region.across.taps[j, b])
            n = 2 * a + b
            values[f"r{n}"], values[f"c{n}"] = row, column
            values[f"w{n}"] = float(region.down.weights[i, a] * region.across.weights[j, b])
            values[f"m{n}"] = float(region.map[row, column])
            terms.append(f"{{w{n}}}·{{m{n}:b}} [{{r{n}}}, {{c{n}}}]")
    values["result"] = region.value(i, j)
    return line(f"region.point.{i}.{j}", f"({{x}}, {{y}}): {' + '.join(terms)} = {{result}}",
                **values)  # fmt: skip


def _classes(found: Capture, origin: Origin) -> list[Line]:
    logits = np.asarray(found.logits[origin.proposal], np.float64)
    most = logits.max()
    total = float(np.exp(logits - most).sum())
    best = np.argsort(-logits, kind="stable")[:CLASSES]
    shown = list(dict.fromkeys([origin.label, *best.tolist(), 0]))
    out = [line("class.sum", "Σ exp(l − {most:b}) = {total}", most=most, total=total)]
    return out + [
        line(f"class.{k}", "exp({logit} − {most:b}) / {total} = {p}", logit=logits[k], most=most,
             total=total, p=math.exp(logits[k] - most) / total)
        for k in shown
    ]  # fmt: skip


def _refine(model: FasterRCNN, found: Capture, origin: Origin) -> list[Line]:
    return _decoded(
        "refine", found.codes[origin.proposal, origin.label], model.roi_heads.weights,
        found.first.boxes[origin.first], found.second.boxes[origin.second], found.size,
    )  # fmt: skip


def _selection(model: FasterRCNN, found: Capture, origin: Origin) -> list[Line]:
    heads, second = model.roi_heads, found.second
    score = float(second.scores[origin.second])
    sign = ">" if score > heads.score_thresh else "≤"
    out = [line("selection.score", f"{{p}} {sign} {{threshold}}", p=score,
                threshold=heads.score_thresh)]  # fmt: skip
    if score > heads.score_thresh:
        out += _suppression(second, origin.second, heads.nms_thresh, "selection")
    return out


def _final(found: Capture, origin: Origin) -> list[Line]:
    at = int(np.flatnonzero(found.detections == origin.second)[0])
    down, across = found.scale
    inner = corners(found.second.boxes[origin.second], "i")
    return [
        line("final.box", "({ix1} · {across}, {iy1} · {down}, {ix2} · {across}, {iy2} · {down}) = "
             + _BOX, **inner, across=across, down=down, **corners(found.result["boxes"][at])),
        line("final.score", "{p}", p=found.result["scores"][at]),
    ]  # fmt: skip
