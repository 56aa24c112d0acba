"""Random programs: every number that their worksheets print is computed again."""

import os
import re
from collections import Counter

import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.explanation.formulas import formula, name_of, operand
from chainrule.explain.worksheet.numbers import number
from chainrule.ops.dispatch import apply
from chainrule.ops.op import Elementwise
from chainrule.testing.formula import evaluate

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


NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


def numbers_in(text: str) -> list[str]:
    return NUMBER.findall(text)


def printed(*values) -> list[str]:
    return [number(float(v), DIGITS) for value in values
            for v in np.ravel(np.asarray(value, dtype=float))]  # fmt: skip


def again(step, **moved) -> np.ndarray:
    """The step's first result, computed once more; `moved`: arrays added to inputs, by number."""
    inputs = []
    for i, x in enumerate(step.inputs):
        value = x.value
        if isinstance(value, np.ndarray):
            value = cr.tensor(value + moved.get(f"x{i}", 0.0)) if value.dtype.kind == "f" else (
                cr.tensor(value))  # fmt: skip
        inputs.append(value)
    with cr.no_grad():
        found = apply(step.known_op, *inputs, **step.params)
    return (found[0] if isinstance(found, tuple) else found).numpy()


def slopes(step, i, place=None):
    """The change of every result per change of input i (at `place`, or everywhere at once), from
    the left and from the right."""
    h = np.zeros(np.shape(step.inputs[i].value))
    h[... if place is None else place] = 1e-6
    middle = again(step)
    return (middle - again(step, **{f"x{i}": -h})) / 1e-6, (
        again(step, **{f"x{i}": h}) - middle) / 1e-6  # fmt: skip


def near(text: str, value: float, loose: float = 1e-5) -> bool:
    """Whether a printed number is this one; it was rounded, and the other is a difference."""
    return abs(float(text) - value) <= loose * (1 + abs(value))


def at_place(step, place) -> dict[str, float]:
    """What the names in formulas stand for at an entry of the result."""
    out = step.outputs[0]
    found = {name_of(step): float(out.value[place])}
    for x in step.inputs:
        if x.value is not None:
            found[operand(x)] = float(np.broadcast_to(x.value, out.shape)[place])
    return found


def check_worked(sides: list[str], known: dict[str, float]) -> None:
    """Symbols = numbers put in = value: all the same number, put in are those of the entry."""
    symbols, *inner, value = sides if len(sides) > 1 else [*sides, *sides]
    assert near(value, float(evaluate(symbols, known)), 1e-6), sides
    for side in inner:
        assert near(value, float(evaluate(side, {"_": 0.0})), 1e-3), sides
        rest = Counter(numbers_in(side))
        rest.subtract(numbers_in(NAMES.sub(lambda m: name_value(m, known), symbols)))
        assert not +rest, (sides, rest)


NAMES = re.compile(r"(?<![\w.])[A-Za-z]\w*")


def name_value(match, known) -> str:
    return number(known[match[0]], DIGITS) if match[0] in known else match[0]


def check_local(step, line):
    """The slope by a difference quotient; kinks, which have no slope, by their formula alone."""
    if not issubclass(step.known_op, Elementwise):
        return  # symbols only
    head, _, tail = line.text.partition("; [")
    symbols = head.split(" = ", 1)[1]
    mine = [i for i, x in enumerate(step.inputs)
            if x.gradient is not None and f"/∂{operand(x)} = " in head]  # fmt: skip
    if tail:
        place, tail = tail.split("]: ", 1)
        sides = [symbols, *tail.split(" = ")]
        place = tuple(int(p) for p in place.split(","))
    else:
        sides = symbols.split(" = ")
        place = (0,) * len(step.outputs[0].shape)
    if not NUMBER.fullmatch(sides[-1]):
        return
    check_worked(sides, at_place(step, place))
    # x − x has two lines of one name: one of the two slopes must be meant.
    found = [[float(side[place]) for side in slopes(step, i)] for i in mine]
    kink = any(abs(left - right) >= 1e-4 * (1 + abs(left)) for left, right in found)
    assert kink or any(near(sides[-1], (left + right) / 2) for left, right in found), line.text


def check_product(step, line):
    held = line.numbers
    right = line.text.split(" = ", 1)[1]
    if "place" not in held:
        terms = np.asarray(held["upstream"], float) * np.asarray(held["local"], float)
        np.testing.assert_allclose(terms, held["result"], rtol=1e-9, atol=1e-12)
        assert numbers_in(right) == printed(held["upstream"], held["local"], held["result"]), right
        return
    x = step.inputs[held["input"]]
    assert held["result"] == x.gradient[held["place"]]
    shown = [v for pair in zip(held["upstream"], held["local"], strict=True) for v in pair]
    upstream = step.outputs[0].gradient
    found, _, cut = right.partition(" + … (")
    if not cut:
        assert numbers_in(right) == printed(*shown, held["result"]), right
        total = float(np.dot(held["upstream"], held["local"]))
    else:
        count, rest, value = numbers_in(cut)
        assert numbers_in(found) == printed(*shown) and [value] == printed(held["result"]), right
        left, after = slopes(step, held["input"], held["place"])
        # The terms are those of the results that move: the largest are shown, the others counted.
        terms = np.ravel(upstream * (left + after) / 2)
        moved = np.count_nonzero(np.ravel(left) != 0) or len(held["upstream"])
        assert int(count) >= moved - len(held["upstream"]) and int(count) < terms.size, right
        own = np.sort(np.abs(np.asarray(held["upstream"]) * held["local"]))[::-1]
        np.testing.assert_allclose(own, np.sort(np.abs(terms))[::-1][: len(own)], 1e-4, 1e-6)
        size = np.abs(terms).sum()
        expected = terms.sum() - np.dot(held["upstream"], held["local"])
        assert abs(float(rest) - expected) < 1e-5 * (1 + size), (right, expected)
        total = float(np.dot(held["upstream"], held["local"]) + float(rest))
    size = float(np.abs(shown).max(initial=1.0))
    assert total == pytest.approx(held["result"], rel=1e-5, abs=1e-6 * size), right


def check_line(step, line):
    """Each number that is printed; how it was come by is not asked."""
    held, right = line.numbers, line.text.partition(" = ")[2]
    if ": mean " in right:
        value = held.get("value", held.get("result"))
        wanted = printed(np.mean(value), np.std(value), np.min(value), np.max(value))
        assert numbers_in(right.split(": mean ")[1]) == wanted, line.text
    elif line.kind == "product":
        check_product(step, line)
    elif line.kind == "local":
        check_local(step, line)
    elif line.kind == "sum":
        total = sum(np.asarray(term, float) for term in held["terms"])
        np.testing.assert_allclose(total, held["result"], rtol=1e-9, atol=1e-12)
        terms = [*held["terms"], held["result"]] if "  (" in right else [held["result"]]
        assert numbers_in(right.split("  (")[0]) == printed(*terms), line.text
    elif line.kind == "numbers" and "inputs" in held:
        check_worked([formula(step).text.split(" = ", 1)[1], *right.split(" = ")],
                     at_place(step, held["place"]))  # fmt: skip
        value = again(step)[held["place"]]
        assert right.split(" = ")[-1] == printed(value)[0], line.text
    elif line.kind == "numbers":
        assert numbers_in(right) == printed(again(step)), line.text
    elif line.kind == "note" and "result" in held:
        inputs = [x for x in step.inputs if x.gradient is not None]
        assert any(numbers_in(right) == printed(x.gradient) for x in inputs), line.text


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
            assert numbers_in(line.text.split(": mean ")[1]) == printed(*wanted), line.text
            seen += 1
    assert seen >= 6


def kind_of(line) -> str:
    """The kinds of lines that are checked in different ways."""
    for mark, kind in ((": mean ", "statistics"), ("… (", "cut off"), ("  (through", "uses")):
        if mark in line.text:
            return f"{line.kind}, {kind}"
    return f"{line.kind}{', entry' if 'place' in line.numbers else ''}"


def changed(text: str):
    """The text with one digit of one number changed, for each number after the equality sign."""
    start = text.index(" = ") + 3
    stop = text.find("  (through") if "  (through" in text else len(text)
    for match in NUMBER.finditer(text, start, stop):
        places = [k for k in range(*match.span()) if text[k].isdigit()]
        if text[match.start() - 1] == "[" and ": " in text[match.end() : match.end() + 12]:
            continue  # which entry it is
        k = places[0] if text[places[0]] != "0" else places[-1]
        yield text[:k] + str((int(text[k]) + 4) % 10) + text[k + 1 :]


def test_a_changed_digit_is_noticed_in_every_kind_of_line():
    unnoticed, tried = [], Counter()
    for seed in range(30):
        leaves, run = program(seed)
        tensors = [cr.tensor(a, requires_grad=True) for a in leaves]
        with cr.explain.recording():
            loss = run(*tensors)
        explanation = cr.explain(loss)
        for step_ in explanation.graph.operations:
            if all(o.gradient is None for o in step_.outputs):
                continue
            for line in explanation.lines(step_, DIGITS):
                kind = kind_of(line)
                symbols = line.kind == "local" and not (
                    issubclass(step_.known_op, Elementwise)
                    and NUMBER.fullmatch(line.text.split(" = ")[-1].split(": ")[-1])
                )
                if line.kind == "formula" or symbols or tried[kind] >= 12:
                    continue
                for text in changed(line.text):
                    tried[kind] += 1
                    try:
                        check_line(step_, line._replace(text=text))
                    except (AssertionError, ValueError, StopIteration):
                        continue
                    unnoticed.append(f"{line.text}  →  {text}")
    assert not unnoticed, "\n".join(unnoticed)
    kinds = {"numbers, entry", "numbers", "local", "product", "product, entry", "product, cut off",
             "sum", "sum, uses", "note"}  # fmt: skip
    assert kinds <= set(tried), kinds - set(tried)


# ---- why: paths and samples -------------------------------------------------------------------


class Chain(cr.nn.Module):
    """x + tanh(w x), several times; `way` cuts one of the two in each layer after the first."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = cr.nn.ModuleList([cr.nn.Linear(3, 3) for _ in range(depth)])
        self.way = None

    def forward(self, x):
        for k, layer in enumerate(self.layers):
            through, around = x, x
            if self.way is not None and k:
                through, around = (x, x.detach()) if self.way[k - 1] else (x.detach(), x)
            x = around + cr.tanh(layer(through))
        return x


def loss_of(model, x):
    return model(x).square().mean()


def plain_gradient(model, loss):
    model.zero_grad()
    loss.backward()
    return model.layers[0].weight.grad.numpy().astype(float)


def chain():
    cr.manual_seed(5)
    return Chain(3).to(cr.float64), cr.randn(4, 3, dtype=cr.float64)


def numbers_of_shares(parts, total):
    """For each part, largest first, "share%, norm", as they should be printed."""
    found = sorted(parts, key=lambda p: -float(np.linalg.norm(p)))
    return [(f"{float((p * total).sum() / (total * total).sum()):.1%}",
             number(float(np.linalg.norm(p)), 3)) for p in found]  # fmt: skip


def path_numbers(text):
    return [(share, norm) for share, norm in re.findall(r"share (-?[\d.]+%), norm (\S+)", text)]


def check_paths(text, model, x):
    """Each path by itself: the same program with all other ways cut."""
    total, parts = plain_gradient(model, loss_of(model, x)), []
    for model.way in ((1, 1), (1, 0), (0, 1), (0, 0)):
        parts.append(plain_gradient(model, loss_of(model, x)))
    model.way = None
    np.testing.assert_allclose(sum(parts), total)
    assert path_numbers(text) == numbers_of_shares(parts, total)
    assert f"norm {number(float(np.linalg.norm(total)), 3)}:" in text.splitlines()[0]
    for block in re.split(r"\n  path ", text)[1:]:
        factors = [float(f) for f in re.findall(r"^    × (\S+)  n", block, re.M)]
        norm = float(re.search(r"norm (\S+)", block)[1])
        assert np.prod(factors) == pytest.approx(norm, rel=0.02)


def check_samples(text, model, x):
    """Each sample by itself: the loss of it alone, a fourth of the mean."""
    total = plain_gradient(model, loss_of(model, x))
    parts = [plain_gradient(model, loss_of(model, x[k : k + 1]) / 4) for k in range(4)]
    np.testing.assert_allclose(sum(parts), total)
    found = [(share, norm) for norm, share in re.findall(r"norm (\S+), share (\S+)", text)]
    assert found == numbers_of_shares(parts, total)
    order = np.argsort([-float(np.linalg.norm(p)) for p in parts], kind="stable")
    assert [int(k) for k in re.findall(r"sample (\d+)", text)] == order.tolist()


@pytest.mark.parametrize(("what", "check"), [("paths", check_paths), ("samples", check_samples)])
def test_printed_shares_of_paths_and_samples_can_be_computed_again(what, check):
    model, x = chain()
    with cr.explain.recording():
        loss = loss_of(model, x)
    text = getattr(cr.explain(loss), what)("layers.0.weight").to_text()
    check(text, model, x)
    unnoticed = []
    for match in re.finditer(r"(?:norm|share) -?([\d.]+)", text):
        k = next(i for i in range(*match.span(1)) if text[i] not in "0.")
        wrong = text[:k] + str((int(text[k]) + 4) % 10) + text[k + 1 :]
        try:
            check(wrong, model, x)
        except AssertionError:
            continue
        if match.start() > text.index("\n") or what == "paths":
            unnoticed.append(wrong[match.start() : match.end()])
    assert not unnoticed
