"""What the names in the cards' LaTeX stand for: matrices, normalisation, recurrence, losses."""

import importlib.util
from itertools import pairwise
from itertools import product as every
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F

_spec = importlib.util.spec_from_file_location(
    "latex_cases", Path(__file__).with_name("latex_cases.py")
)
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
Case, draw, ints, op, ran = base.Case, base.draw, base.ints, base.op, base.ran
linear_map, mapped = base.linear_map, base.mapped


def first(found):
    return found[0] if isinstance(found, tuple) else found


def sigma(x):
    return 1 / (1 + np.exp(-x))


# ---- matrices --------------------------------------------------------------------------------


def square():
    return draw(3, 3) + 3 * np.eye(3)


def solve():
    A, B = square(), draw(3, 2)
    X, G, (dA, dB) = ran(op("matrix_solve"), A, B)
    return [Case({"matrices": True, "A": A, "G": G, "X": X}, {"A": (dA, ""), "B": (dB, "")})]


def pseudo():
    out = []
    for shape in ((4, 3), (3, 4)):
        A = draw(*shape)
        _, G, (d,) = ran(op("pseudo_inverse"), A)
        out.append(Case({"matrices": True, "A": A, "G": G, "I": _Identity()}, {"A": (d, "")}))
    return out


class _Identity:
    """An identity matrix of whatever size is needed."""

    def __sub__(self, other):
        return np.eye(len(other)) - other


def determinants(name):
    A = square()
    _, g, (d,) = ran(op(name), A)
    g = g[-1] if name == "log_det" else g  # the sign is flat
    return [Case({"matrices": True, "A": A, "g": g, "G": g}, {"A": (d, "")})]


def cholesky():
    B = draw(3, 3)
    A = B @ B.T + np.eye(3)
    L, G, (d,) = ran(op("cholesky_factor"), A)
    half = np.tril(np.ones((3, 3))) - np.eye(3) / 2
    names = {"matrices": True, "L": L, "G": G, "Phi": lambda M: M * half,
             "sym": lambda M: (M + M.T) / 2}  # fmt: skip
    return [Case(names, {"A": (d, "")})]


def off(values):
    """1/(v_j − v_i) outside the diagonal."""
    gap = values[None, :] - values[:, None] + np.eye(len(values))
    return (1 - np.eye(len(values))) / gap


def eigen():
    B = draw(3, 3)
    A = B + B.T
    (lam, V), (gl, GV), (d,) = ran(op("symmetric_eigen"), A)
    names = {"matrices": True, "V": V, "G_V": GV, "g_lambda": gl, "F": off(lam), "diag": np.diag,
             "sym": lambda M: (M + M.T) / 2}  # fmt: skip
    return [Case(names, {"A": (d, "")})]


def singular():
    out = []
    for shape in ((4, 3), (3, 4)):
        A = draw(*shape)
        (U, S, Vh), (GU, gS, GVh), (d,) = ran(op("singular_values"), A, full=False)
        names = {"matrices": True, "U": U, "V": Vh.T, "S": np.diag(S), "G_U": GU, "G_V": GVh.T,
                 "g_S": gS, "F": off(S * S), "I": _Identity(), "diag": np.diag}  # fmt: skip
        out.append(Case(names, {"A": (d, "")}))
    return out


def triangular():
    A = draw(4, 3)
    (Q, Rr), (GQ, GR), (d,) = ran(op("orthogonal_triangular"), A, full=False)
    names = {"matrices": True, "Q": Q, "R": Rr, "G_Q": GQ, "M": Rr @ GR.T - GQ.T @ Q,
             "copy": lambda M: np.tril(M) + np.tril(M, -1).T}  # fmt: skip
    return [Case(names, {"A": (d, "")})]


def einsum():
    a, b = draw(2, 3), draw(3, 4)
    _, g, (da, _) = ran(lambda p, q: cr.einsum("ij,jk->ik", p, q), a, b)
    names = {"g": g, "o": b, "lettersexchanged": "ik,jk->ij", "einsum": np.einsum}
    return [Case(names, {"x": (da, "")})]


def linear():
    x, w, b = draw(4, 3), draw(2, 3), draw(2)
    _, g, (_, _, db) = ran(F.linear, x, w, b)
    return [Case({"g": g}, {"bias": (db, "")}, {"n": 4})]


def attention():
    q, k, v, m = draw(3, 2), draw(4, 2), draw(4, 2), draw(3, 4)
    _, G, (dq, dk, dv, dm) = ran(
        lambda *t: op("attention")(*t, None, None, scale=0.6)[0], q, k, v, m
    )
    P = np.exp(0.6 * q @ k.T + m)
    P /= P.sum(1, keepdims=True)
    dP = G @ v.T
    names = {"matrices": True, "Q": q, "K": k, "V": v, "G": G, "P": P, "s": 0.6, "∂P": dP,
             "∂S": P * (dP - (dP * P).sum(1, keepdims=True)),
             "sum": lambda a: a.sum(1, keepdims=True)}  # fmt: skip
    return [Case(names, {"query": (dq, ""), "key": (dk, ""), "value": (dv, ""), "bias": (dm, "")})]


# ---- normalisation ---------------------------------------------------------------------------


def normalised(function, x, axes, gamma_shape, *gammas):
    w, b = draw(*gammas), draw(*gammas)
    _, g, (dx, dw, db) = ran(function, x, w, b)
    mu, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    others = tuple(i for i, n in enumerate(gamma_shape) if n == 1)
    names = {"gamma": w.reshape(gamma_shape), "g": g, "varepsilon": 1e-5, "sigma": np.sqrt(var),
             "hat x": (x - mu) / np.sqrt(var + 1e-5),
             "mean": lambda v: v.mean(axes, keepdims=True),
             "sum": lambda v: np.broadcast_to(v, x.shape).sum(others)}  # fmt: skip
    return [Case(names, {"x": (dx, ""), "weight": (dw, ""), "bias": (db, "")})]


def group():
    x = draw(2, 4, 3)
    w, b = draw(4), draw(4)
    _, g, (dx, dw, db) = ran(lambda *t: F.group_norm(t[0], 2, t[1], t[2]), x, w, b)
    x5, g5, w5 = x.reshape(2, 2, 2, 3), g.reshape(2, 2, 2, 3), w.reshape(1, 2, 2, 1)
    mu, var = x5.mean((2, 3), keepdims=True), x5.var((2, 3), keepdims=True)
    names = {"gamma": w5, "g": g5, "varepsilon": 1e-5, "sigma": np.sqrt(var),
             "hat x": (x5 - mu) / np.sqrt(var + 1e-5),
             "mean": lambda v: v.mean((2, 3), keepdims=True),
             "sum": lambda v: v.sum((0, 3)).ravel()}  # fmt: skip
    return [Case(names, {"x": (dx, ""), "weight": (dw, ""), "bias": (db, "")})]


def rms():
    x, w = draw(4, 5), draw(5)
    _, g, (dx, dw) = ran(lambda a, c: F.rms_norm(a, (5,), c, eps=1e-5), x, w)
    r = np.sqrt((x * x).mean(1, keepdims=True) + 1e-5)
    names = {"gamma": w, "g": g, "r": r, "hat x": x / r, "sum": lambda v: v.sum(0),
             "mean": lambda v: v.mean(1, keepdims=True)}  # fmt: skip
    return [Case(names, {"x": (dx, ""), "weight": (dw, "")})]


def response():
    x = draw(1, 5, 1)
    _, g, (dx,) = ran(lambda t: F.local_response_norm(t, 3, 0.2, 0.7, 1.1), x)
    v = x.ravel()
    s = np.array([1.1 + 0.2 / 3 * (v[max(0, c - 1) : c + 2] ** 2).sum() for c in range(5)])
    names = {"x": v, "g": g.ravel(), "s": s, "alpha": 0.2, "beta": 0.7, "n": 3.0,
             "ni": lambda c, i: abs(c - i) <= 1}  # fmt: skip
    return [Case(names, {"x": (dx.ravel(), "i")}, {"c": 5})]


def inference():
    x, m, v, w, b = draw(4, 3), draw(3), draw(3, low=0.5), draw(3), draw(3)
    _, g, (_, dm, dv, dw, db) = ran(
        lambda *t: op("batch_norm_inference")(*t, eps=1e-5), x, m, v, w, b
    )
    names = {"x": x, "g": g, "mu": m, "sigma": np.sqrt(v), "gamma": w, "varepsilon": 1e-5,
             "sum": lambda a: a.sum(0)}  # fmt: skip
    return [Case(names, {"mean": (dm, ""), "var": (dv, ""), "weight": (dw, ""), "bias": (db, "")})]


# ---- convolution -----------------------------------------------------------------------------


def convolution(dims, transposed):
    """One channel: the formulas of the notes for stride 1, by plain correlations."""
    shape = (5,) * dims
    x, w, b = draw(1, 1, *shape), draw(1, 1, *(2,) * dims), draw(1)
    function = getattr(F, f"conv{'_transpose' if transposed else ''}{dims}d")
    _, g, (dx, dw, db) = ran(function, x, w, b)

    def correlate(a, k):
        """Everywhere where k fits into a."""
        out = np.zeros([n - m + 1 for n, m in zip(a.shape, k.shape, strict=True)])
        for place in np.ndindex(out.shape):
            part = a[tuple(slice(p, p + m) for p, m in zip(place, k.shape, strict=True))]
            out[place] = (part * k).sum()
        return out

    def ast(a, k):
        # A kernel is slid over a padded δ, a δ over the input.
        if not transposed and a is delta:
            a = np.pad(a, [(n - 1, n - 1) for n in k.shape])
        return correlate(a, k)

    delta = g[0, 0]
    names = {"delta": delta, "x": x[0, 0], "w": w[0, 0], "rot180": np.flip, "conv": correlate,
             "ast": ast}  # fmt: skip
    return [Case(names, {"x": (dx[0, 0], ""), "weight": (dw[0, 0], "")}, {}),
            Case({"delta": delta.ravel()}, {"bias": (db, "")}, {"p": delta.size})]  # fmt: skip


def adjoint(name):
    """The three sides of a convolution: each gradient is another of them."""
    how = {"stride": (2,), "padding": ((1, 1),), "dilation": (1,), "groups": 1}
    x, w = draw(1, 2, 6), draw(3, 2, 3)
    y = op("conv")(cr.tensor(x), cr.tensor(w), **how).numpy()
    a, b, extra = {"conv": (x, w, {}), "conv_input": (draw(*y.shape), w, {"size": (6,)}),
                   "conv_weight": (x, draw(*y.shape), {"kernel": (3,)})}[name]  # fmt: skip
    _, g, (da, db) = ran(lambda p, q: op(name)(p, q, **how, **extra), a, b)

    def by_maps(wanted, fixed, cotangent, which):
        """Aᵀ of the linear map that the convolution is in x (or in w), written out."""
        if which == "x":
            A = linear_map(lambda t: op("conv")(t, cr.tensor(fixed), **how), x)
        else:
            A = linear_map(lambda t: op("conv")(cr.tensor(fixed), t, **how), w)
        return (A.T @ cotangent.ravel()).reshape(wanted)

    def conv(p, q):
        A = linear_map(lambda t: op("conv")(t, cr.tensor(q), **how), p)
        return (A @ p.ravel()).reshape(y.shape)

    names = {"x": x, "w": w, "g": g, "h": g, "conv": conv,
             "conv_input": lambda c, k: by_maps(x.shape, k, c, "x"),
             "conv_weight": lambda i, c: by_maps(w.shape, i, c, "w")}  # fmt: skip
    if name != "conv":
        # There g is an argument, and h what comes back.
        names["g"] = a if name == "conv_input" else b
    first, second = {"conv": "xw", "conv_input": "gw", "conv_weight": "xg"}[name]
    return [Case(names, {first: (da, ""), second: (db, "")})]


def matrix_of_convolution():
    w = draw(1, 1, 1, 2)
    _, g, (d,) = ran(lambda t: op("convolution_matrix")(t, input_size=(1, 4)), w)
    names = {"g": lambda p, i: g[p, i], "s": 1, "d": 1, "P": 0}
    return [Case(names, {"weight": (d[0, 0, 0], "k")}, {"p": g.shape[0]})]


def sampled():
    x, grid = draw(1, 1, 3, 3), draw(1, 2, 2, 2, low=-0.9, high=0.9)
    _, g, (dx, du) = ran(lambda a, b: F.grid_sample(a, b, align_corners=True), x, grid)
    u = grid.reshape(-1, 2) + 1  # with three entries a side, places are u + 1
    tent = lambda r: np.maximum(0, 1 - np.abs(r))  # noqa: E731
    slope = lambda r: -np.sign(r) * (np.abs(r) < 1)  # noqa: E731
    rows, columns = np.divmod(np.arange(9), 3)
    a = tent(u[:, :1] - columns) * tent(u[:, 1:] - rows)
    by_x = slope(u[:, :1] - columns) * tent(u[:, 1:] - rows)
    names = {"a": a, "a'": by_x, "g": g.ravel(), "x": x.ravel()}
    gradients = {"x": (dx.ravel(), "i"), "grid": (du.reshape(-1, 2)[:, 0], "p")}
    return [Case(names, gradients, {"p": 4, "i": 9})]


def affine():
    theta = draw(1, 2, 3)
    _, g, (d,) = ran(lambda t: F.affine_grid(t, (1, 1, 2, 3), align_corners=True), theta)
    places = [(x, y, 1.0) for y in (-1, 1) for x in (-1, 0, 1)]
    names = {"matrices": True, "g": g.reshape(-1, 2, 1), "b": np.array(places)[:, :, None]}
    return [Case(names, {"theta": (d[0], "")}, {"p": 6})]


# ---- recurrent nets --------------------------------------------------------------------------


def recurrent(kind, projected=False):
    """Residuals δ by a tensor of zeros added to each place that a formula speaks of."""
    T, K, H = 3, 2, 2
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    x, h0, c0 = draw(T, 1, K), draw(1, H), draw(1, H)
    wi, wh, bi, bh = draw(gates * H, K), draw(gates * H, H), draw(gates * H), draw(gates * H)
    wr = draw(H, H) if projected else None
    states = (h0, c0, wr, None) if kind == "lstm" else (h0, None)
    y, g, back = ran(lambda *t: first(op(kind)(*t)), x, wi, wh, bi, bh, *states)
    seeds = g if isinstance(g, list) else [g]
    probes = {n: [cr.zeros(1, gates * H if n in "ab" else H, dtype=cr.float64, requires_grad=True)
                  for _ in range(T)] for n in "abhc"}  # fmt: skip
    h, c = cr.tensor(h0), cr.tensor(c0)
    Wi, Wh, Bi, Bh = map(cr.tensor, (wi, wh, bi, bh))
    kept = {n: [] for n in "hfom" + "z"}
    outputs = []
    for t in range(T):
        kept["h"].append(h.detach().numpy())
        a = cr.tensor(x[t]) @ Wi.T + Bi + probes["a"][t]
        u = h @ Wh.T + Bh + probes["b"][t]
        if kind == "rnn":
            h = cr.tanh(a + u)
        elif kind == "lstm":
            i, f, n, o = (a + u).chunk(4, 1)
            i, f, n, o = i.sigmoid(), f.sigmoid(), n.tanh(), o.sigmoid()
            c = f * c + i * n + probes["c"][t]
            m = o * c.tanh()
            kept["m"].append(m.detach().numpy())
            kept["f"].append(f.detach().numpy())
            kept["o"].append(o.detach().numpy())
            h = m @ cr.tensor(wr).T if projected else m
        else:
            (ar, az, an), (ur, uz, un) = a.chunk(3, 1), u.chunk(3, 1)
            r, z = (ar + ur).sigmoid(), (az + uz).sigmoid()
            n = (an + r * un).tanh()
            kept["z"].append(z.detach().numpy())
            h = (1 - z) * n + z * h
        h = h + probes["h"][t]
        outputs.append(h)
    total = (cr.stack(outputs) * cr.tensor(seeds[0])).sum()
    for final, seed in zip((h, c), seeds[1:], strict=False):
        total = total + (final * cr.tensor(seed.reshape(1, H))).sum()
    total.backward()
    found = {n: np.stack([p.grad.numpy() for p in ps]) for n, ps in probes.items()
             if all(p.grad is not None for p in ps)}  # fmt: skip
    steps = range(T)
    one = {"matrices": True, "delta": 1.0, "W_ih": wi, "W_hh": wh, "tanh": np.tanh}
    # The δ of each formula, and h_t, o_t, f_t counted from 1.
    values = {"x": x, "a": found["a"], "b": found["b"], "z": found["a"],
              "h": np.stack(kept["h"])}  # fmt: skip
    names = one | values | {"z_1": found["a"][0], "b_1": found["b"][0],
                            "h_t-1": lambda: None}  # fmt: skip
    names["h"] = lambda t: kept["h"][t + 1] if t + 1 < T else None
    back = dict(zip(("x", "w_ih", "w_hh", "b_ih", "b_hh", "h0", "c0", "w_hr"), back, strict=False))
    gradients = {"x": (back["x"], "t"), "h0": (back["h0"], "")}
    for name in ("w_ih", "w_hh", "b_ih", "b_hh"):
        gradients[name] = (back[name], "")
    if kind == "lstm":
        names |= {"c_1": found["c"][0], "f_1": kept["f"][0]}
        gradients["c0"] = (back["c0"], "")
    if kind == "gru":
        names |= {"h_1": found["h"][0], "z_1": kept["z"][0]}
    del names["h_t-1"]
    cases = [Case(names, gradients, {"t": steps})]
    if projected:
        cells = [np.arctanh(m / o) for m, o in zip(kept["m"], kept["o"], strict=True)]
        names = one | {"h": found["h"], "o": np.stack(kept["o"]), "c": np.stack(cells)}
        gradients = {"w_hr": (back["w_hr"], "")}
        return [Case(names, gradients, {"t": steps})]
    return cases


# ---- losses ----------------------------------------------------------------------------------


def quadratic():
    h, y = draw(3, 2), draw(3, 2)
    _, g, (dh, dy) = ran(F.quadratic_loss, h, y)
    return [Case({"h": h, "y": y, "g": float(g), "N": 3.0},
                 {"input": (dh, ""), "target": (dy, "")})]  # fmt: skip


def focal():
    z, out = draw(5), []
    for y in (np.array([1.0, 0, 0, 1, 1]), draw(5, low=0.1, high=0.9)):
        _, g, (dz, dy) = ran(op("focal_loss"), z, y)
        p = sigma(z)
        names = {"g": float(g), "n": 5.0, "z": z, "p": p, "alpha": 0.25, "gamma": 2.0,
                 "p_t": p * y + (1 - p) * (1 - y), "alpha_t": 0.25 * y + 0.75 * (1 - y),
                 "c": -y * np.log(p) - (1 - y) * np.log(1 - p), "pm": 2 * y - 1}  # fmt: skip
        hard = set(y) == {0.0, 1.0}
        out.append(Case(names, {"input": (dz, "")} if hard else {"target": (dy, "")}))
    return out


def nll():
    x, y, w = draw(4, 3), ints(2, 0, 2, 1), draw(3, low=0.5)
    L, g, (dx, _, dw) = ran(op("nll_loss"), x, y, w)
    names = {"x": x, "y": y, "w": w, "W": w[y].sum(), "g": float(g), "L": float(L)}
    return [Case(names, {"input": (dx, "nc"), "weight": (dw, "c")}, {"n": 4})]


def entropy(function, hot=False):
    s, y = draw(4, 3), ints(2, 0, 2, 1)
    _, g, (d, _) = ran(function, s, y)
    p = np.exp(s) / np.exp(s).sum(1, keepdims=True)
    return [Case({"p": p, "y": np.eye(3)[y], "g": float(g), "N": 4.0}, {"input": (d, "")})]


def softmax_focal():
    s, y = draw(4, 3), ints(2, 0, 2, 1)
    _, g, (d, _) = ran(lambda a, b: F.softmax_focal_loss(a, b, gamma=2.0), s, y)
    p = np.exp(s) / np.exp(s).sum(1, keepdims=True)
    return [
        Case({"p": p[n], "g": float(g), "N": 4.0, "gamma": 2.0, "alpha_y": 1.0, "p_y": p[n, k],
              "delta_iy": np.eye(3)[k], "p_i": p[n]}, {"input": (d[n], "")})
        for n, k in enumerate(y)
    ]  # fmt: skip


def multi_margin():
    x, y, w = draw(4, 3), ints(2, 0, 2, 1), draw(3, low=0.5)
    out = []
    for power in (1, 2):
        _, g, (dx, _, dw) = ran(op("multi_margin_loss"), x, y, w, p=power)
        v = np.maximum(0, 1 - x[np.arange(4), y][:, None] + x)
        v[np.arange(4), y] = 0
        shared = {"g": float(g), "p": float(power), "N": 4.0, "C": 3.0}
        u = np.where(v > 0, v ** (power - 1), 0.0)
        for n in range(4):
            names = shared | {"y": int(y[n]), "w": w, "u": u[n]}
            out.append(Case(names, {"input": (dx[n], "i")}, {"j": 3}))
        out.append(Case(shared | {"y": y, "v": v}, {"weight": (dw, "c")}, {"n": 4, "j": 3}))
    return out


def multilabel_margin():
    x, y = draw(2, 4), ints([3, 0, -1, 1], [1, -1, -1, -1]).reshape(2, 4)
    _, g, (d, _) = ran(op("multilabel_margin_loss"), x, y)
    out = []
    for n, right in enumerate(([3, 0], [1])):
        v = np.zeros((4, 4))
        for j, k in every(right, set(range(4)) - set(right)):
            v[j, k] = 1 - x[n, j] + x[n, k] > 0
        out.append(Case({"v": v, "g": float(g), "N": 2.0, "C": 4.0},
                        {"input": (d[n], "i")}, {"j": 4, "k": 4}))  # fmt: skip
    return out


def multilabel_soft():
    x, y, w = draw(2, 3), draw(2, 3, low=0, high=1), draw(3, low=0.5)
    _, g, (dx, dy, dw) = ran(op("multilabel_soft_margin_loss"), x, y, w)
    names = {"x_c": x, "y_c": y, "w_c": w, "sigma": sigma, "g": float(g), "N": 2.0, "C": 3.0}
    loss = np.log1p(np.exp(x)) - y * x
    return [Case(names, {"input": (dx, ""), "target": (dy, "")}),
            Case(names | {"ell": loss}, {"weight": (dw, "c")}, {"n": 2})]  # fmt: skip


def ctc():
    T, target = 4, (1, 2)
    lp = np.log(np.random.default_rng(0).dirichlet(np.ones(3), (T, 1)))
    _, g, (d, *_) = ran(op("ctc"), lp, ints([1, 2]).reshape(1, 2), ints(T), ints(2))
    shares = np.zeros((T, 3))
    for path in every(range(3), repeat=T):
        runs = [path[0], *(b for a, b in pairwise(path) if a != b)]
        if tuple(k for k in runs if k) == target:
            weight = np.exp(sum(lp[t, 0, k] for t, k in enumerate(path)))
            for t, k in enumerate(path):
                shares[t, k] += weight
    shares /= shares[0].sum()
    return [Case({"P": shares, "g": float(np.ravel(g)[0])}, {"log_probs": (d[:, 0], "tk")})]


_ROWS = (0, 2)
CASES = {
    "matrix_solve": solve, "pseudo_inverse": pseudo, "cholesky_factor": cholesky,
    **{n: (lambda n=n: determinants(n)) for n in ("det", "cofactor", "log_det")},
    "symmetric_eigen": eigen, "singular_values": singular, "orthogonal_triangular": triangular,
    "einsum": einsum, "linear": linear, "attention": attention,
    "batch_norm": lambda: normalised(
        lambda *t: op("batch_norm")(*t, eps=1e-5)[0], draw(4, 3, 2), _ROWS, (1, 3, 1), 3),
    "layer_norm": lambda: normalised(
        lambda *t: F.layer_norm(t[0], (5,), t[1], t[2]), draw(4, 5), (1,), (1, 5), 5),
    "instance_norm": lambda: normalised(
        lambda *t: F.instance_norm(t[0], weight=t[1], bias=t[2]), draw(2, 3, 4), (2,), (1, 3, 1),
        3),
    "group_norm": group, "rms_norm": rms, "local_response_norm": response,
    "batch_norm_inference": inference, "convolution_matrix": matrix_of_convolution,
    **{f"conv{d}d": (lambda d=d: convolution(d, False)) for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": (lambda d=d: convolution(d, True)) for d in (1, 2, 3)},
    **{f"conv2d_{way}": (lambda: convolution(2, False))
       for way in ("direct", "im2col", "matrix", "fft")},
    **{n: (lambda n=n: adjoint(n)) for n in ("conv", "conv_input", "conv_weight")},
    "grid_sample": sampled, "affine_grid": affine,
    "rnn": lambda: recurrent("rnn"), "gru": lambda: recurrent("gru"),
    "lstm": lambda: [*recurrent("lstm"), *recurrent("lstm", projected=True)],
    "quadratic_loss": quadratic, "focal_loss": focal, "nll_loss": nll,
    "softmax_cross_entropy": lambda: entropy(lambda *t: op("softmax_cross_entropy")(*t)[0]),
    "cross_entropy": lambda: entropy(F.cross_entropy), "softmax_focal_loss": softmax_focal,
    "multi_margin_loss": multi_margin, "multilabel_margin_loss": multilabel_margin,
    "multilabel_soft_margin_loss": multilabel_soft, "ctc": ctc,
}  # fmt: skip
