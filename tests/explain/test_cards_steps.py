"""The lines between definition and gradient are true, too, as far as they can be evaluated."""

import importlib.util
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from chainrule.explain.cards.deck import sheet_of
from chainrule.explain.cards.entries import entries
from chainrule.graph import Tensor
from chainrule.ops.op import REGISTRY, Elementwise
from chainrule.testing.formula import NotAFormula
from chainrule.testing.latex import evaluate, sides
from chainrule.testing.sampling import samples_of

_spec = importlib.util.spec_from_file_location(
    "cards_latex", Path(__file__).with_name("test_cards_latex.py")
)
latex = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(latex)
Case = type(latex.CASES["glu"]()[0])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


def elementwise(name):
    """Cases of an elementwise operation: its inputs, parameters, result and slopes."""
    op = REGISTRY[name]
    for sample in samples_of(op)[:3]:
        inputs = [x for x in sample.inputs]
        if any(x is None or x.dtype.kind != "f" or x.shape != inputs[0].shape for x in inputs):
            continue
        tensors = [Tensor(x, requires_grad=True) for x in inputs]
        y = op.function(*tensors, **sample.params)
        y.sum().backward()
        params = op.validate(sample.params)
        if any(v != op.defaults.get(k, v) for k, v in params.items()):
            continue  # lines speak of the defaults, or name the parameter
        names = {k: v for k, v in params.items() if isinstance(v, int | float)}
        names |= {"y": y.detach().numpy(), "sigma": sigmoid}
        for of, x, tensor in zip(op.inputs, inputs, tensors, strict=True):
            names[of] = x
            slope = np.zeros_like(x) if tensor.grad is None else tensor.grad.numpy()
            names[f"∂y/∂{of}"] = names[f"dy/d{of}"] = slope
        yield Case(names, {})


def known(case):
    """The case with its gradients under the names that lines give them, and their indices."""
    names, free = dict(case.names), dict(case.free)
    for of, (gradient, letters) in case.gradients.items():
        symbols = {of, of[0], of[0].upper()} if len(case.gradients) == 1 else {of}
        for symbol in symbols - {"∂"}:
            names.setdefault(f"∂L/∂{symbol}", gradient)
        for letter, size in zip(letters, np.shape(gradient), strict=False):
            free.setdefault(letter, size)
    return case._replace(names=names), {k: n for k, n in free.items() if n <= 12}


def value(side, case, place):
    try:
        found = latex.value_at(side, case, place)
    except (NotAFormula, AssertionError, AttributeError, TypeError, IndexError, ValueError):
        return None
    return found if found.dtype == float else None


def apart(parts, case, free):
    """How far the sides of a statement lie apart over all indices; None: fewer than two known."""
    letters = [letter for letter in free if any(letter in part for part in parts)]
    worst = None
    for place in product(*(range(free[letter]) for letter in letters)):
        found = [value(part, case, dict(zip(letters, place, strict=True))) for part in parts]
        first, *others = [v for v in found if v is not None] or [None]
        for other in others:
            if first.size != other.size and 1 not in (first.size, other.size):
                return np.inf
            if first.shape != other.shape and first.size == other.size:
                other = other.reshape(first.shape)
            error = np.abs(first - other).max(initial=0.0) / (1 + np.abs(first).max(initial=0.0))
            worst = max(worst or 0.0, float(error))
    return worst


def all_cases():
    made = {name: make for name, make in latex.CASES.items()}
    for name, entry in entries().items():
        if entry.kind == "operation" and name not in made and issubclass(entry.op, Elementwise):
            made[name] = lambda name=name: list(elementwise(name))
    return made


def statements():
    """(name, sides, how far apart) for every statement of every derivation."""
    for name, make in all_cases().items():
        steps = sheet_of(entries()[name]).steps
        if not steps:
            continue
        cases = [known(case) for case in make()]
        for each in steps:
            for parts in sides(each.tex):
                found = [apart(parts, case, free) for case, free in cases]
                found = [f for f in found if f is not None]
                yield name, parts, max(found) if found else None


@pytest.fixture(scope="module")
def told():
    return list(statements())


def test_the_lines_of_derivations_are_true(told):
    wrong = [(name, " = ".join(parts), error) for name, parts, error in told
             if error is not None and not error < 2e-5]  # fmt: skip
    assert not wrong, "\n".join(map(str, wrong))


def test_how_many_lines_are_evaluated(told):
    # Definitions by words, windows and limits are no formulas; losing others would go unnoticed.
    evaluated = sum(error is not None for _, _, error in told)
    assert evaluated >= 120 and len(told) >= 460


def test_a_false_line_is_noticed():
    cases = [known(case) for case in latex.CASES["box_iou"]()]
    right = r"U = A + B - I"
    for line, true in ((right, True), (right.replace("- I", "+ I"), False)):
        (parts,) = sides(line)
        errors = [apart(parts, case, free) for case, free in cases]
        assert (max(e for e in errors if e is not None) < 1e-9) == true
    assert float(evaluate(r"\frac{1}{2}", {})) == 0.5
