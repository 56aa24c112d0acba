"""What the names in the cards' LaTeX stand for: boxes and regions of interest."""

import importlib.util
from functools import partial
from pathlib import Path

import numpy as np

_spec = importlib.util.spec_from_file_location(
    "latex_cases", Path(__file__).with_name("latex_cases.py")
)
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
Case, draw, op, ran = base.Case, base.draw, base.op, base.ran

_FIRST = np.array([[0.1, 0.2, 3.1, 2.3], [1.2, 0.7, 4.4, 3.9], [6.0, 6.1, 7.3, 8.2]])
_SECOND = np.array([[0.9, 1.1, 3.8, 3.4], [0.4, 0.5, 1.9, 1.8]])


def numbered(letter, values):
    """r_1, r_2, … of the last axis, each with an axis of its own so that they can be joined."""
    return {f"{letter}_{k + 1}": values[..., k : k + 1] for k in range(values.shape[-1])}


def slope(function, box, k):
    """dfunction/dbox[k], by a central difference (each measure is piecewise quadratic)."""
    h = 1e-5
    up, down = box.copy(), box.copy()
    up[k], down[k] = up[k] + h, down[k] - h
    return (function(up) - function(down)) / (2 * h)


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def shared(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(w, 0.0) * max(h, 0.0)


def union(a, b):
    return area(a) + area(b) - shared(a, b)


def around(a, b):
    return (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))


def overlap(name):
    y, g, (da, db) = ran(op(name), _FIRST, _SECOND)
    measures = {"I": shared, "U": union, "C": around}
    names = {"g": g, "y": y}
    for letter, measure in measures.items():
        names[letter] = np.array([[measure(a, b) for b in _SECOND] for a in _FIRST])
        names[f"∂{letter}/∂a"] = lambda n, m, _, k, f=measure: slope(
            partial(f, b=_SECOND[m]), _FIRST[n], k
        )
        names[f"∂{letter}/∂b"] = lambda n, m, _, k, f=measure: slope(
            partial(f, _FIRST[n]), _SECOND[m], k
        )
    names["∂A/∂a"] = lambda n, _, k: slope(area, _FIRST[n], k)
    names["∂B/∂b"] = lambda m, _, k: slope(area, _SECOND[m], k)
    ranges = {"n": 3, "m": 2}
    return [Case(names, {"boxes1": (da, "nk"), "boxes2": (db, "mk")}, ranges),
            *(pair(name, a, b) for a in _FIRST for b in _SECOND)]  # fmt: skip


def pair(name, a, b):
    """One pair by itself, for the lines of the derivation."""
    y, g, (da, _) = ran(op(name), a[None], b[None])
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    names = {f"{letter}_{k + 1}": box[k] for letter, box in (("a", a), ("b", b)) for k in range(4)}
    names |= {"w": max(0, w), "h": max(0, h), "A": area(a), "B": area(b), "I": shared(a, b),
              "U": union(a, b), "C": around(a, b), "y": float(y[0, 0]),
              "W": max(a[2], b[2]) - min(a[0], b[0]),
              "H": max(a[3], b[3]) - min(a[1], b[1])}  # fmt: skip
    for letter, measure in {"I": shared, "U": union, "C": around}.items():
        values = [slope(lambda q, f=measure: f(q, b), a, k) for k in range(4)]
        names[f"∂{letter}/∂a"] = np.array(values)
        names |= {f"∂{letter}/∂a_{k + 1}": v for k, v in enumerate(values)}
    names["∂A/∂a"] = np.array([slope(area, a, k) for k in range(4)])
    names |= {f"∂A/∂a_{k + 1}": v for k, v in enumerate(names["∂A/∂a"])}
    names["∂y/∂a"] = da[0] / g[0, 0]
    return Case(names, {}, {}, {"k": 4})


def centred(box, tail=""):
    x1, y1, x2, y2 = (box[:, k : k + 1] for k in range(4))
    return {f"x{tail}": (x1 + x2) / 2, f"y{tail}": (y1 + y2) / 2, f"w{tail}": x2 - x1,
            f"h{tail}": y2 - y1}  # fmt: skip


def encoded():
    v = np.array([10.0, 8.0, 5.0, 4.0])
    r, p = _FIRST[:2], _SECOND
    t, g, (dr, dp) = ran(lambda a, b: op("box_encode")(a, b, weights=tuple(v)), r, p)
    names = {**numbered("v", v), **numbered("g", g), **numbered("t", t), **numbered("r", r),
             **numbered("p", p), **centred(r), **centred(p, "_p")}  # fmt: skip
    for which, box in (("r", r), ("p", p)):
        for k in range(4):
            for j in (0, 1, 2, 3):
                seed = np.zeros_like(t)
                seed[:, j] = 1.0
                names[f"∂t_{j + 1}/∂{which}_{k + 1}"] = differences(
                    lambda b, w=which: op("box_encode")(
                        *(_tensors(b, p) if w == "r" else _tensors(r, b)), weights=tuple(v)
                    ).numpy(), box, j, k)  # fmt: skip
    return [Case(names, {"reference": (dr, ""), "proposals": (dp, "")})]


def _tensors(*arrays):
    return [base.cr.tensor(a) for a in arrays]


def differences(function, box, j, k, h=1e-5):
    """d(column j of the result)/d(column k of the boxes), row by row."""
    up, down = box.copy(), box.copy()
    up[:, k], down[:, k] = up[:, k] + h, down[:, k] - h
    return (function(up)[:, j : j + 1] - function(down)[:, j : j + 1]) / (2 * h)


def decoded():
    v, m = np.array([10.0, 8.0, 5.0, 4.0]), 0.3
    c, p = np.array([[0.5, -0.7, 1.2, 2.1], [-0.3, 0.2, 2.4, -1.0]]), _SECOND
    y, g, (dc, dp) = ran(lambda a, b: op("box_decode")(a, b, weights=tuple(v), clip=m), c, p)
    own = centred(p, "_p")
    dx, dy, dw, dh = (c[:, k : k + 1] / v[k] for k in range(4))
    dw, dh = np.minimum(dw, m), np.minimum(dh, m)
    names = {**numbered("v", v), **numbered("g", g), **numbered("c", c), **numbered("p", p),
             **numbered("y", y), **own, "m": m, "d_x": dx, "d_y": dy, "d_w": dw, "d_h": dh,
             "x": own["x_p"] + dx * own["w_p"], "w": own["w_p"] * np.exp(dw),
             "h": own["h_p"] * np.exp(dh), "s_x": g[:, :1] + g[:, 2:3],
             "s_y": g[:, 1:2] + g[:, 3:], "r_x": g[:, 2:3] - g[:, :1],
             "r_y": g[:, 3:] - g[:, 1:2]}  # fmt: skip
    for k in range(4):
        for j in range(4):
            names[f"∂y_{j + 1}/∂c_{k + 1}"] = differences(
                lambda b: op("box_decode")(*_tensors(b, p), weights=tuple(v), clip=m).numpy(),
                c, j, k)  # fmt: skip
    return [Case(names, {"codes": (dc, ""), "boxes": (dp, "")})]


def clipped():
    b = np.array([[-0.5, 0.7, 2.2, 5.1], [0.3, -1.0, 7.0, 2.0]])
    y, g, (d,) = ran(lambda t: op("clip_boxes_to_image")(t, size=(3, 4)), b)
    names = {"b": b, "y": y, "g": g, "s": np.array([4.0, 3.0, 4.0, 3.0]), "∂y/∂b":
             lambda n, k, *_: d[n, k] / g[n, k], "W": 4.0, "H": 3.0}  # fmt: skip
    return [Case(names, {"boxes": (d, "nk")}, {}, {"n": 2, "k": 4})]


# ---- regions of interest --------------------------------------------------------------------


def tent(r):
    return np.maximum(0, 1 - np.abs(r))


def tent_slope(r):
    return -np.sign(r) * (np.abs(r) < 1)


class Read:
    """The points of boxes (K, 5) on maps, weights and slopes, without the operation."""

    def __init__(self, boxes, sizes, scales, levels, bins, ratio):
        points = []
        for b, (_, *box) in enumerate(boxes):
            h, w = sizes[levels[b]]
            s = scales[levels[b]]
            for i in range(bins[0] * ratio):
                for j in range(bins[1] * ratio):
                    down, across = (i + 0.5) / (bins[0] * ratio), (j + 0.5) / (bins[1] * ratio)
                    v = s * ((1 - down) * box[1] + down * box[3]) - 0.5
                    u = s * ((1 - across) * box[0] + across * box[2]) - 0.5
                    rows, columns = np.divmod(np.arange(h * w), w)
                    theta = [0.0, 1 - across, 1 - down, across, down]
                    by_u = tent_slope(u - columns) * tent(v - rows)
                    by_v = tent(u - columns) * tent_slope(v - rows)
                    points.append((b, i // ratio, j // ratio, tent(u - columns) * tent(v - rows),
                                   theta, [0 * by_u, by_u, by_v, by_u, by_v],
                                   (u, v, columns, rows, across)))  # fmt: skip
        self.owner = [p[0] for p in points]
        self.bin = [p[1:3] for p in points]
        self.a = [p[3] for p in points]
        self.theta = np.array([p[4] for p in points])
        self.slope = [np.array(p[5]) for p in points]
        self.place = [p[6] for p in points]


_INSIDE = np.array([[0.0, 0.7, 0.9, 3.3, 2.6], [0.0, 1.2, 0.8, 4.1, 3.2]])


def aligned():
    x = draw(1, 1, 4, 5)
    y, g, (dx, db) = ran(
        lambda a, b: op("roi_align")(a, b, output_size=(2, 1), sampling_ratio=2, aligned=True),
        x, _INSIDE,
    )  # fmt: skip
    read = Read(_INSIDE, [(4, 5)], [1.0], [0, 0], (2, 1), 2)
    q = len(read.owner)
    names = {
        "g": np.array([g[b, 0, i, j] for b, (i, j) in zip(read.owner, read.bin, strict=True)]),
        "a": np.array(read.a), "a'": np.array(read.slope), "theta": read.theta, "x": x.ravel(),
        "m": 4.0, "s": 1.0, "in": lambda point, box: read.owner[int(point)] == box,
    }  # fmt: skip
    return [Case(names, {"x": (dx.ravel(), "i"), "boxes": (db, "bk")}, {"q": q, "i": 20}),
            *_points(read, x, y)]  # fmt: skip


def _points(read, x, y):
    """Each bin by itself, and each point: for the lines of the derivation."""
    bins = list(dict.fromkeys(zip(read.owner, read.bin, strict=True)))
    inside = [[p for p, own in enumerate(zip(read.owner, read.bin, strict=True)) if own == each]
              for each in bins]  # fmt: skip
    a = np.array(read.a)
    names = {"x": x.ravel(), "a": a, "m": 4.0, "in": lambda p, b: int(p) in inside[int(b)],
             "y": np.array([y[b, 0, i, j] for b, (i, j) in bins])}  # fmt: skip
    u, v, columns, rows, across = (np.array(part) for part in zip(*read.place, strict=True))
    cases = [Case(names, {}, {"q": len(a), "i": x.size}, {"b": len(bins)})]
    for p in range(len(a)):
        apart = {"a": a, "u_q": u[p], "v_q": v[p], "q": p, "u": columns[p], "v": rows[p]}
        cases.append(Case(apart, {}, {}, {"i": x.size}))
    return cases


def levels():
    fine, coarse = draw(1, 1, 4, 5), draw(1, 1, 3, 3)
    which, scales = np.array([0, 1]), (1.0, 0.5)
    boxes = np.array([_INSIDE[0], [0.0, 1.6, 1.8, 4.6, 4.5]])
    y, g, (db, _, d0, d1) = ran(
        lambda *t: op("roi_align_levels")(
            *t, output_size=(2, 1), spatial_scales=scales, sampling_ratio=2, aligned=True
        ), boxes, which, fine, coarse,
    )  # fmt: skip
    read = Read(boxes, [(4, 5), (3, 3)], scales, which, (2, 1), 2)
    maps, q = [fine.ravel(), coarse.ravel()], len(read.owner)
    shared_names = {
        "g": np.array([g[b, 0, i, j] for b, (i, j) in zip(read.owner, read.bin, strict=True)]),
        "theta": read.theta, "m": 4.0,
        "in": lambda point, box: read.owner[int(point)] == box,
    }  # fmt: skip
    out = []
    for level, back in enumerate((d0, d1)):
        weights = {"a": lambda p, of, i: read.a[int(p)][int(i)] if which[read.owner[int(p)]] ==
                   of else 0.0, "ell": level}  # fmt: skip
        out.append(Case(shared_names | weights, {"x": (back.ravel(), "i")}, {"q": q}))
    for b in range(2):
        own = maps[which[b]]
        names = shared_names | {
            "s_b": scales[which[b]], "x": own, "b": b,
            "a'": lambda p, k, i: read.slope[int(p)][int(k), int(i)],
        }  # fmt: skip
        out.append(Case(names, {"boxes": (db[b], "k")}, {"q": q, "i": len(own)}))
        bins = {"x": lambda ell, i: maps[int(ell)][int(i)], "ell": which,
                "a": lambda p, i: read.a[int(p)][int(i)], "m": 4.0, "b": b}  # fmt: skip
        for place in ((0, 0), (1, 0)):
            inside = [p for p in range(q) if read.owner[p] == b and read.bin[p] == place]
            out.append(Case(bins | {"y": lambda _, b=b, place=place: y[b, 0, *place],
                                    "in": lambda p, _, inside=inside: int(p) in inside},
                            {}, {"q": q, "i": len(own)}))  # fmt: skip
    return out


def pooled():
    x = draw(1, 1, 4, 5)
    boxes = np.array([[0.0, 0.6, 0.2, 3.3, 2.7], [0.0, 1.2, 1.0, 4.0, 3.0]])
    y, g, (dx, _) = ran(lambda a, b: op("roi_pool")(a, b, output_size=2), x, boxes)
    # All entries differ, so that a result says where it came from.
    k = np.array([int(np.flatnonzero(x.ravel() == v)[0]) for v in y.ravel()])
    names = {"g": g.ravel(), "k": k, "∂L/∂x": dx.ravel()}
    return [Case(names, {"x": (dx.ravel(), "i")}, {"p": y.size}, {"i": x.size})]


CASES = {
    "box_iou": lambda: overlap("box_iou"),
    "generalized_box_iou": lambda: overlap("generalized_box_iou"),
    "box_encode": encoded, "box_decode": decoded, "clip_boxes_to_image": clipped,
    "roi_align": aligned, "roi_align_levels": levels, "roi_pool": pooled,
}  # fmt: skip
