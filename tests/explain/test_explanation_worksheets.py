"""Random programs: every number that their worksheets print is computed again."""

import os
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.worksheet.numbers import number

COUNT = 1000 if os.environ.get("CHAINRULE_SLOW") == "1" else 50
SHAPES = [(), (3,), (2, 3), (1, 3), (2, 1), (4, 4)]
UNARY = ["tanh", "sigmoid", "exp", "relu", "sin", "square", "softplus", "gelu", "abs"]
REDUCE = ["sum", "mean", "logsumexp", "amax"]
DIGITS = 6


def program(seed: int):
    """Leaves, and a function of them that is a random program."""
    random = np.random.default_rng(seed)
    shapes = [SHAPES[i] for i in random.integers(len(SHAPES), size=random.integers(2, 5))]
    leaves = [random.uniform(-1.5, 1.5, shape) for shape in shapes]
    plan = random.integers(0, 1 << 30, size=(random.integers(2, 7), 4))

    def run(*tensors):
        values = list(tensors)
        for kind, first, second, how in plan:
            a, b = values[first % len(values)], values[second % len(values)]
            values.append(step(int(kind), a, b, int(how)))
        total = values[-1].sum()
        for value in values[: len(tensors)]:
            total = total + 0.5 * value.mean()
        return total

    return leaves, run


def step(kind, a, b, how):
    fits = all(m == n or 1 in (m, n) for m, n in zip(a.shape[::-1], b.shape[::-1], strict=False))
    choice = kind % 8
    if choice < 2:
        return getattr(a, UNARY[how % len(UNARY)])()
    if choice == 2 and a.ndim:
        return getattr(a, REDUCE[how % len(REDUCE)])(how % a.ndim)
    if choice == 3 and a.ndim == 2:
        return a.T @ a if how % 2 else a.reshape(-1)
    if choice == 4 and a.ndim:
        return a.softmax(-1)
    if not fits:
        return a * 2.0 - 1.0
    if choice == 5:
        return a / (b * b + 1.0)
    return (a + b, a - b, a * b, cr.maximum(a, b))[how % 4]


def numbers_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])", text))


def printed(values) -> set[str]:
    return {number(float(v), DIGITS) for v in np.ravel(np.asarray(values, dtype=float))}


def check_line(step, line):
    held = line.numbers
    if line.kind == "product":
        terms = np.asarray(held["upstream"], float) * np.asarray(held["local"], float)
        if "place" in held:
            total = terms.sum() + held["rest"]
            size = np.abs(terms).sum() + abs(held["rest"])
            assert total == pytest.approx(held["result"], rel=1e-9, abs=1e-9 * size + 1e-15), line
            x = step.inputs[held["input"]]
            assert held["result"] == x.gradient[held["place"]]
        else:
            np.testing.assert_allclose(terms, held["result"], rtol=1e-9, atol=1e-12)
        right = line.text.split(" = ", 1)[1].split(" more: ")[0]
        known = [held["upstream"], held["local"], held["result"], held["rest"]]
        extra = {str(n) for n in range(1, 65)} if "…" in line.text else set()
        assert numbers_in(right) <= set().union(*map(printed, known)) | extra, line
    elif line.kind == "sum":
        total = sum(np.asarray(term, float) for term in held["terms"])
        np.testing.assert_allclose(total, held["result"], rtol=1e-9, atol=1e-12)
        if np.size(held["result"]) <= 16:
            right = line.text.split(" = ", 1)[1].split("  (")[0]
            known = [*held["terms"], held["result"]]
            assert numbers_in(right) <= set().union(*map(printed, known)), line
    elif line.kind == "numbers" and "inputs" in held:
        place = held["place"]
        assert held["result"] == step.outputs[0].value[place]
        assert number(held["result"], DIGITS) in line.text


@pytest.mark.parametrize("seed", range(COUNT))
def test_every_printed_number_can_be_computed_again(seed):
    leaves, run = program(seed)
    tensors = [cr.tensor(a, requires_grad=True) for a in leaves]
    with cr.explain.recording():
        loss = run(*tensors)
    explanation = cr.explain(loss)
    for step_ in explanation.graph.operations:
        if any(o.gradient is not None for o in step_.outputs):
            for line in explanation.lines(step_, DIGITS):
                check_line(step_, line)
    checked = explanation.verify()
    assert checked.right, [checked.checks[i].text for i in checked.wrong]
    kinks = checked.count("kink")
    for k, leaf in enumerate(leaves):
        g = explanation.gradient(tensors[k])
        for place in np.ndindex(leaf.shape):
            ends = []
            for h in (1e-6, -1e-6):
                moved = [a.copy() for a in leaves]
                moved[k][place] += h
                with cr.no_grad():
                    ends.append(float(run(*map(cr.tensor, moved))))
            slope = (ends[0] - ends[1]) / 2e-6
            size = 1 + abs(float(loss))
            if not kinks:
                assert g[place] == pytest.approx(slope, rel=1e-5, abs=1e-7 * size)


@pytest.mark.parametrize("seed", range(5))
def test_printed_statistics_can_be_computed_again(seed):
    """Of large tensors: mean, deviation and range, of values and of gradients."""
    random = np.random.default_rng(seed)
    x = cr.tensor(random.normal(size=(5, 7)), requires_grad=True)
    w = cr.tensor(random.normal(size=(7, 6)), requires_grad=True)
    with cr.explain.recording():
        loss = cr.tanh(x @ w).square().mean()
    explanation = cr.explain(loss)
    seen = 0
    for each in explanation.steps:
        for line in explanation.lines(each, DIGITS):
            value = line.numbers.get("value", line.numbers.get("result"))
            if value is None or np.size(value) <= 16 or ": mean " not in line.text:
                continue
            wanted = (np.mean(value), np.std(value), np.min(value), np.max(value))
            assert numbers_in(line.text.split(": mean ")[1]) == printed(wanted), line.text
            seen += 1
    assert seen >= 6
