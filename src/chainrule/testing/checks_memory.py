"""Memory: inputs stay as they are, outputs are new, what is saved is what was declared."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.graph.backward import grad
from chainrule.graph.modes import no_grad
from chainrule.graph.node import Spec
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays import NUMPY
from chainrule.ops.inplace import inplace_of
from chainrule.ops.op import Op
from chainrule.testing.gradients import (
    differences,
    gradients,
    invoke,
    probes,
    projected,
    pull,
    tensors_of,
    value_of,
    vectors,
)
from chainrule.testing.registry import check, derived, differentiable
from chainrule.testing.report import close, expect
from chainrule.testing.sampling import Sample


def _same_bits(a: np.ndarray, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)


@check("purity")
def purity(op: type[Op], sample: Sample) -> int:
    """Inputs, g and params are not changed; the same call gives the same bits."""
    tensors = tensors_of(op, sample)
    before = [None if x is None else value_of(x) for x in tensors]
    params = repr(sample.params)
    outputs = invoke(op, tensors, sample.params)
    vs = vectors(outputs)
    given = [None if v is None else value_of(v) for v in vs]
    results = [value_of(y) for y in outputs]
    inputs = [tensors[i] for i in sample.differentiable(op)]
    found = pull(outputs, inputs, vs)
    for x, old in zip(tensors, before, strict=True):
        expect(old is None or _same_bits(value_of(x), old), t("An input was changed."))
    for v, old in zip(vs, given, strict=True):
        expect(v is None or _same_bits(value_of(v), old), t("The backward changed its g."))
    for y, old in zip(outputs, results, strict=True):
        expect(_same_bits(value_of(y), old), t("The backward changed the output."))
    expect(repr(sample.params) == params, t("A param was changed."))
    again, found_again = gradients(op, sample)
    for y, old in zip(again, results, strict=True):
        expect(_same_bits(value_of(y), old), t("The same call gave another result."))
    for g, old in zip(found, found_again, strict=True):
        expect(g is None or _same_bits(value_of(g), old), t("The same call gave another gradient."))
    return len(tensors)


@check("aliasing")
def aliasing(op: type[Op], sample: Sample) -> int:
    """The output shares no memory with an input unless it is a view; no gradient does."""
    tensors = tensors_of(op, sample)
    outputs = invoke(op, tensors, sample.params)
    held = [x._data for x in tensors if x is not None]
    for y in outputs:
        shared = any(np.shares_memory(y._data, x) for x in held)
        expect(op.view or not shared, t("The output shares the memory of an input."))
    vs = vectors(outputs)
    inputs = [tensors[i] for i in sample.differentiable(op)]
    leaves = [x for x in inputs if x.requires_grad]
    started = [(y, v) for y, v in zip(outputs, vs, strict=True) if v is not None]
    for k, (y, v) in enumerate(started):
        y.backward(v, retain_graph=k + 1 < len(started))
    taken = [g for leaf in leaves if (g := leaf.grad) is not None]
    for k, g in enumerate(taken):
        others = [*held, *(y._data for y in outputs), *(v._data for _, v in started),
                  *(h._data for h in taken[:k])]  # fmt: skip
        shared = any(np.shares_memory(g._data, other) for other in others)
        expect(not shared, t("A gradient shares memory with a value or another gradient."))
    return len(outputs)


@check("recording")
def recording(op: type[Op], sample: Sample) -> int:
    """Recorded exactly when a gradient is wanted, possible and not switched off."""
    outputs = invoke(op, tensors_of(op, sample), sample.params)
    possible = op.differentiable and bool(sample.differentiable(op))
    for y in outputs:
        if not op.differentiable or not y.dtype.is_floating_point:
            expect(not y.requires_grad, t("An output without a gradient claims to have one."))
    if possible and any(y.dtype.is_floating_point for y in outputs):
        expect(any(y.requires_grad for y in outputs), t("The operation was not recorded."))
    with no_grad():
        quiet = invoke(op, tensors_of(op, sample), sample.params)
    expect(not any(y.requires_grad for y in quiet), t("no_grad() did not stop the recording."))
    plain = [None if x is None else x.detach() for x in tensors_of(op, sample)]
    unasked = invoke(op, plain, sample.params)
    expect(not any(y.requires_grad for y in unasked), t("Recorded without being asked."))
    for y, q in zip(outputs, quiet, strict=True):
        expect(_same_bits(value_of(y), value_of(q)), t("Recording changes the value."))
    return 1


# ---- saved values ---------------------------------------------------------------------------


def _saves_input(op: type[Op], place: int, wanted: list[int], n: int) -> bool:
    """Whether input `place` is kept, by the declaration, when `wanted` need gradients."""
    if not op.per_input(op.keep, n)[place]:
        return False
    by = op.per_input(op.readers, n)[place]
    return by is None or any(i in wanted for i in by)


@check("saved values", derived, must=False)
def saved_values(op: type[Op], sample: Sample) -> int:
    """An input that is not saved may be changed before backward; a saved one raises."""
    _, expected = gradients(op, sample)
    wanted = sample.differentiable(op)
    count = 0
    for place in range(len(sample.inputs)):
        x = sample.inputs[place]
        if x is None or not x.size:
            continue
        tensors = tensors_of(op, sample)
        outputs = invoke(op, tensors, sample.params)
        if op.view or not any(y.requires_grad for y in outputs):
            return count
        with no_grad():
            tensors[place].detach().copy_(Tensor(np.ones_like(x)))
        inputs = [tensors[i] for i in wanted]
        name = op.per_input(op.inputs, len(sample.inputs))[place]
        if _saves_input(op, place, wanted, len(sample.inputs)):
            try:
                pull(outputs, inputs, vectors(outputs))
            except AutogradError:
                pass
            else:
                expect(
                    False, t("{name} is saved, was changed, and backward said nothing.", name=name)
                )
        else:
            for got, e in zip(pull(outputs, inputs, vectors(outputs)), expected, strict=True):
                if got is not None:
                    close(t("{name} changed; gradient", name=name), value_of(got), e, 1e-12, 0)
        count += 1
    return count


@check("saves no more", derived, must=False, once=True)
def saves_no_more(op: type[Op], samples: list[Sample]) -> int:
    """Everything in `saves` is read by some gradient: else its memory is held for nothing."""
    read: set[str] = set()
    listed: set[str] = set()
    for sample in samples:
        tensors = tensors_of(op, sample)
        outputs = invoke(op, tensors, sample.params)
        node = next((y.grad_fn for y in outputs if y.grad_fn is not None), None)
        if node is None or node.op is not op or node.saved is None:
            continue
        n = len(node.edges)
        names = (*op.per_input(op.inputs, n), *("y" for _ in node.saved[n:]))
        vs: Any = [v._data if v is not None else None for v in vectors(outputs)]
        grads = vs if node.outputs else vs[0]
        full = op.backward(NUMPY, node, grads, node.saved)
        for k, value in enumerate(node.saved):
            if not isinstance(value, np.ndarray):
                continue
            listed.add(names[k])
            hollow = (*node.saved[:k], Spec(value.shape, value.dtype), *node.saved[k + 1 :])
            try:
                with np.errstate(all="ignore"):
                    without = op.backward(NUMPY, node, grads, hollow)
            except Exception:  # whatever it is: the value was needed
                without = None
            if without is None or not all(map(_equal, without, full)):
                read.add(names[k])
    idle = sorted(listed - read)
    expect(not idle, t("saves names {names}, which no gradient reads.", names=", ".join(idle)))
    return len(listed)


# ---- in place -------------------------------------------------------------------------------


@check("in place", lambda op: op.inplace and differentiable(op), must=False)
def in_place(op: type[Op], sample: Sample) -> int:
    """`x.op_(…)` gives the value and the gradients of the form that makes a new tensor."""
    ys, expected = gradients(op, sample)
    x = sample.inputs[0]
    if (
        x is None
        or x.dtype.kind != "f"
        or ys[0].shape != x.shape
        or ys[0].dtype.name != x.dtype.name
    ):
        return 0
    tensors = tensors_of(op, sample)
    target = tensors[0].clone()
    result = inplace_of(op)(target, *tensors[1:], **sample.params)
    expect(result is target, t("The in-place form returns another tensor."))
    close("y", value_of(target), value_of(ys[0]), 1e-12, 0)
    inputs = [tensors[i] for i in sample.differentiable(op)]
    found = grad(target, inputs, vectors((target,))[0], allow_unused=True)
    for g, e in zip(found, expected, strict=True):
        close(
            t("in place: gradient"),
            np.zeros(e.shape) if g is None else value_of(g),
            e,
            1e-10,
            1e-12,
        )
    return 1


# ---- views ----------------------------------------------------------------------------------


def _written(op: type[Op], sample: Sample, x: np.ndarray) -> tuple[Tensor, Tensor]:
    """A leaf around x, and the square of its copy after a write through the operation's view."""
    leaf = Tensor(np.array(x), requires_grad=True)
    base = leaf.clone()
    (view,) = invoke(op, [base], sample.params)
    view.mul_(view + 2.0)
    return leaf, base * base


@check("view", lambda op: op.view and len(op.inputs) == 1, must=False)
def view(op: type[Op], sample: Sample) -> int:
    """The output is the input's memory; what is written there reaches input and gradient."""
    x = sample.inputs[0]
    assert x is not None
    tensor = Tensor(np.ascontiguousarray(x))
    (seen,) = invoke(op, [tensor], sample.params)
    shared = np.shares_memory(seen._data, tensor._data) or not x.size
    expect(shared, t("The view does not share its input's memory."))
    if 0 in seen._data.strides or x.dtype.kind != "f" or not x.size:
        return 1  # several elements in one place: writing is refused
    leaf, squared = _written(op, sample, x)
    (v,) = vectors((squared,))
    assert v is not None
    (g,) = grad(squared, leaf, v)
    assert g is not None

    def total(a: np.ndarray) -> float:
        return float(np.sum(_written(op, sample, a)[1]._data * v._data))

    directions = probes(x)
    found = projected(directions, value_of(g))
    close(t("gradient after a write"), found, differences(total, x, directions), 2e-5, 2e-6)
    return 2
