"""The LaTeX of the cards is true: each gradient and each step is evaluated on sampled inputs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from chainrule.explain.cards import tex
from chainrule.explain.cards.deck import sheet_of
from chainrule.explain.cards.entries import entries
from chainrule.testing.formula import NotAFormula
from chainrule.testing.latex import evaluate


def cases_of(module):
    spec = importlib.util.spec_from_file_location(module, Path(__file__).with_name(f"{module}.py"))
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found.CASES


CASES = {
    **cases_of("latex_cases"), **cases_of("latex_cases_layers"), **cases_of("latex_cases_boxes"),
}  # fmt: skip


def right_side(formula):
    """The gradient without the words behind it."""
    return formula.split(r"\text{ (")[0]


def value_at(formula, case, indices):
    names = dict(case.names) | indices
    for clash in indices:
        # `i` may be an index and an array of indices: `i_k` reads the array.
        if isinstance(case.names.get(clash), np.ndarray):
            names[clash] = case.names[clash]
    return np.asarray(evaluate(formula, names, case.ranges), float)


def gradient_error(formula, case, of):
    """How far the formula is from the gradient, over all entries."""
    wanted, letters = case.gradients[of]
    worst = 0.0
    outer = np.shape(wanted)[: len(letters)]
    for place in np.ndindex(*outer):
        found = value_at(formula, case, dict(zip(letters, place, strict=True)))
        expected = np.asarray(wanted)[place]
        assert found.size in (1, expected.size) or found.shape == expected.shape, formula
        found = found.reshape(expected.shape) if found.size == expected.size else found
        worst = max(worst, float(np.abs(found - expected).max(initial=0.0)))
    return worst


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_gradient_in_latex_is_the_gradient(name):
    sheet = sheet_of(entries()[name])
    told = {of for of, formula in sheet.gradients.items() if tex.is_tex(formula)}
    seen = set()
    for case in CASES[name]():
        for of in told & set(case.gradients):
            error = gradient_error(right_side(sheet.gradients[of]), case, of)
            assert error < 1e-6, f"{name}, {of}: {sheet.gradients[of]} is off by {error:.3g}"
            seen.add(of)
    assert seen == told, f"{name}: {told - seen} was not compared"


# What no case evaluates, and why.
UNCHECKED = {
    "normalize": "its norm may be any; the derivation says p = 2",
    "dropout": "drawn anew each time", "dropout1d": "as dropout", "dropout2d": "as dropout",
    "dropout3d": "as dropout", "alpha_dropout": "as dropout", "feature_alpha_dropout": "as dropout",
}  # fmt: skip
# Cells and pools that share the sheet of an operation which is evaluated.
SHARED = {
    "rnn_tanh_cell": "rnn", "rnn_relu_cell": "rnn", "lstm_cell": "lstm", "gru_cell": "gru",
    **{f"{kind}max_pool{d}d{tail}": "max_pool" for kind in ("", "adaptive_", "fractional_")
       for d in (1, 2, 3) for tail in ("", "_with_indices")},
    **{f"max_unpool{d}d": "max_unpool" for d in (1, 2, 3)},
}  # fmt: skip


def test_every_formula_in_latex_is_evaluated():
    """One that is added without a case is missing here."""
    missing = []
    for name, entry in entries().items():
        if entry.sheet != name or entry.kind not in ("operation", "function"):
            continue
        own = {of: f for of, f in sheet_of(entry).gradients.items() if tex.is_tex(f)}
        if not own or name in CASES or name in UNCHECKED:
            continue
        other = SHARED.get(name)
        if other is None or sheet_of(entries()[other]).gradients != sheet_of(entry).gradients:
            missing.append(name)
    assert not missing, missing
    assert set(UNCHECKED) <= set(entries()) and len(UNCHECKED) <= 7


def wrong_signs(formula):
    """The formula with one sign changed, in each place where that changes its value."""
    yield f"-\\left({formula}\\right)"
    depth = 0
    for at, c in enumerate(formula):
        depth += (c in "{") - (c in "}")
        # Signs inside braces stand in exponents, indices and conditions.
        if c in "+-" and depth == 0 and at:
            yield f"{formula[:at]}{'-' if c == '+' else '+'}{formula[at + 1 :]}"


def test_a_wrong_sign_is_noticed_in_every_formula():
    unnoticed, tried = [], 0
    for name, make in CASES.items():
        formulas = sheet_of(entries()[name]).gradients
        cases = make()
        for of, formula in formulas.items():
            if not tex.is_tex(formula):
                continue
            for wrong in wrong_signs(right_side(formula)):
                errors = [0.0]
                for case in cases:
                    if of in case.gradients:
                        try:
                            errors.append(gradient_error(wrong, case, of))
                        except NotAFormula:
                            errors.append(1.0)  # a place outside the array, and the like
                tried += 1
                if max(errors) < 1e-6:
                    unnoticed.append(f"{name}, {of}: {wrong}")
    assert not unnoticed, unnoticed
    assert tried > 150
