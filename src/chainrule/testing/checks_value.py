"""Values: the formula, dtypes, layouts, sizes without elements, broadcasting, edges, shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType, bfloat16, float16, float32, round_bfloat16
from chainrule.base.errors import ChainruleError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.op import Elementwise, Op
from chainrule.testing.formula import NotAFormula, evaluate
from chainrule.testing.gradients import (
    gradients,
    invoke,
    pull,
    tensors_of,
    value_of,
    vectors,
)
from chainrule.testing.registry import check, elementwise
from chainrule.testing.report import Mismatch, close, expect
from chainrule.testing.sampling import Sample, same

# ---- the formula ----------------------------------------------------------------------------


def formula_of(op: type[Op], sample: Sample) -> np.ndarray | None:
    """`math` at the sample; None where it says nothing (words, or a param that it leaves out)."""
    names = op.per_input(op.inputs, len(sample.inputs))
    if op.variadic or any(x is None for x in sample.inputs):
        return None
    values = dict(zip(names, sample.inputs, strict=True)) | sample.params
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in op.math).split())
    for name, value in sample.params.items():
        spoken = name in words or name in ("dim", "keepdim")
        if not spoken and not same(value, op.defaults.get(name)):
            return None
    if any(x.size == 0 for x in sample.inputs if x is not None):
        return None
    if sample.params.get("reduction") == "batchmean":
        values["n"] = np.shape(values[names[0]])[0] if np.ndim(values[names[0]]) else 1
    try:
        return np.asarray(evaluate(op.math, values, sample.params.get("dim")))
    except (NotAFormula, TypeError, ValueError):
        return None


@check("formula", must=False)
def formula(op: type[Op], sample: Sample) -> int:
    """The value is what `math` says."""
    expected = formula_of(op, sample)
    if expected is None:
        return 0
    (y, *_) = invoke(op, tensors_of(op, sample), sample.params)
    got = value_of(y)
    if issubclass(op, Elementwise):
        expected = np.broadcast_to(expected, got.shape)
    elif expected.size == got.size:
        expected = expected.reshape(got.shape)
    else:
        return 0
    rtol = 1e-10 if got.dtype != np.float32 else 1e-6
    close("y = " + op.math, got, expected, rtol, 1e-12)
    return 1


# ---- dtypes ---------------------------------------------------------------------------------


def _rounded(sample: Sample, op: type[Op], dtype: DType) -> Sample:
    """The inputs as numbers that `dtype` holds exactly."""
    out = sample
    for i in sample.differentiable(op):
        x = sample.inputs[i]
        assert x is not None
        if dtype is bfloat16:
            r = round_bfloat16(x.astype(np.float32))
        else:
            r = x.astype(dtype.numpy)
        out = out.replace(i, r.astype(np.float64))
    return out


def _floats(op: type[Op], sample: Sample) -> bool:
    return bool(sample.differentiable(op)) and sample.params.get("dtype") is None


@check("float32", must=False)
def single(op: type[Op], sample: Sample) -> int:
    """In float32: float32 results and gradients, close to those of float64."""
    if not _floats(op, sample):
        return 0
    exact = _rounded(sample, op, float32)
    wide, wide_grads = gradients(op, exact)
    ys, grads = gradients(op, exact, float32)
    for y, w in zip(ys, wide, strict=True):
        if y.dtype.is_floating_point:
            expect(y.dtype is float32, t("float32 in, {dtype} out.", dtype=y.dtype.name))
        close("y", value_of(y), value_of(w), 1.3e-6, 1e-5)
    for g, e in zip(grads, wide_grads, strict=True):
        if op.differentiable and any(y.requires_grad for y in ys):
            expect(
                g.dtype == np.float32 or not g.any(),
                t("The gradient of a float32 input is {dtype}.", dtype=g.dtype),
            )
        close("∂/∂x", g, e, 2e-5, 2e-5)
    return len(ys)


@check("half precision", must=False)
def halves(op: type[Op], sample: Sample) -> int:
    """In float16 and bfloat16: computed in float32 and rounded once, results and gradients."""
    if not _floats(op, sample):
        return 0
    count = 0
    for dtype, eps in ((float16, 2.0**-11), (bfloat16, 2.0**-8)):
        exact = _rounded(sample, op, dtype)
        wide, wide_grads = gradients(op, exact)
        tensors = tensors_of(op, exact, dtype)
        ys = invoke(op, tensors, sample.params)
        for y, w in zip(ys, wide, strict=True):
            if not y.dtype.is_floating_point:
                continue
            expect(
                y.dtype is dtype, t("{dtype} in, {out} out.", dtype=dtype.name, out=y.dtype.name)
            )
            close(dtype.name, value_of(y), value_of(w), eps * 1.01, 2e-5)
            count += 1
        inputs = [tensors[i] for i in sample.differentiable(op)]
        for g, e in zip(pull(ys, inputs, vectors(ys)), wide_grads, strict=True):
            if g is not None:
                expect(g.dtype is dtype, t("The gradient of a {dtype} input is {out}.",
                                           dtype=dtype.name, out=g.dtype.name))  # fmt: skip
                scale = float(np.abs(e).max(initial=1.0))
                close(f"∂/∂x {dtype.name}", value_of(g), e, 16 * eps, 16 * eps * scale)
    return count


# ---- layouts --------------------------------------------------------------------------------


def layouts(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The same numbers laid out otherwise in memory."""
    if x.ndim:
        wide = np.zeros([2 * n for n in x.shape], x.dtype)
        every = wide[tuple(slice(None, None, 2) for _ in x.shape)]
        every[...] = x
        yield t("every second element of a larger array"), every
        back = tuple(slice(None, None, -1) for _ in x.shape)
        yield t("negative strides"), np.ascontiguousarray(x[back])[back]
    if x.ndim > 1:
        yield t("Fortran order"), np.asfortranarray(x)


def _laid(op: type[Op], sample: Sample) -> list[Any]:
    """The inputs as tensors around the very arrays of the sample."""
    places = sample.differentiable(op) if op.differentiable else []
    return [
        None if x is None else Tensor(x, requires_grad=i in places)
        for i, x in enumerate(sample.inputs)
    ]


def _with_gradients(op: type[Op], sample: Sample) -> list[np.ndarray]:
    tensors = _laid(op, sample)
    outputs = invoke(op, tensors, sample.params)
    inputs = [tensors[i] for i in sample.differentiable(op)]
    found = pull(outputs, inputs, vectors(outputs)) if op.differentiable else []
    return [value_of(y) for y in outputs] + [value_of(g) for g in found if g is not None]


@check("layouts", must=False)
def layout(op: type[Op], sample: Sample) -> int:
    """Strided, reversed, Fortran-ordered and stride-0 inputs give the same value and gradient."""
    plain = _with_gradients(op, sample)
    count = 0
    for i, x in enumerate(sample.inputs):
        if x is None or not x.ndim:
            continue
        for kind, other in layouts(x):
            for a, b in zip(_with_gradients(op, sample.replace(i, other)), plain, strict=True):
                close(kind, a, b, 1e-10, 1e-12)
            count += 1
        if x.size:
            flat = np.broadcast_to(x[:1], x.shape)
            solid = _with_gradients(op, sample.replace(i, np.array(flat)))
            for a, b in zip(_with_gradients(op, sample.replace(i, flat)), solid, strict=True):
                close(t("stride 0"), a, b, 1e-10, 1e-12)
            count += 1
    return count


# ---- sizes ----------------------------------------------------------------------------------


@check("no elements", elementwise)
def empty(op: type[Op], sample: Sample) -> int:
    """Arrays without elements go through, forward and backward."""
    for shape in ((0,), (2, 0, 3)):
        inputs = tuple(None if x is None else np.zeros(shape, x.dtype) for x in sample.inputs)
        hollow = Sample(inputs, sample.params)
        ys, found = gradients(op, hollow)
        for got in [y.shape for y in ys] + [g.shape for g in found]:
            expect(got == shape, t("Inputs {x} gave a result or gradient {y}.", x=shape, y=got))
    return 2


@check("wrong shapes", must=False)
def shapes(op: type[Op], sample: Sample) -> int:
    """The shape rule is right; inputs that do not fit raise our errors, never NumPy's own."""
    count = 0
    for other in (sample, *reshaped(sample)):
        names = op.per_input(op.inputs, len(other.inputs))
        if op.variadic:
            names = tuple(f"{name}{i}" for i, name in enumerate(names))
        try:
            outputs = invoke(op, tensors_of(op, other), other.params)
            actual: Any = tuple(y.shape for y in outputs)
        except ChainruleError:
            if other is sample:
                raise
            actual = None
        if op.shape is not None:
            given = {n: x.shape for n, x in zip(names, other.inputs, strict=True) if x is not None}
            try:
                rule: Any = op.shape(given, other.params)
                rule = (tuple(rule),) if not op.outputs else tuple(map(tuple, rule))
            except ChainruleError:
                rule = None
            if actual is not None or other is sample:
                expect(
                    rule == actual,
                    t("{given}: the shape rule says {rule}, the result is {actual}.",
                      given=given, rule=rule, actual=actual),
                )  # fmt: skip
            count += 1
    return count


def reshaped(sample: Sample) -> Iterator[Sample]:
    """Each input in turn with an axis longer, empty, missing or added."""
    for i, x in enumerate(sample.inputs):
        if x is None or x.dtype.kind != "f":
            continue
        for axis in range(x.ndim):
            longer = np.concatenate(
                [x, np.ones_like(x[(slice(None),) * axis + (slice(0, 1),)])], axis
            )
            yield sample.replace(i, longer)
            yield sample.replace(i, x[(slice(None),) * axis + (slice(0, 0),)])
        yield sample.replace(i, np.array(x)[None])
        if x.ndim and x.shape[0]:
            yield sample.replace(i, np.array(x[0]))


@check("broadcasting", lambda op: elementwise(op) and len(op.inputs) > 1)
def broadcasting(op: type[Op], sample: Sample) -> int:
    """Broadcast inputs act like inputs expanded by hand; their gradients are summed back."""
    arrays = [x for x in sample.inputs if x is not None]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    inputs = tuple(
        None if x is None else np.array(np.broadcast_to(x, shape)) for x in sample.inputs
    )
    wide = Sample(inputs, sample.params)
    ys, grads = gradients(op, sample)
    wide_ys, wide_grads = gradients(op, wide)
    for y, w in zip(ys, wide_ys, strict=True):
        close("y", value_of(y), value_of(w), 1e-12, 0)
    for i, g, e in zip(sample.differentiable(op), grads, wide_grads, strict=True):
        x = sample.inputs[i]
        assert x is not None
        extra = e.ndim - x.ndim
        axes = tuple(range(extra)) + tuple(
            a + extra for a, n in enumerate(x.shape) if n == 1 and e.shape[a + extra] != 1
        )
        close(f"∂/∂{op.inputs[i]}", g, e.sum(axes, keepdims=True).reshape(x.shape), 1e-10, 1e-12)
    return len(ys)


# ---- edges ----------------------------------------------------------------------------------


@check("edges", lambda op: bool(op.edges))
def edges(op: type[Op], sample: Sample) -> int:
    """At its edges, value and gradient are finite, in float64 and in float32."""
    count = 0
    values = np.array(op.edges, np.float64)
    for i in sample.differentiable(op):
        x = sample.inputs[i]
        assert x is not None
        fills = [np.full(x.shape, v) for v in op.edges] + [np.resize(values, x.shape)]
        for filled in fills:
            at = sample.replace(i, filled)
            for dtype in (None, float32):
                ys, found = gradients(op, at, dtype)
                for name, a in [("y", value_of(y)) for y in ys] + [("∂/∂x", g) for g in found]:
                    if not np.isfinite(a).all():
                        point = filled.reshape(-1)[:3].tolist()
                        raise Mismatch(
                            t(
                                "{name} is not finite where {input} is {point} ({dtype}).",
                                name=name,
                                input=op.per_input(op.inputs, len(sample.inputs))[i],
                                point=point,
                                dtype="float64" if dtype is None else dtype.name,
                            )
                        )
                count += 1
    return count
