"""PyTorch as an oracle, where it is installed: the same call, value and gradient.

The names are PyTorch's, so a function is found by the operation's name; only what PyTorch spells
otherwise stands in a table here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType, float32
from chainrule.base.errors import ChainruleError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.op import Op
from chainrule.testing.checks_value import reshaped
from chainrule.testing.gradients import (
    as_tuple,
    gradients,
    invoke,
    pull,
    tensors_of,
    value_of,
    vectors,
)
from chainrule.testing.registry import MANY, check, elementwise
from chainrule.testing.report import close, expect
from chainrule.testing.sampling import Sample

# Words that mean something else in PyTorch, or nothing public.
_OTHERS = {
    "conv", "fold_", "slice", "index", "alias", "cast", "view_write", "hardmax",
    "unslice", "conv_input", "conv_weight", "batch_norm",
}  # fmt: skip


def has_torch() -> bool:
    """Whether PyTorch can be asked."""
    return find_spec("torch") is not None


def _special(name: str) -> Callable[..., Any] | None:
    """What PyTorch spells otherwise, called with our inputs in order and our params by name."""
    import torch
    import torch.nn.functional as F

    def whole(f: Callable[..., Any]) -> Callable[..., Any]:
        """PyTorch's form without `dim`, where it has no dim=None and takes one axis only."""

        def call(x: Any, dim: Any = None, keepdim: bool = False, **kw: Any) -> Any:
            if dim is None and not keepdim:
                return f(x, **kw)
            if not isinstance(dim, tuple) or len(dim) != 1:
                raise ValueError("PyTorch takes one axis")
            return f(x, dim=dim[0], keepdim=keepdim, **kw)

        return call

    def every(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, dim=None, keepdim=False: f(
            x, dim=tuple(range(x.ndim)) if dim is None else dim, keepdim=keepdim
        )

    def constant_pad(x: Any, width: Any, value: float) -> Any:
        return F.pad(x, [n for pair in reversed(width) for n in pair], value=value)

    def clamp(x: Any, min: Any, max: Any) -> Any:
        return x.clone() if min is None and max is None else torch.clamp(x, min, max)

    def lp_pool(x: Any, absolute: bool, **params: Any) -> Any:
        if absolute:
            raise ValueError("PyTorch keeps the sign")
        if name == "lp_pool1d":  # it takes one number where the others take tuples
            params["kernel_size"] = params["kernel_size"][0]
        return getattr(F, name)(x, **params)

    def classes(f: Callable[..., Any]) -> Callable[..., Any]:
        """Losses by class index: no class is ignored where PyTorch ignores −100."""

        def call(x: Any, target: Any, *rest: Any, ignore_index: Any, reduction: str) -> Any:
            at = -100 if ignore_index is None else ignore_index
            return f(x, target, *rest, ignore_index=at, reduction=reduction)

        return call

    def batch_norm_inference(x: Any, mean: Any, var: Any, w: Any, b: Any, eps: float) -> Any:
        return F.batch_norm(x, mean, var, w, b, training=False, eps=eps)

    def max_unpool(x: Any, index: Any, size: Any) -> Any:
        flat = x.new_zeros(*x.shape[: x.ndim - len(size)], math.prod(size))
        flat = flat.scatter(-1, index.flatten(-len(size)), x.flatten(-len(size)))
        return flat.unflatten(-1, size)

    def at(x: Any, *index: Any, key: Any) -> Any:
        given = iter(index)
        return x[tuple(next(given) if isinstance(k, str) and k == HOLE else k for k in key)]

    def added_at(g: Any, *index: Any, key: Any, size: Any) -> Any:
        zeros = g.new_zeros(size)
        places = torch.arange(math.prod(size)).reshape(size)
        return zeros.flatten().index_put((at(places, *index, key=key),), g, True).reshape(size)

    def recurrent(
        x: Any, *given: Any, reverse: bool, bfloat16: bool, nonlinearity: str = name
    ) -> Any:
        *inputs, mask = given
        if bfloat16 or mask is not None:
            raise ValueError("PyTorch does not round inside, and has no masks")
        w_ih, w_hh, b_ih, b_hh, h0, c0, w_hr = (*inputs, None, None)[:7]
        if (b_ih is None) != (b_hh is None):
            raise ValueError("PyTorch has both biases or none")
        weights = [w for w in (w_ih, w_hh, b_ih, b_hh, w_hr) if w is not None]
        h0 = x.new_zeros(x.shape[1], w_hh.shape[1]) if h0 is None else h0
        c0 = x.new_zeros(x.shape[1], w_hh.shape[0] // 4) if c0 is None else c0
        hx = (h0[None], c0[None]) if name == "lstm" else h0[None]
        run = getattr(torch, {"tanh": "rnn_tanh", "relu": "rnn_relu"}.get(nonlinearity, name))
        x = x.flip(0) if reverse else x
        y, *last = run(x, hx, weights, b_ih is not None, 1, 0.0, False, False, False)
        y = y.flip(0) if reverse else y
        return (y, last[1][0]) if name == "lstm" else y

    def attention(q: Any, k: Any, v: Any, bias: Any, allowed: Any, kept: Any, **params: Any) -> Any:
        if kept is not None or params["bfloat16"]:
            raise ValueError("PyTorch chooses what to drop, and rounds by itself")
        mask = allowed if bias is None else bias
        if bias is not None and allowed is not None:
            mask = bias.masked_fill(~allowed, -torch.inf)
        return F.scaled_dot_product_attention(
            q, k, v, mask, is_causal=params["causal"], scale=params["scale"]
        )

    table: dict[str, Callable[..., Any]] = {
        "attention": attention,
        "clamp": clamp,
        "amax": every(torch.amax),
        "amin": every(torch.amin),
        "logsumexp": every(torch.logsumexp),
        "euclidean": lambda x, dim, keepdim: torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim),
        "prod": whole(torch.prod),
        "all": whole(torch.all),
        "any": whole(torch.any),
        "squeeze": lambda x, dim: torch.squeeze(x) if dim is None else torch.squeeze(x, dim),
        "cat": lambda *x, dim: torch.cat(x, dim),
        "stack": lambda *x, dim: torch.stack(x, dim),
        "einsum": lambda *x, equation: torch.einsum(equation, *x),
        "constant_pad": constant_pad,
        "expand": lambda x, size: x.expand(size),
        "reshape": lambda x, shape: x.reshape(shape),
        "permute": lambda x, dims: x.permute(dims),
        "unflatten": lambda x, dim, sizes: x.unflatten(dim, sizes),
        "flip": lambda x, dims: x.flip(dims),
        "clone": lambda x: x.clone(),
        "index_put": lambda x, o, *index, key, accumulate: x.index_put(index, o, accumulate),
        "masked_scale": lambda x, mask, p: x * mask / (1 - p),
        "embedding": lambda index, w, padding_idx, scale_grad_by_freq, sparse: F.embedding(
            index, w, padding_idx, scale_grad_by_freq=scale_grad_by_freq
        ),
        "argsort": lambda x, dim, descending, stable: torch.argsort(
            x, dim=dim, descending=descending, stable=True
        ),
        "lp_pool1d": lp_pool,
        "lp_pool2d": lp_pool,
        "lp_pool3d": lp_pool,
        "batch_norm_inference": batch_norm_inference,
        "nll_loss": classes(F.nll_loss),
        "softmax_cross_entropy": classes(F.cross_entropy),
        "index": at,
        "index_adjoint": added_at,
        "max_unpool": max_unpool,
        "matrix_solve": torch.linalg.solve,
        "rnn": recurrent,
        "lstm": recurrent,
        "gru": recurrent,
    }
    return table.get(name)


# Our names of inputs where PyTorch has others.
_INPUTS = {"x": "input", "o": "other"}


def torch_function(op: type[Op]) -> Callable[..., Any] | None:
    """PyTorch's function for the operation, called with our inputs in order and params by name."""
    import torch

    found = _special(op.name)
    if found is not None or op.name in _OTHERS or op.variadic:
        return found
    for name in (op.name, *op.aliases):
        for home in (torch.nn.functional, torch, torch.special):
            if callable(function := getattr(home, name, None)):
                return _named(op, function, name)
    return None


def _named(op: type[Op], function: Callable[..., Any], name: str) -> Callable[..., Any]:
    # The pooling functions return the indices only if asked.
    more = {"return_indices": True} if op.outputs and "pool" in name else {}
    names = [_INPUTS.get(n, n) for n in op.inputs]

    def call(*inputs: Any, **params: Any) -> Any:
        try:
            return function(**dict(zip(names, inputs, strict=True)), **params, **more)
        except TypeError:
            return function(*inputs, **params, **more)

    return call


def _to_torch(value: Any) -> Any:
    import torch

    return getattr(torch, value.name) if isinstance(value, DType) else value


def _ask(op: type[Op], sample: Sample, dtype: Any) -> tuple[Any, list[Any]] | None:
    """PyTorch's outputs and inputs; None where it refuses what we allow."""
    import torch

    function = torch_function(op)
    assert function is not None
    places = sample.differentiable(op)
    params = {name: _to_torch(value) for name, value in sample.params.items()}
    # PyTorch has no derivative by some weights and targets, and refuses the call if one is wanted.
    for wanted in (places, places[:1]):
        inputs: list[Any] = []
        for i, x in enumerate(sample.inputs):
            tensor = None if x is None else torch.from_numpy(np.array(x))
            if tensor is not None and i in places:
                tensor = tensor.to(dtype).requires_grad_(op.differentiable and i in wanted)
            inputs.append(tensor)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return as_tuple(function(*inputs, **params)), inputs
        except (RuntimeError, ValueError, IndexError):
            pass
    return None


def _applies(op: type[Op]) -> bool:
    return has_torch() and torch_function(op) is not None


def _first_only(op: type[Op], sample: Sample, dtype: Any, n: int) -> list[np.ndarray]:
    tensors = tensors_of(op, sample, dtype)
    ys = invoke(op, tensors, sample.params)[:n]
    inputs = [tensors[i] for i in sample.differentiable(op)]
    found = pull(ys, inputs, vectors(ys))
    return [np.zeros(x.shape) if g is None else value_of(g) for g, x in zip(found, inputs)]


@check("torch", _applies, must=False, least=MANY)
def torch_oracle(op: type[Op], sample: Sample) -> int:
    """Value and gradient are PyTorch's, in float64 and float32."""
    import torch

    count = 0
    for mine, theirs, rtol, atol in (
        (None, torch.float64, 1e-7, 1e-7),
        (float32, torch.float32, 1.3e-6, 1e-5),
    ):
        answer = _ask(op, sample, theirs)
        if answer is None:
            return count
        expected, inputs = answer
        ys, found = gradients(op, sample, mine)
        if len(expected) < len(ys):
            # PyTorch gives the first output alone: so ours, for this comparison.
            ys = ys[: len(expected)]
            found = _first_only(op, sample, mine, len(expected))
        for y, e in zip(ys, expected, strict=True):
            same = y.dtype.name == str(e.dtype).removeprefix("torch.")
            expect(same, t("dtype {got}, PyTorch {expected}.", got=y.dtype.name, expected=e.dtype))
            close(t("y, PyTorch"), value_of(y), e.detach().numpy(), rtol, atol)
        count += 1
        if op.surrogate or not any(e.requires_grad for e in expected):
            continue
        pairs = [
            (e, torch.from_numpy(np.array(v._data)))
            for e, v in zip(expected, vectors(ys), strict=True)
            if v is not None
        ]
        places = sample.differentiable(op)
        known = [i for i in places if inputs[i].requires_grad]
        try:
            theirs_found = torch.autograd.grad(
                [e for e, _ in pairs], [inputs[i] for i in known], [v for _, v in pairs],
                allow_unused=True,
            )  # fmt: skip
        except RuntimeError as error:
            if any(words in str(error) for words in _NO_GRADIENT):
                continue  # PyTorch has the value, but no derivative of it
            raise
        for i, g in zip(places, found, strict=True):
            if i in known:
                e = theirs_found[known.index(i)]
                numbers = np.zeros(g.shape) if e is None else e.detach().numpy()
                close(t("∂/∂x{i}, PyTorch", i=i), g, numbers, rtol, atol)
    return count


# What PyTorch says where it has a value and no gradient: of floor_divide; of pooling and shuffling
# nothing; of a source larger than its index.
_NO_GRADIENT = (
    "not implemented", "to have non-zero size", "must be positive", "returned an invalid gradient",
    "must match the size",
)  # fmt: skip
# Where PyTorch is not to be followed: an empty query loses its batch axes; the gradient of the
# determinant of a singular matrix is 0; its float32 group norm is 3e-5 off where a group is nearly
# constant; a picture without channels keeps its size.
_SIZES_APART = {"attention", "det", "group_norm", "pixel_unshuffle"}


@check("torch on other sizes", lambda op: _applies(op) and op.name not in _SIZES_APART, must=False)
def torch_sizes(op: type[Op], sample: Sample) -> int:
    """One axis longer, empty, missing or added: PyTorch's value and gradient, in both dtypes, or an
    error of ours."""
    count = 0
    for other in reshaped(sample):
        try:
            gradients(op, other)
        except ChainruleError:
            continue
        count += torch_oracle(op, other)
    return count


@check("torch on integers", lambda op: elementwise(op) and _applies(op), must=False)
def torch_integers(op: type[Op], sample: Sample) -> int:
    """Integers give PyTorch's value and dtype, or an error of ours where PyTorch raises too."""
    places = sample.differentiable(op)
    if not places or "dtype" in sample.params:
        return 0
    whole = sample
    for i in places:
        x = sample.inputs[i]
        assert x is not None
        whole = whole.replace(i, np.resize(np.array([1, 3, 2, 4], np.int64), x.shape))
    answer = _ask(op, whole, None)
    if answer is None:
        return 0
    (e, *_), _ = answer
    try:
        (y, *_) = invoke(op, tensors_of(op, whole), sample.params)
    except ChainruleError:
        return 0
    expect(
        y.dtype.name == str(e.dtype).removeprefix("torch."),
        t("dtype {got}, PyTorch {expected}.", got=y.dtype.name, expected=e.dtype),
    )
    close(t("y, PyTorch"), value_of(y), e.numpy(), 1.3e-6, 1e-6)
    return 1


@check(
    "torch on special values", lambda op: elementwise(op) and _applies(op), must=False, once=True
)
def torch_special(op: type[Op], samples: list[Sample]) -> int:
    """NaN, infinities and zeros of either sign give PyTorch's value."""
    import torch

    params = samples[0].params
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5])
    n = len(op.inputs)
    if op.integers or n > 2 or isinstance(op.domain[0], int) or "dtype" in params:
        return 0
    grid = [a.reshape(-1) for a in np.meshgrid(*[values] * n)]
    answer = _ask(op, Sample(tuple(grid), params), torch.float64)
    if answer is None:
        return 0
    (e, *_), _ = answer
    (y, *_) = invoke(op, [Tensor(a) for a in grid], params)
    close(t("y, PyTorch"), value_of(y), e.detach().numpy(), 1e-7, 1e-12)
    return 1
