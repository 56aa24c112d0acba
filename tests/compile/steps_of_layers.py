"""Steps of random programs: indices, layers, losses, samples of any operation, writes in place."""

from math import prod
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.ops.op import REGISTRY
from chainrule.testing.sampling import samples_of

F = cr.nn.functional
LARGEST = 6000  # elements of a tensor

# ---- indices ----


def take(r: Any) -> Any:
    x = r.pick(lambda x: x.ndim and x.shape[0] and x.numel())
    if x is None:
        return None
    n = x.shape[0]
    kind = r.rng.randrange(6)
    if kind == 0:
        return x[r.index(n, r.rng.choice((1, 4, 9)), negative=True)]
    if kind == 1:
        return x[r.index(n, 2, 3)]
    if kind == 2 and x.ndim > 1:
        return x[r.index(n, 5), r.index(x.shape[1], 5)]
    if kind == 3 and x.ndim > 1:
        return x[:, r.index(x.shape[1], 4, negative=True)]
    if kind == 4 and x.ndim > 2:
        return x[r.index(n, 3), :, r.index(x.shape[2], 3)]
    return x.index_select(r.rng.randrange(x.ndim), r.index(min(x.shape), 6))


def take_by(r: Any) -> Any:
    """Indices that the program itself worked out."""
    at = r.pick(lambda o: o.dtype is cr.int64 and o.ndim < 3 and o.numel() < 200)
    x = r.pick(lambda x: x.ndim and x.shape[0] and x.numel())
    if at is None or x is None:
        return None
    at = at % x.shape[0]
    if r.rng.random() < 0.3:
        at = at - x.shape[0]
    return x[at] if at.numel() * prod(x.shape[1:]) <= LARGEST else None


def gather(r: Any) -> Any:
    x = r.pick(lambda x: x.ndim and x.numel())
    if x is None:
        return None
    dim = r.dim(x)
    shape = list(x.shape)
    shape[dim] = r.rng.choice((1, 2, 5))
    if r.rng.random() < 0.5:
        return x.gather(dim, r.index(x.shape[dim], *shape))
    return x.take_along_dim(r.index(x.shape[dim], *shape), dim)


def scatter(r: Any) -> Any:
    x = r.pick(lambda x: x.is_floating_point() and x.ndim and x.numel())
    if x is None:
        return None
    dim = r.dim(x)
    shape = list(x.shape)
    shape[dim] = r.rng.choice((1, 3, 6))
    at = r.index(x.shape[dim], *shape)
    if r.rng.random() < 0.7:
        return x.scatter_add(dim, at, r.new(*shape, dtype=x.dtype))
    return x.scatter(dim, at[tuple(slice(0, 1) for _ in shape)], 0.5)


def embedding(r: Any) -> Any:
    w = r.floating(2)
    if w is None or not w.shape[0]:
        return None
    at = r.index(w.shape[0], *r.rng.choice(((4,), (2, 3), (r.program.batch,), ())))
    padding = r.rng.choice((None, 0))
    return F.embedding(at, w, padding)


# ---- heavy ones ----


def matmul(r: Any) -> Any:
    x = r.pick(lambda x: x.is_floating_point() and x.ndim)
    if x is None:
        return None
    k, kind = x.shape[-1], r.rng.randrange(7)
    if kind == 0 and x.ndim > 1:
        return x @ x.transpose(-1, -2)
    if kind == 1:
        return x @ r.new(k, dtype=x.dtype)
    if kind == 2 and x.ndim > 1:
        return x.transpose(-1, -2) @ x
    if kind == 3 and x.ndim > 1:
        return r.new(3, x.shape[-2], dtype=x.dtype) @ x
    if kind == 4:
        n = r.rng.choice((1, 3, 16, 17))
        return F.linear(x, r.new(n, k, dtype=x.dtype), r.new(n, dtype=x.dtype))
    if kind == 5 and x.ndim == 3:
        return cr.einsum("bij,bkj->bik", x, x)
    o = r.pick(lambda o: o.ndim == 2 and o.shape[0] == k and o.dtype is x.dtype)
    if o is not None:
        return x @ o
    return x @ r.new(k, r.rng.choice((1, 2, 8, 33)), dtype=x.dtype)


def conv(r: Any) -> Any:
    n = r.rng.choice((1, 2, 2, 2, 3))
    x = r.pick(
        lambda x: (
            x.is_floating_point()
            and x.ndim == n + 2
            or (n == 2 and x.is_floating_point() and x.ndim in (2, 3) and x.shape[-1] > 2)
        )
    )
    if x is None or not x.numel():
        return None
    if x.ndim < n + 2:
        x = x.reshape(x.shape[0], *([1] * (n + 1 - (x.ndim - 1))), *x.shape[1:])
    channels = x.shape[1]
    groups = r.rng.choice([g for g in (1, 1, 1, 2, 3, channels) if channels % g == 0])
    out = groups * r.rng.choice((1, 2, 3, 5))
    kernel = tuple(r.rng.choice((1, 2, 3)) for _ in range(n))
    stride = tuple(r.rng.choice((1, 1, 2, 3)) for _ in range(n))
    padding = tuple(r.rng.choice((0, 1, 2)) for _ in range(n))
    dilation = tuple(r.rng.choice((1, 1, 2)) for _ in range(n))
    if r.rng.random() < 0.5:
        kernel, stride, padding, dilation = (3,) * n, (1,) * n, (1,) * n, (1,) * n
    size = zip(x.shape[2:], padding, dilation, kernel, strict=True)
    if any(s + 2 * p < d * (k - 1) + 1 for s, p, d, k in size):
        return None
    bias = r.rng.choice((None, r.new(out, dtype=x.dtype)))
    if r.rng.random() < 0.15:
        w = r.new(channels, out // groups, *kernel, dtype=x.dtype)
        return getattr(F, f"conv_transpose{n}d")(x, w, bias, stride, padding, 0, groups, dilation)
    w = r.new(out, channels // groups, *kernel, dtype=x.dtype)
    return getattr(F, f"conv{n}d")(x, w, bias, stride, padding, dilation, groups)


def pool(r: Any) -> Any:
    n = r.rng.choice((1, 2, 2, 3))
    largest = r.rng.random() < 0.5
    x = r.pick(
        lambda x: x.is_floating_point() and x.ndim in (n + 1, n + 2) and x.numel()
        and min(x.shape[-n:]) > 1,
        exact=largest,
    )  # fmt: skip
    if x is None:
        return None
    kernel = tuple(r.rng.choice((1, 2, 2, 3)) for _ in range(n))
    kernel = tuple(min(k, s) for k, s in zip(kernel, x.shape[-n:], strict=True))
    stride = r.rng.choice((None, 1, 2, 3))
    padding = tuple(r.rng.randint(0, k // 2) for k in kernel)
    if largest:
        dilation = (
            1 if r.rng.random() < 0.8 or any(s < 2 * k for k, s in zip(kernel, x.shape[-n:])) else 2
        )
        return getattr(F, f"max_pool{n}d")(x, kernel, stride, padding, dilation)
    if r.rng.random() < 0.3:
        return getattr(F, f"adaptive_avg_pool{n}d")(x, r.rng.choice((1, 2, 3)))
    return getattr(F, f"avg_pool{n}d")(x, kernel, stride, padding)


def norm(r: Any) -> Any:
    x = r.pick(lambda x: x.is_floating_point() and x.ndim > 1 and x.shape[0] > 1 and x.numel())
    if x is None:
        return None
    x = x + r.new(*x.shape, dtype=x.dtype)  # no slice is constant
    kind, c = r.rng.randrange(5), x.shape[1]
    if kind == 0 and x.numel() // c > 2:
        return F.batch_norm(x, None, None, r.new(c, dtype=x.dtype), r.new(c, dtype=x.dtype), True)
    if kind == 1 and x.shape[-1] > 2:
        return F.layer_norm(x, x.shape[-1:], r.new(x.shape[-1], dtype=x.dtype))
    if kind == 2 and x.ndim > 2 and prod(x.shape[2:]) * c > 2:
        return F.group_norm(x, r.rng.choice([g for g in (1, 2, c) if c % g == 0 and
                                             prod(x.shape[1:]) // g > 2] or [1]))  # fmt: skip
    if kind == 3:
        return F.rms_norm(x, x.shape[-1:])
    return F.batch_norm(
        x, r.new(c, dtype=x.dtype), r.new(c, dtype=x.dtype).abs() + 0.5, None, None, False
    )


def loss(r: Any) -> Any:
    x = r.floating(2)
    if x is None or not x.numel():
        return None
    reduction = r.rng.choice(("mean", "sum", "none"))
    n, c = x.shape
    kind = r.rng.randrange(9)
    o = r.new(n, c, dtype=x.dtype)
    if kind < 3:
        return F.cross_entropy(x, r.index(c, n), reduction=reduction,
                               label_smoothing=r.rng.choice((0.0, 0.1)))  # fmt: skip
    if kind == 3:
        return F.nll_loss(x.log_softmax(1), r.index(c, n), reduction=reduction)
    if kind == 4:
        return F.mse_loss(x, o, reduction=reduction)
    if kind == 5:
        return F.binary_cross_entropy_with_logits(x, o.sigmoid().detach(), reduction=reduction)
    if kind == 6:
        return F.binary_cross_entropy(
            cr.where(x == x, x, 0.0).sigmoid(), (o > 0).to(x.dtype), reduction=reduction
        )
    if kind == 7:
        return F.smooth_l1_loss(x, o, reduction=reduction)
    return F.kl_div(x.log_softmax(1), o.softmax(1), reduction=reduction)


def recurrent(r: Any) -> Any:
    x = r.pick(lambda x: x.dtype is cr.float32 and x.ndim == 3 and x.numel() and x.shape[2] < 40
               and x.shape[0] < 40)  # fmt: skip
    if x is None:
        return None
    cr.manual_seed(r.rng.randrange(1000))
    kind = r.rng.choice((cr.nn.LSTM, cr.nn.GRU, cr.nn.RNN))
    cell = _cell(kind, x.shape[2], r.rng.choice((1, 3, 8)), r.rng.random() < 0.5,
                 r.rng.randrange(3))  # fmt: skip
    out, _ = cell(x)
    return out


_CELLS: dict[Any, Any] = {}


def _cell(*key: Any) -> Any:
    if key not in _CELLS:
        kind, inputs, hidden, first, seed = key
        cell = kind(inputs, hidden, batch_first=first)
        draw = np.random.default_rng(seed)
        for p in cell.parameters():
            p.data = cr.tensor((draw.standard_normal(p.shape) * 0.4).astype(np.float32))
        _CELLS[key] = cell
    return _CELLS[key]


def sampled(r: Any) -> Any:
    """Any operation of the registry on one of its own samples, tied to the pool."""
    names = [n for n in REGISTRY if n not in _LEFT and not REGISTRY[n].on_host]
    op = REGISTRY[r.rng.choice(names)]
    sample = r.rng.choice(samples_of(op))
    dtype = r.rng.choice((cr.float32, cr.float64))
    tied = r.floating()
    factor = None if tied is None or not tied.numel() else 1 + tied.mean().tanh() * 0.001
    jumps = not op.differentiable or op.surrogate or op.name in _JUMPS or "arg" in op.name
    args: list[Any] = []
    for i, x in enumerate(sample.inputs):
        if x is None:
            args.append(None)
            continue
        x = cr.tensor(x)
        if i in sample.differentiable(op):
            x = x.to(dtype)
            if factor is not None and not jumps and not args:
                x = x * factor.to(dtype)
        args.append(x)
    out = op.function(args, **sample.params) if op.variadic else op.function(*args, **sample.params)
    return list(out) if isinstance(out, tuple | list) else out


# What jumps for other reasons than its name or flags tell.
_JUMPS = {"hardshrink", "threshold", "floor_divide", "remainder"}
_LEFT = {"view_write", "windows_argmax", "fitted_argmax", "alias", "max_pool", "max_unpool"}


# ---- writing in place ----


def inplace(r: Any) -> Any:
    """A write into a tensor that the program made; nothing new in the pool."""
    own = r.pool[r.fixed :]
    if not own:
        return None
    x = r.rng.choice(own)
    if not x.is_floating_point():
        return None
    if r.rng.random() < 0.6:
        x = x.clone()
    else:  # and what it is a view of, and its views
        r.exact -= {id(o) for o in r.pool if o.is_floating_point()}
    kind = r.rng.randrange(8)
    if kind == 0:
        x.mul_(0.5)
    elif kind == 1:
        x.add_(r.new(*x.shape, dtype=x.dtype))
    elif kind == 2 and x.ndim and x.shape[0]:
        x[0] = 1.5
    elif kind == 3 and x.ndim and x.shape[0] > 1:
        x[1:] = x[:-1] * 0.5
    elif kind == 4 and x.ndim > 1:
        x.transpose(0, 1).mul_(2)
    elif kind == 5 and x.ndim and x.shape[0]:
        x[r.index(x.shape[0], 3)] += 1.0
    elif kind == 6:
        x.tanh_()
    else:
        o = r.pick(lambda o: o.shape == x.shape)
        if o is not None:
            x.copy_(o)
    return x


def write_state(r: Any) -> Any:
    """A write into an argument, or what else outlives the program."""
    x = r.rng.choice(r.pool[: r.fixed])
    if x.requires_grad or not x.is_floating_point() or not x.numel():
        return None
    kind = r.rng.randrange(5)
    r.exact -= {id(o) for o in r.pool if o.is_floating_point()}
    if kind == 0:
        x.mul_(0.5)
    elif kind == 1:
        x.add_(r.new(*x.shape, dtype=x.dtype))
    elif kind == 2 and x.ndim and x.shape[0]:
        x[0] = 0.25
    elif kind == 3 and x.ndim and x.shape[0]:
        x[r.index(x.shape[0], 2)] = 2.0
    else:
        o = r.pick(lambda o: o.shape == x.shape and not o.requires_grad)
        if o is not None:
            x.lerp_(o, 0.1) if hasattr(x, "lerp_") else x.copy_(o.detach() * 0.1)
    return None


LAYERS = (
    take,
    take_by,
    gather,
    scatter,
    embedding,
    matmul,
    conv,
    pool,
    norm,
    loss,
    recurrent,
    sampled,
    inplace,
    write_state,
)
