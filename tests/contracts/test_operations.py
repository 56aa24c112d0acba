"""The contract of every operation, generated from the registry: one test for each op and check."""

import re
from contextlib import suppress
from itertools import combinations

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError
from chainrule.ops.calls import function_of
from chainrule.ops.functional import INTERNAL
from chainrule.ops.op import REGISTRY, Elementwise
from chainrule.ops.primitives import PRIMITIVES
from chainrule.testing import CheckFailure, check_op, samples_of
from chainrule.testing.check_op import CHECKS
from chainrule.testing.checks_value import formula_of
from chainrule.testing.gradients import invoke, pull, tensors_of, value_of, vectors
from chainrule.testing.sampling import more_samples
from chainrule.testing.torch_oracle import has_torch, torch_function

OPS = sorted(REGISTRY)
OWN = [c for c in CHECKS if not c.startswith("torch")]
ORACLE = [c for c in CHECKS if c.startswith("torch")]


def applying(checks):
    return [(n, c) for n in OPS for c in checks if CHECKS[c].applies(REGISTRY[n])]


@pytest.mark.parametrize(("name", "check"), applying(OWN))
def test_contract(name, check):
    check_op(name, checks=[check])


@pytest.mark.parametrize("name", [n for n in OPS if CHECKS["gradient"].applies(REGISTRY[n])])
def test_gradients_are_checked_on_twenty_samples(name):
    for check in ("gradient", "gradient2", "torch"):
        samples = more_samples(REGISTRY[name], samples_of(REGISTRY[name]), CHECKS[check].least)
        assert len(samples) >= 20
        numbers = {
            tuple(x.tobytes() for x in s.inputs if x is not None) for s in samples if s.drawn
        }
        assert len(numbers) > 10 or not any(s.drawn for s in samples)


# Without PyTorch all are generated, so that the summary can say how many were skipped.
ASKING = applying(ORACLE) if has_torch() else [(n, c) for n in OPS for c in ORACLE]


@pytest.mark.parametrize(("name", "check"), ASKING)
def test_pytorch_agrees(name, check, torch):
    check_op(name, checks=[check])


SEVERAL = [
    n for n in OPS
    if REGISTRY[n].differentiable
    and any(len(s.differentiable(REGISTRY[n])) > 1 for s in samples_of(REGISTRY[n]))
]  # fmt: skip


@pytest.mark.parametrize("name", SEVERAL)
def test_an_input_gets_its_gradient_whichever_others_want_one(name, reference):
    """What is kept for the gradients depends on which of them are wanted."""
    op = REGISTRY[name]
    for sample in samples_of(op):
        places = sample.differentiable(op)
        tensors = tensors_of(op, sample)
        outputs = [y for y in invoke(op, tensors, sample.params) if y.requires_grad]
        wanted = pull(outputs, [tensors[i] for i in places], vectors(outputs))
        for count in range(1, len(places)):
            for some in combinations(places, count):
                tensors = tensors_of(op, sample)
                for i in places:
                    tensors[i].requires_grad_(i in some)
                outputs = [y for y in invoke(op, tensors, sample.params) if y.requires_grad]
                found = pull(outputs, [tensors[i] for i in some], vectors(outputs))
                for i, g in zip(some, found, strict=True):
                    e = wanted[places.index(i)]
                    if g is not None and e is not None:
                        np.testing.assert_allclose(value_of(g), value_of(e), 1e-9, 1e-12)


# ---- is everything covered? -----------------------------------------------------------------

# PyTorch has another function under this name.
WITHOUT_ORACLE = {"batch_norm"}
ALWAYS = ("documented", "purity", "aliasing", "recording", "traced")


@pytest.mark.parametrize("name", OPS)
def test_every_operation_is_really_checked(name):
    """Where a check may compare nothing on one sample, some sample makes it compare something."""
    op = REGISTRY[name]
    counts = {}
    for check in OWN:
        if CHECKS[check].applies(op):
            try:
                counts |= check_op(op, checks=[check])
            except CheckFailure:  # test_contract tells of it; here it counts as looked at
                counts[check] = 1
    smooth = op.differentiable and not getattr(op, "surrogate", False)
    floats = any(s.differentiable(op) for s in samples_of(op))
    wanted = list(ALWAYS)
    wanted += ["bad params"] if any(c.bad for c in op.params.values()) else []
    wanted += ["gradient", "gradient2"] if smooth else []
    wanted += ["traced gradient"] if op.differentiable else []
    wanted += (
        ["float32", "half precision"] if floats and name != "cast" and op.differentiable else []
    )
    wanted += ["edges"] if op.edges else []
    wanted += ["saved values"] if smooth and op.vjp and not op.view else []
    wanted += ["no elements"] if issubclass(op, Elementwise) else []
    wanted += ["broadcasting"] if issubclass(op, Elementwise) and len(op.inputs) > 1 else []
    wanted += ["in place"] if op.inplace and smooth else []
    assert {w: counts.get(w, 0) for w in wanted if not counts.get(w)} == {}


def test_a_derived_gradient_is_expanded_unless_the_operation_is_a_primitive():
    # The operations that the recording namespace runs for primitives of another name.
    renamed = {
        "clone", "asin", "acos", "atan", "cast", "amax", "amin", "cumsum", "cumprod",
        "permute", "expand", "constant_pad", "cat", "index", "index_adjoint", "index_put",
        "take_along_dim", "put_along_dim_add", "windows_unfold", "windows_fold",
    }  # fmt: skip
    for name in OPS:
        op = REGISTRY[name]
        if not CHECKS["chain rule"].applies(op):
            continue
        with suppress(CheckFailure):  # test_contract tells of it
            expanded = check_op(op, checks=["chain rule"])["chain rule"]
            assert expanded or name in PRIMITIVES or name in renamed or op.on_host, (
                f"{name}: nothing was expanded"
            )


def test_every_elementwise_formula_can_be_evaluated():
    for name in OPS:
        op = REGISTRY[name]
        if issubclass(op, Elementwise):
            assert any(formula_of(op, s) is not None for s in samples_of(op)), f"{name}: {op.math}"


# The notes have these, PyTorch has not: their formulas and gradients are checked.
NOT_PYTORCHS = {
    "hard_sigmoid_bnn", "sign_ste", "hardmax", "quadratic_loss", "focal_loss", "rmse_loss",
    "hinge_loss", "conv2d_direct", "conv2d_im2col", "convolution_matrix", "conv2d_matrix",
    "conv2d_fft", "linear_recurrence",
}  # fmt: skip


def unasked():
    """Public operations that PyTorch is not asked about, and no reason is given for."""
    public = {n for n in REGISTRY if n not in INTERNAL}
    asked = {n for n in public if torch_function(REGISTRY[n]) is not None}
    return sorted(public - asked - NOT_PYTORCHS - WITHOUT_ORACLE)


def test_pytorch_is_asked_about_every_public_operation(torch):
    assert unasked() == []


def test_a_new_operation_without_an_oracle_is_noticed(torch, monkeypatch):
    base = REGISTRY["tanh"]
    bare = type(base)("Bare", (base,), {"name": "bare", "__doc__": base.__doc__})
    monkeypatch.setitem(REGISTRY, "bare", bare)
    assert unasked() == ["bare"]


def test_a_new_operation_with_a_wrong_gradient_is_noticed(monkeypatch):
    base = REGISTRY["tanh"]
    fields = {"name": "bare", "__doc__": base.__doc__, "vjp": lambda F, g, y, x: (g,)}
    bare = type(base)("Bare", (base,), fields)
    bare.vjp = staticmethod(fields["vjp"])
    bare.function = staticmethod(function_of(bare))
    monkeypatch.setitem(REGISTRY, "bare", bare)
    for check in ("gradient", "chain rule"):
        with pytest.raises(CheckFailure, match="bare"):
            check_op("bare", checks=[check])


def test_an_operation_without_samples_fails():
    bare = type(REGISTRY["matmul"])("Bare", (REGISTRY["matmul"],), {"name": "bare", "samples": ()})
    with pytest.raises(ArgumentError, match="bare has no samples"):
        check_op(bare)


def test_a_check_that_compares_nothing_fails():
    integers = ((np.arange(4),),)
    with pytest.raises(CheckFailure, match="no sample lets this be checked"):
        check_op("square", samples=integers, checks=["gradient"])


def test_the_report_names_operation_check_inputs_and_numbers():
    with pytest.raises(CheckFailure) as caught:
        check_op("relu", samples=((np.array([0.0, 1.0]),),), checks=["gradient"])
    text = str(caught.value)
    assert text.startswith(
        "relu: gradient: ∂/∂x: 1 of 2 entries differ; at (0,) got 0, expected 0.5"
    )
    assert "inputs: x float64 (2,)" in text
    assert caught.value.check == "gradient" and caught.value.op == "relu"


def test_check_op_takes_a_name_a_class_or_a_function():
    from chainrule.ops import functional as F

    for op in ("tanh", REGISTRY["tanh"], F.tanh):
        assert check_op(op, checks=["gradient"])["gradient"] == 20
    with pytest.raises(ArgumentError, match="No operation is named 'tahn'"):
        check_op("tahn")
    with pytest.raises(ArgumentError, match=re.escape("Unknown check 'colour'")):
        check_op("tanh", checks=["colour"])
