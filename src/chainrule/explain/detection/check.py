"""Every printed number of a trail against the same number computed again; see `again.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.text import t
from chainrule.explain.detection.again import Again, disagreements, moved, share
from chainrule.explain.detection.capture import UNFIT
from chainrule.explain.detection.lines import Line, Stage

if TYPE_CHECKING:
    from chainrule.explain.detection.trail import Origin

#: A number is right if it is that near: relative, and where it is nearly 0, by rounding.
RELATIVE, ROUNDING = 1e-4, 3e-6


class LineCheck(NamedTuple):
    """right; error: relative, the largest of the line's numbers; wrong: their names."""

    right: bool
    error: float
    wrong: tuple[str, ...]

    @property
    def mark(self) -> str:
        """`✓ 3e-07`"""
        sign = "✓" if self.right else "✗"
        if not self.error or not math.isfinite(self.error):
            return sign
        return f"{sign} {self.error:.0e}"


class Checked(NamedTuple):
    """What `verify` found. lines: for each detection the checks of its lines by key; wrong: what is
    wrong, named; worst: the largest relative error."""

    lines: dict[int, dict[str, LineCheck]]
    wrong: list[str]
    worst: float

    @property
    def right(self) -> bool:
        """Whether everything is."""
        return not self.wrong

    @property
    def total(self) -> int:
        """How many lines were checked."""
        return sum(len(each) for each in self.lines.values())

    def __str__(self) -> str:
        good = sum(each.right for lines in self.lines.values() for each in lines.values())
        text = t(
            "✓ {good} of {all} lines agree with float64 NumPy (largest relative error "
            "{error:.1e}).",
            good=good, all=self.total, error=self.worst,
        )  # fmt: skip
        if self.wrong:
            text = t("✗ Wrong: {names}.", names="; ".join(self.wrong)) + "\n" + text
        return text


def check_trail(again: Again, origin: Origin, stages: list[Stage]) -> dict[str, LineCheck]:
    """The checks of all lines of a trail, by key."""
    size = max(again.found.canvas)
    return {
        line.key: _compared(line, expected(again, origin, line), size)
        for stage in stages
        for line in stage.lines
    }


def _compared(line: Line, wanted: dict[str, float], size: int) -> LineCheck:
    worst, wrong = 0.0, []
    for name, value in line.values.items():
        other = wanted.get(name)
        if other is None:
            wrong.append(name)
            continue
        far, tiny = abs(value - other), _slack(line.key, name, wanted, size)
        if not far <= RELATIVE * max(abs(other), abs(value)) + tiny:
            wrong.append(name)
        scale = max(abs(other), tiny / RELATIVE)
        worst = max(worst, far / scale if math.isfinite(far) else math.inf)
    return LineCheck(not wrong, worst, tuple(wrong))


#: Numbers in pixels, whose rounding grows with the image.
_PIXELS = {
    *("x", "y", "w", "h", "start", "result", "x1", "y1", "x2", "y2", "ix1", "iy1", "ix2", "iy2"),
    *("width", "height"),
}


def _slack(key: str, name: str, wanted: dict[str, float], size: int) -> float:
    """How far a number may be off that is nearly 0: of probabilities nothing, of what is read from
    a map by its largest value there, of coordinates by the size of the image, of the shares of the
    four elements around a point, which are differences of coordinates, by that of the map, and of
    areas and what is made of them by how far their sides may be off."""
    if key.startswith(("region.point", "region.mean")) and name[0] in "rv":
        read = [abs(v) for other, v in wanted.items() if other[0] in "mvr" and other[1:].isdigit()]
        return ROUNDING * max(read, default=1.0) * size
    side = ROUNDING * size
    if name in _PIXELS:
        return side
    if name in ("a", "b", "shared"):
        return side * wanted[f"around {name}"]
    if name == "iou" and "shared" in wanted:
        union = max(wanted["a"] + wanted["b"] - wanted["shared"], side)
        around = wanted["around a"] + wanted["around b"] + 2 * wanted["around shared"]
        return ROUNDING + side * around / union
    if name == "exact":
        return ROUNDING + side * (1 / max(wanted["w"], side) + 1 / max(wanted["h"], side))
    if key.startswith("region.point") and name[0] == "w":
        return ROUNDING * size / 8
    return 1e-10 if name in ("p", "threshold") else ROUNDING


def check_tables(again: Again) -> list[str]:
    """What is wrong with the boxes that no trail shows: decoding and suppression of all of them."""
    found, model = again.found, again.model
    wrong = []
    slack = 10 * ROUNDING * max(found.canvas)
    far = 0.0
    for k in range(len(found.anchors)):
        level = found.levels[int(found.first.group[k])]
        codes = np.asarray(level.codes[found.anchors[k]], np.float64)
        box = again.clipped(moved(codes, again.anchor(k)))
        far = max(far, float(np.abs(box - found.first.boxes[k]).max()))
    if not far <= slack:
        wrong.append(t("the boxes of the first stage"))
    classes = found.logits.shape[1] - 1
    weights, far = np.array(model.roi_heads.weights), 0.0
    for k in np.flatnonzero(found.second.state != UNFIT).tolist():
        proposal, label = divmod(k, classes)
        codes = np.asarray(found.codes[proposal, label + 1], np.float64) / weights
        start = np.asarray(found.first.boxes[found.proposals[proposal]], np.float64)
        box = again.clipped(moved(codes, start))
        far = max(far, float(np.abs(box - found.second.boxes[k]).max()))
    if not far <= slack:
        wrong.append(t("the boxes of the second stage"))
    for stage, boxes, threshold in (
        ("suppression", found.first, model.rpn.nms_thresh),
        ("selection", found.second, model.roi_heads.nms_thresh),
    ):
        for k in disagreements(boxes, again.walk(stage), threshold)[:3]:
            name = t("box {k} in the first suppression", k=k)
            if stage == "selection":
                name = t("box {k} in the last suppression", k=k)
            wrong.append(name)
    return wrong


# ---- what a line should say -----------------------------------------------------------------


def expected(again: Again, origin: Origin, line: Line) -> dict[str, float]:
    """The numbers of a line, computed again."""
    stage, _, rest = line.key.partition(".")
    return _OF_STAGE[stage](again, origin, rest, line)


def _box(box: Any, prefix: str = "") -> dict[str, float]:
    return {f"{prefix}{axis}{k}": float(box[2 * k - 2 + i]) for k in (1, 2)
            for i, axis in enumerate("xy")}  # fmt: skip


def _anchor(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    box = again.anchor(origin.first)
    generator, found = again.model.rpn.anchor_generator, again.found
    of = found.levels[origin.level]
    strides = found.canvas[0] // of.rows, found.canvas[1] // of.columns
    row, column = divmod(int(found.anchors[origin.first]) // len(of.cell), of.columns)
    pairs = [(s, r) for r in generator.aspect_ratios[origin.level]
             for s in generator.sizes[origin.level]]  # fmt: skip
    size, ratio = pairs[int(found.anchors[origin.first]) % len(pairs)]
    half = (box[2:] - box[:2]) / 2
    centre = (box[2:] + box[:2]) / 2
    return {
        "width": {"size": size, "ratio": ratio, "half": half[0]},
        "height": {"size": size, "ratio": ratio, "half": half[1]},
        "x": {"column": column, "stride": strides[1], "x": centre[0]},
        "y": {"row": row, "stride": strides[0], "y": centre[1]},
        "box": _box(box),
    }[rest]  # fmt: skip


def _score(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    logit = again.first(origin.first)[0]
    if rest == "probability":
        return {"logit": logit, "p": 0.5 * (1 + math.tanh(logit / 2))}
    # Its place among the logits of the map, sorted; those nearer than rounding may change places.
    logits = np.sort(np.asarray(again.found.levels[origin.level].logits, np.float64))[::-1]
    mine = again.found.levels[origin.level].logits[again.found.anchors[origin.first]]
    better = int(np.searchsorted(-logits, -float(mine)))
    most = again.model.rpn.pre_nms_top_n()
    return {"better": better, "rank": better + 1, "most": min(most, len(logits))}


def _decode(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    _, codes, anchor, box = again.first(origin.first)
    return _decoded(again, rest, codes, np.ones(4), anchor, box)


def _refine(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    codes = again.second(origin.proposal)[1][origin.label]
    start = again.first(origin.first)[3]
    weights = np.array(again.model.roi_heads.weights)
    return _decoded(again, rest, codes, weights, start, again.refined(origin.second))


def _decoded(
    again: Again, rest: str, codes: Any, weights: Any, start: Any, box: Any
) -> dict[str, float]:
    d = codes / weights
    whole = moved(d, start)
    size, centre = start[2:] - start[:2], (start[2:] + start[:2]) / 2
    new_size, new_centre = whole[2:] - whole[:2], (whole[2:] + whole[:2]) / 2
    limit = math.log(1000 / 16)
    return {
        "offsets": {
            **dict(zip(("tx", "ty", "tw", "th"), codes, strict=True)),
            **dict(zip(("wx", "wy", "ww", "wh"), weights, strict=True)),
            **dict(zip(("dx", "dy", "dw", "dh"), d, strict=True)),
        },
        "from": {"x": centre[0], "y": centre[1], "w": size[0], "h": size[1]},
        "x": {"start": centre[0], "d": d[0], "w": size[0], "x": new_centre[0]},
        "y": {"start": centre[1], "d": d[1], "h": size[1], "y": new_centre[1]},
        "width": {"start": size[0], "d": d[2], "limit": limit, "result": new_size[0]},
        "height": {"start": size[1], "d": d[3], "limit": limit, "result": new_size[1]},
        "corners": _box(whole),
        "box": {"width": again.found.size[1], "height": again.found.size[0], **_box(box)},
    }[rest]


def _suppression(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    stage = line.key.partition(".")[0]
    model = again.model
    if rest == "score":
        heads = model.roi_heads
        return {"p": again.softmax(origin.proposal)[origin.label], "threshold": heads.score_thresh}
    threshold = model.rpn.nms_thresh if stage == "suppression" else model.roi_heads.nms_thresh
    me = origin.first if stage == "suppression" else origin.second
    by, most = again.walk(stage)
    if rest == "kept":
        return {"iou": most[me], "threshold": threshold}
    if rest == "count":
        return {"count": float((by == me).sum())}
    one, other = (me, int(by[me])) if rest == "by" else (int(rest.partition(".")[2]), me)
    a, b = again.box(stage, one), again.box(stage, other)
    sides = [max(min(a[k + 2], b[k + 2]) - max(a[k], b[k]), 0.0) for k in (0, 1)]
    return {
        "width": sides[0], "height": sides[1], "a": float(np.prod(a[2:] - a[:2])),
        "b": float(np.prod(b[2:] - b[:2])), "shared": sides[0] * sides[1], "iou": share(a, b),
        "threshold": threshold, "around a": float(np.sum(a[2:] - a[:2])),
        "around b": float(np.sum(b[2:] - b[:2])), "around shared": sum(sides),
    }  # fmt: skip


def _region(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    pool: Any = again.model.roi_heads.box_roi_pool
    box = again.first(origin.first)[3]
    exact, level = again.level(box)
    stride = again.strides()[level]
    lowest, highest = (round(math.log2(again.strides()[k])) for k in (0, -1))
    rows, columns = pool.output_size
    inner = box / stride
    width, height = (max(inner[k + 2] - inner[k], 1.0) for k in (0, 1))
    if rest == "level":
        return {"k0": pool.canonical_level, "w": box[2] - box[0], "h": box[3] - box[1],
                "s0": pool.canonical_scale, "exact": exact, "k": math.floor(exact)}  # fmt: skip
    if rest == "map":
        return {"k": math.floor(exact), "low": lowest, "high": highest, "level": level + lowest,
                "stride": stride, "scale": 1 / stride}  # fmt: skip
    if rest == "box":
        return {"scale": 1 / stride, **_box(inner)}
    if rest == "bin":
        return {"width": width, "columns": columns, "height": height, "rows": rows,
                "across": width / columns, "down": height / rows}  # fmt: skip
    channel = _channel(again, origin)
    values = np.asarray(again.found.features[again.names()[level]][channel], np.float64)
    ratio = pool.sampling_ratio
    if rest == "mean":
        pooled = again.second(origin.proposal)[2][channel]
        row, column = np.unravel_index(int(np.abs(pooled).argmax()), pooled.shape)
        points = [_read(values, inner, int(row) * ratio + i, int(column) * ratio + j, pool)[2]
                  for i in range(ratio) for j in range(ratio)]  # fmt: skip
        named = {f"v{k}": v for k, v in enumerate(points)}
        return {**named, "result": float(pooled[row, column])}
    i, j = (int(k) for k in rest.split(".")[1:])
    x, y, total = _read(values, inner, i, j, pool)
    out = {"x": x, "y": y, "result": total}
    # A point that is more than one element outside is not read.
    read = -1 <= x <= values.shape[1] and -1 <= y <= values.shape[0]
    near_x = min(max(x, 0.0), values.shape[1] - 1)
    near_y = min(max(y, 0.0), values.shape[0] - 1)
    used: set[tuple[int, int]] = set()
    for n in range(4):
        r, c = int(line.values[f"r{n}"]), int(line.values[f"c{n}"])
        weight = max(0.0, 1 - abs(r - near_y)) * max(0.0, 1 - abs(c - near_x))
        # At the border both neighbours are the same element: the first takes all.
        out[f"w{n}"] = weight if read and (r, c) not in used else 0.0
        used.add((r, c))
        out[f"r{n}"], out[f"c{n}"], out[f"m{n}"] = r, c, float(values[r, c])
    return out


def _channel(again: Again, origin: Origin) -> int:
    """The channel that varies most within the region."""
    pooled = again.found.pooled[origin.proposal]
    return int((pooled.max((1, 2)) - pooled.min((1, 2))).argmax())


def _read(values: Any, box: Any, i: int, j: int, pool: Any) -> tuple[float, float, float]:
    """Where a point is, x and y, and what is read there."""
    rows, columns = pool.output_size
    ratio = pool.sampling_ratio
    places = []
    for k, at, bins in ((0, j, columns), (1, i, rows)):
        step = max(box[k + 2] - box[k], 1.0) / bins
        places.append(box[k] + (at + 0.5) * step / ratio)
    x, y = places
    if not (-1 <= x <= values.shape[1] and -1 <= y <= values.shape[0]):
        return x, y, 0.0
    hat = [np.maximum(0, 1 - np.abs(np.arange(n) - min(max(at, 0.0), n - 1)))
           for at, n in ((y, values.shape[0]), (x, values.shape[1]))]  # fmt: skip
    return x, y, float(hat[0] @ values @ hat[1])


def _class(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    logits = again.second(origin.proposal)[0]
    total = float(np.exp(logits - logits.max()).sum())
    if rest == "sum":
        return {"most": logits.max(), "total": total}
    p = again.softmax(origin.proposal)[int(rest)]
    return {"logit": logits[int(rest)], "most": logits.max(), "total": total, "p": p}


def _final(again: Again, origin: Origin, rest: str, line: Line) -> dict[str, float]:
    if rest == "score":
        return {"p": again.softmax(origin.proposal)[origin.label]}
    box = again.refined(origin.second)
    height, width = again.found.image.shape[-2:]
    across, down = width / again.found.size[1], height / again.found.size[0]
    whole = box * np.array([across, down, across, down])
    return {**_box(box, "i"), "across": across, "down": down, **_box(whole)}


_OF_STAGE = {
    "anchor": _anchor, "score": _score, "decode": _decode, "suppression": _suppression,
    "region": _region, "class": _class, "refine": _refine, "selection": _suppression,
    "final": _final,
}  # fmt: skip
