"""What the names in the cards' LaTeX stand for: small calls with values, gradients and indices.

Each case runs an operation on a small sample and names its numbers as the card's formula does.
What a formula takes as given (which windows hold an entry, the residuals of a recurrence) is worked
out here without the operation's gradient rule.
"""

from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import View, apply
from chainrule.ops.op import REGISTRY

R = np.random.default_rng(7)


class Case(NamedTuple):
    """names: what formulas may speak of. gradients: input → (gradient, names of its indices).
    ranges: how far summed indices run. free: indices that statements hold for, and how far."""

    names: dict[str, Any]
    gradients: dict[str, tuple[Any, str]]
    ranges: dict[str, Any] = {}
    free: dict[str, int] = {}


def draw(*shape, low=-1.5, high=1.5):
    return R.uniform(low, high, shape)


def ints(*values):
    return np.array(values, np.int64)


def ran(function, *inputs, **params):
    """Results, their random gradients, and the gradients of the inputs (None for integers)."""
    tensors = [
        None if x is None else cr.tensor(x, requires_grad=x.dtype.kind == "f") if
        isinstance(x, np.ndarray) else x for x in inputs
    ]  # fmt: skip
    found = function(*tensors, **params)
    results = [y for y in (found if isinstance(found, tuple) else (found,)) if y._rg]
    given = [R.normal(size=y.shape) for y in results]
    sum((y * cr.tensor(g)).sum() for y, g in zip(results, given, strict=True)).backward()
    back = [x.grad.numpy() if isinstance(x, cr.Tensor) and x.grad is not None else None
            for x in tensors]  # fmt: skip
    values = [y.detach().numpy() for y in results]
    return (values[0], given[0], back) if len(values) == 1 else (values, given, back)


def op(name):
    kind = REGISTRY[name]
    return lambda *inputs, **params: apply(kind, *inputs, **kind.validate(params))


def linear_map(function, x):
    """The matrix a of a linear function: a[p, i] = what entry i of x adds to result p."""
    columns = []
    for i in range(x.size):
        one = np.zeros(x.size)
        one[i] = 1.0
        with cr.no_grad():
            columns.append(function(cr.tensor(one.reshape(x.shape))).numpy().ravel())
    return np.stack(columns, 1)


def mapped(function, x, **names):
    """A case of a linear operation: x_i, g_p, a_{p,i}, and which results hold which entries."""
    y, g, (dx,) = ran(function, x)
    a = linear_map(function, x)
    names = {"x": x.ravel(), "g": g.ravel(), "a": a, "y": y.ravel(), "∂L/∂x": dx.ravel(),
             "ni": lambda p, i: a[p, i] != 0, "to": lambda j, i: a[j, i] != 0} | names  # fmt: skip
    ranges = {"p": y.size, "i": x.size, "j": y.size}
    return [Case(names, {"x": (dx.ravel(), "i"), "g": (dx.ravel(), "p")}, ranges, {"i": x.size})]


# ---- activations, reductions, running results ------------------------------------------------


def prelu():
    x, w = draw(3, 2, 4), draw(2)
    _, g, (_, dw) = ran(op("prelu"), x, w)
    return [Case({"x": x, "g": g, "sum": lambda v: v.sum((0, 2))}, {"weight": (dw, "")})]


def glu():
    x = draw(3, 6)
    _, g, (dx,) = ran(op("glu"), x)
    a, b = x[:, :3], x[:, 3:]
    names = {"a": a, "b": b, "g": g, "sigma": lambda v: 1 / (1 + np.exp(-v))}
    names |= {"∂L/∂a": dx[:, :3], "∂L/∂b": dx[:, 3:]}
    return [Case(names, {"x": (dx, "")})]


def along(name, **more):
    x = draw(5, low=0.4)
    y, g, (dx,) = ran(op(name), x, dim=0)
    names = {"x": x, "y": y, "g": g, "∂L/∂x": dx, "e": None, **more.get("names", {})}
    if "places" in more:
        names["k"] = more["places"](x)
    ranges = {"j": 5, "k": 5}
    return [Case(names, {"x": (dx, "i")}, ranges, {"i": 5, "j": 5})]


def prod():
    x = draw(5)
    y, g, (dx,) = ran(op("prod"), x)
    names = {"x": x, "g": float(g), "y": y, "∂y/∂x": dx / float(g)}
    return [Case(names, {"x": (dx, "i")}, {"j": 5}, {"i": 5})]


def running(best):
    return lambda x: ints(*(best(x[: j + 1]) for j in range(len(x))))


def recurrence():
    a, x = draw(6), draw(6)
    y, g, (da, dx) = ran(op("linear_recurrence"), a, x, dim=0)
    bar = g.copy()
    for t in range(4, -1, -1):
        bar[t] += a[t + 1] * bar[t + 1]
    names = {"a": a, "x": x, "y": y, "g": g, "bar g": bar, "∂L/∂x": dx, "∂L/∂a": da}
    return [Case(names, {"x": (dx, "t"), "factor": (da, "t")}, {}, {"t": 6})]


def median(name):
    x = draw(5)
    if name == "nanmedian":
        x[1] = np.nan
    y, g, (dx,) = ran(op(name), x)
    return [Case({"g": float(g), "middle": int(np.argmax(x == y))}, {"x": (dx, "i")})]


def quantile(name):
    x, q = draw(5), np.array([0.37])
    y, g, (dx, dq) = ran(op(name), x, q)
    h, order = q[0] * 4, np.argsort(x)
    k, el = int(order[int(h)]), int(order[int(h) + 1])
    names = {"x": x, "y": y[0], "g": g[0], "q": q[0], "n": 5, "h": h, "a": h - int(h), "k": k,
             "l": el, "∂y/∂x": dx / g[0], "∂y/∂q": dq[0] / g[0], "lfloor": None}  # fmt: skip
    return [Case(names, {"x": (dx, "i"), "o": (dq[0], "")}, {}, {"i": 5})]


# ---- windows, shapes -------------------------------------------------------------------------


def windows(name):
    size = {"window": (3,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)}
    if name in ("windows_sum", "windows_unfold"):
        x = draw(1, 1, 7)
    else:
        shape = (1, 1, 3) if name == "windows_sum_adjoint" else None
        size["size"] = (7,)
        if shape is None:
            shape = apply(REGISTRY["windows_unfold"], cr.tensor(draw(1, 1, 7)),
                          **{k: v for k, v in size.items() if k != "size"}).shape  # fmt: skip
        x = draw(*shape)
    function = lambda t: apply(REGISTRY[name], t, **size)  # noqa: E731
    case = mapped(function, x)[0]
    a = case.names["a"]
    dx = case.gradients["x"][0]
    names = case.names | {"h": case.names["g"], "ni": lambda p, i: a[i, p] != 0}
    names |= {"windows_fold": lambda g: a.T @ g, "windows_unfold": lambda g: a.T @ g}
    if name == "windows_sum_adjoint":
        return [Case(names, {"g": (dx, "p")}, {"i": 7}, {})]
    if name == "windows_sum":
        names["ni"] = lambda p, i: a[p, i] != 0
        return [Case(names, {"x": (dx, "i")}, case.ranges, {"i": 7})]
    return [Case(names, {"x": (dx, "")})]


def image(name):
    if name == "unfold":
        function = lambda t: F.unfold(t, 2, padding=1)  # noqa: E731
        case = mapped(function, draw(1, 1, 3, 3))[0]
    else:
        function = lambda t: F.fold(t, (3, 3), 2)  # noqa: E731
        case = mapped(function, draw(1, 4, 4))[0]
    a = case.names["a"]
    names = case.names | {"fold": lambda g: a.T @ g, "unfold": lambda g: a.T @ g}
    return [Case(names, {"x": (case.gradients["x"][0], "")})]


def pool(function, x, **names):
    case = mapped(function, x)[0]
    counts = (case.names["a"] != 0).sum(1)
    return [case._replace(names=case.names | {"m": float(counts[0]), "m_p": None} | names)]


def average(dims, fitted):
    x = draw(1, 1, *(5,) * dims)
    function = getattr(F, f"adaptive_avg_pool{dims}d" if fitted else f"avg_pool{dims}d")
    case = mapped(lambda t: function(t, 3 if fitted else 2), x)[0]
    counts = (case.names["a"] != 0).sum(1).astype(float)
    names = {k: v for k, v in case.names.items() if k != "a"}
    return [case._replace(names=names | {"m": counts if fitted else counts[0]})]


def powers(dims):
    x = draw(1, 1, *(5,) * dims, low=0.3)
    function = getattr(F, f"lp_pool{dims}d")
    y, g, (dx,) = ran(lambda t: function(t, 3.0, 2), x)
    a = linear_map(lambda t: getattr(F, f"avg_pool{dims}d")(t, 2), x)
    names = {"x": x.ravel(), "y": y.ravel(), "g": g.ravel(), "q": 3.0, "∂L/∂x": dx.ravel(),
             "ni": lambda p, i: a[p, i] != 0}  # fmt: skip
    return [Case(names, {"x": (dx.ravel(), "i")}, {"p": y.size, "i": x.size}, {"p": y.size})]


def maxima():
    x, k = draw(1, 1, 4), ints([0, 2, 2]).reshape(1, 1, 3)
    _, g, (dx, _) = ran(op("max_pool"), x, k, axes=1)
    names = {"g": g[0, 0], "k": k[0, 0], "∂L/∂x": dx[0, 0]}
    return [Case(names, {"x": (dx[0, 0], "i")}, {"p": 3}, {"i": 4})]


def unpool():
    x, k = draw(1, 3), ints(0, 2, 5).reshape(1, 3)
    _, g, (dx, _) = ran(op("max_unpool"), x, k, size=(6,))
    names = {"g": g[0], "k": k[0], "∂L/∂x": dx[0]}
    return [Case(names, {"x": (dx[0], "p")}, {}, {"p": 3})]


def reshaped(name, x, **params):
    """The way back of a rearrangement: the same entries in the shape of the input."""
    y, g, (dx,) = ran(op(name), x, **params)
    a = linear_map(lambda t: op(name)(t, **params), x)

    def back(value, *_):
        return (a.T @ value.ravel()).reshape(x.shape)

    words = ("reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "flip", "permute",
             "permute^-1", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle")  # fmt: skip
    names = dict.fromkeys(words, back) | {"g": g, "C": x.shape[1] if x.ndim > 1 else 1.0,
                                          "groups": 2.0, "x": x, "y": y}  # fmt: skip
    return [Case(names, {"x": (dx, "")})]


def expand():
    x = draw(3, 1)
    y, g, (dx,) = ran(op("expand"), x, size=(3, 4))
    names = {"x": x[:, 0], "y": y, "g": g, "∂L/∂x": dx[:, 0]}
    return [Case(names, {"x": (dx[:, 0], "i")}, {"j": 4}, {"i": 3, "j": 4})]


def slices():
    x = draw(8)
    _, g, (dx,) = ran(op("slice"), x, key=(slice(1, 7, 2),))
    return [Case({"g": g, "a": 1, "s": 2}, {"x": (dx, "i")}, {"k": 3})]


def unslice():
    x = draw(3)
    _, g, (dx,) = ran(op("unslice"), x, key=(slice(1, 7, 2),), size=(8,))
    return [Case({"g": g, "a": 1, "s": 2}, {"x": (dx, "k")})]


def diagonal():
    x = draw(3, 3)
    _, g, (dx,) = ran(op("diagonal"), x)
    return [Case({"g": g}, {"x": (dx, "ij")})]


def constant_pad():
    x = draw(4)
    y, g, (dx,) = ran(op("constant_pad"), x, width=((2, 1),))
    return [Case({"g": g, "l": 2, "∂L/∂x": dx, "y": y}, {"x": (dx, "i")}, {}, {"i": 4})]


def cat():
    a, b = draw(2), draw(3)
    y, g, (_, db) = ran(lambda p, q: cr.cat([p, q]), a, b)
    names = {"g": g, "y": y, "x": lambda k, i: b[i], "n_k": 2, "k": 1,
             "∂L/∂x": lambda k, i: db[i]}  # fmt: skip
    return [Case(names, {"x": (db, "i")}, {}, {"i": 3})]


def stack():
    a, b = draw(2), draw(2)
    _, g, (_, db) = ran(lambda p, q: cr.stack([p, q]), a, b)
    return [Case({"g": g, "k": 1}, {"x": (db, "")})]


# ---- indices ---------------------------------------------------------------------------------

_I = ints(2, 0, 2, 1)


def picked(function, x, index):
    _, g, (dx, *_) = ran(function, x, index)
    names = {"g": g, "i": index, "∂L/∂x": dx}
    return [Case(names, {"x": (dx, "r"), "weight": (dx, "r")}, {"k": len(index), "n": len(index)},
                 {"r": x.shape[0]})]  # fmt: skip


def embedding():
    w = draw(4, 2)
    _, g, (dw,) = ran(lambda t: op("embedding")(cr.tensor(_I), t), w)
    names = {"g": g, "i": _I, "∂L/∂W": dw}
    return [Case(names, {"weight": (dw, "r")}, {"n": 4}, {"r": 4})]


def scattered(name):
    k = ints([0, 2, 2], [1, 1, 0]).reshape(2, 3)
    if name == "scatter_add":
        _, g, (_, _, d) = ran(op(name), draw(2, 4), k, draw(2, 3), dim=1)
    else:
        _, g, (d, _) = ran(op(name), draw(2, 3), k, dim=1, size=4)
    return [Case({"g": g, "k": k}, {"x" if name != "scatter_add" else "src": (d, "ij")})]


def index_adjoint():
    _, g, (dx, _) = ran(op("index_adjoint"), draw(4), _I, key=(HOLE,), size=(5,))
    return [Case({"g": g, "i": _I, "∂L/∂x": dx}, {"x": (dx, "k")}, {}, {"k": 4})]


def index_put():
    i = ints(2, 0)
    _, g, (dx, do, _) = ran(op("index_put"), draw(4), draw(2), i, key=(HOLE,), accumulate=False)
    names = {"g": g, "i": i, "∂L/∂x": dx, "∂L/∂o": do}
    return [Case(names, {"x": (dx, "r"), "o": (do, "k")}, {"k": 2}, {"r": 4})]


def view_write():
    view = (View(REGISTRY["slice"]), {"key": (slice(1, 3),)})
    _, g, (dx, do) = ran(op("view_write"), draw(5), draw(2), view=view)
    names = {"g": g, "i": ints(1, 2), "∂L/∂x": dx, "∂L/∂o": do}
    return [Case(names, {"x": (dx, "r"), "o": (do, "k")}, {"k": 2}, {"r": 5})]


def reduced():
    out = []
    for kind in ("sum", "mean", "prod", "amax"):
        x, s, i = draw(3), draw(4), _I
        y, g, (dx, _, ds) = ran(op("scatter_reduce"), x, i, s, dim=0, reduce=kind)
        counts = 1 + np.bincount(i, minlength=3)

        slope = {"sum": lambda v, r: 1.0, "mean": lambda v, r, n=counts: 1 / n[r],
                 "prod": lambda v, r, y=y: y[r] / v,
                 "amax": lambda v, r, y=y: float(v == y[r])}[kind]  # fmt: skip
        names = {"g": g, "i": i, "d": np.array([slope(v, r) for r, v in enumerate(x)]),
                 "d'": np.array([slope(v, r) for r, v in zip(i, s, strict=True)])}  # fmt: skip
        out.append(Case(names, {"x": (dx, "r"), "src": (ds, "k")}))
    return out


CASES = {
    "prelu": prelu, "glu": glu, "prod": prod, "linear_recurrence": recurrence, "expand": expand,
    "cumsum": lambda: along("cumsum"), "cumprod": lambda: along("cumprod"),
    "logcumsumexp": lambda: along("logcumsumexp"),
    "cummax": lambda: along("cummax", places=running(np.argmax)),
    "cummin": lambda: along("cummin", places=running(np.argmin)),
    **{n: (lambda n=n: median(n)) for n in ("median", "nanmedian")},
    **{n: (lambda n=n: quantile(n)) for n in ("quantile", "nanquantile")},
    **{n: (lambda n=n: windows(n)) for n in ("windows_sum", "windows_sum_adjoint",
                                             "windows_unfold", "windows_fold")},
    "unfold": lambda: image("unfold"), "fold": lambda: image("fold"),
    **{f"avg_pool{d}d": (lambda d=d: average(d, False)) for d in (1, 2, 3)},
    **{f"adaptive_avg_pool{d}d": (lambda d=d: average(d, True)) for d in (1, 2, 3)},
    **{f"lp_pool{d}d": (lambda d=d: powers(d)) for d in (1, 2, 3)},
    "max_pool": maxima, "max_unpool": unpool,
    "reshape": lambda: reshaped("reshape", draw(2, 3), shape=(3, 2)),
    "permute": lambda: reshaped("permute", draw(2, 3, 2), dims=(1, 2, 0)),
    "transpose": lambda: reshaped("transpose", draw(2, 3), dim0=0, dim1=1),
    "t": lambda: reshaped("t", draw(2, 3)),
    "flatten": lambda: reshaped("flatten", draw(2, 3)),
    "unflatten": lambda: reshaped("unflatten", draw(2, 6), dim=1, sizes=(2, 3)),
    "squeeze": lambda: reshaped("squeeze", draw(2, 1), dim=(1,)),
    "unsqueeze": lambda: reshaped("unsqueeze", draw(2, 3), dim=1),
    "flip": lambda: reshaped("flip", draw(2, 3), dims=(1,)),
    "pixel_shuffle": lambda: reshaped("pixel_shuffle", draw(1, 4, 2, 2), upscale_factor=2),
    "pixel_unshuffle": lambda: reshaped("pixel_unshuffle", draw(1, 1, 4, 4), downscale_factor=2),
    "channel_shuffle": lambda: reshaped("channel_shuffle", draw(1, 4, 2), groups=2),
    "slice": slices, "unslice": unslice, "diagonal": diagonal, "constant_pad": constant_pad,
    "cat": cat, "stack": stack, "embedding": embedding, "index_put": index_put,
    "pad": lambda: mapped(lambda t: F.pad(t, (2, 1), "reflect"), draw(1, 1, 4)),
    "interpolate": lambda: mapped(
        lambda t: F.interpolate(t, scale_factor=2, mode="linear"), draw(1, 1, 4)),
    "take_along_dim": lambda: picked(lambda x, i: op("take_along_dim")(x, i, dim=0),
                                     draw(3), _I),
    "gather": lambda: picked(lambda x, i: op("gather")(x, i, dim=0), draw(3), _I),
    "index_select": lambda: picked(
        lambda x, i: op("index_select")(x, i, dim=0), draw(3), _I),
    "index": lambda: picked(lambda x, i: op("index")(x, i, key=(HOLE,)), draw(3), _I),
    **{n: (lambda n=n: scattered(n)) for n in ("scatter_add", "put_along_dim_add")},
    "index_adjoint": index_adjoint, "view_write": view_write, "scatter_reduce": reduced,
}  # fmt: skip
