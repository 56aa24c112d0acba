"""Every name has a card, each card is whole in both languages, and its formulas are true."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.explain import cards
from chainrule.explain.cards import derivation, tex
from chainrule.explain.cards.deck import sheet_of, slopes_of
from chainrule.explain.cards.entries import aliases, entries
from chainrule.graph import Tensor
from chainrule.ops.functional import PUBLIC
from chainrule.ops.op import REGISTRY, Elementwise
from chainrule.testing.formula import NotAFormula, evaluate
from chainrule.testing.sampling import samples_of

NAMES = sorted(entries())
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_every_registry_is_covered():
    known = {*entries(), *aliases()}
    assert known >= set(REGISTRY) and known >= set(PUBLIC)
    for room in (cr.nn, cr.optim, cr.optim.lr_scheduler):
        for name, cls in vars(room).items():
            if not isinstance(cls, type) or name.startswith("_"):
                continue
            if issubclass(cls, (cr.nn.Module, cr.optim.Optimizer)) or "LR" in name:
                assert name in known, name
    for name, x in vars(cr.ops).items():
        if callable(x) and not isinstance(x, type) and not name.startswith("_"):
            assert name in known, name
    for name in vars(cr.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            assert name in known, name


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_whole(name):
    card = cards.card(name)
    assert card.definition.tex and card.definition.text
    assert card.derivation or card.rule
    for words in (card.summary, card.use, card.trouble, card.rule):
        assert len(words.en) > 3 and not CHINESE.search(words.en), words
        assert CHINESE.search(words.zh) or words.zh == "if tensor: …", words
    for line in (card.definition, *card.derivation, *card.gradients.values()):
        assert line.tex.count("{") == line.tex.count("}"), line.tex
        commands = set(re.findall(r"\\([A-Za-z]+)", line.tex))
        assert commands <= tex.COMMANDS, commands - tex.COMMANDS
        assert "\\" not in line.text and "{\\" not in line.text, line.text
    for other in card.related:
        assert other in entries(), f"{name} is related to {other}, which has no card"


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_svg_without_scripts(name):
    svg = cards.card(name).svg()
    root = ET.fromstring(svg)
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert "svg" in root.tag and "script" not in tags
    assert not re.search(r'="[^"]*\b(nan|inf)\b', svg)  # no coordinate that is no number
    assert len(tags) >= 4


def test_pictures_leave_the_random_stream_alone_and_need_no_grad_mode():
    cr.manual_seed(3)
    wanted = cr.rand(2).tolist()
    cr.manual_seed(3)
    with cr.no_grad():
        first, second = cards.card("dropout").svg(), cards.card("dropout").svg()
    assert first == second and "∂L/∂x" in first
    assert cr.rand(2).tolist() == wanted


def test_differentiable_operations_say_how_their_gradient_is_found():
    for name, op in REGISTRY.items():
        card = cards.card(name)
        if op.differentiable:
            assert card.derivation, f"{name} has no derivation"
            assert card.gradients or op.vjp is None, f"{name} has no gradient formula"
        else:
            assert not card.gradients, f"{name} has no gradient, but its card gives one"


# ---- formulas against numbers ----------------------------------------------------------------

ELEMENTWISE = [n for n, op in REGISTRY.items()
               if n in entries() and issubclass(op, Elementwise) and op.differentiable]  # fmt: skip


def away(op, x):
    """Numbers a little off the grid, so that no difference runs over a kink."""
    return np.where(np.abs(x - np.round(x)) < 1e-3, x + 0.0137, x)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_form_of_a_slope_is_the_slope(name):
    """Each line of dy/dx, evaluated, is the gradient that the operation gives for g = 1."""
    op = REGISTRY[name]
    sheet = sheet_of(entries()[name])
    found = slopes_of(sheet, op)
    assert found or sheet.gradients, f"{name}: no slope"
    checked = 0
    for sample in samples_of(op)[:4]:
        inputs = [None if x is None else away(op, x) if x.dtype.kind == "f" else x
                  for x in sample.inputs]  # fmt: skip
        tensors = [None if x is None else Tensor(x, requires_grad=x.dtype.kind == "f")
                   for x in inputs]  # fmt: skip
        y = op.function(*tensors, **sample.params)
        y.sum().backward()
        params = op.validate(sample.params)
        names = {n: x for n, x in zip(op.inputs, inputs, strict=True) if x is not None}
        names |= {k: v for k, v in params.items() if v is not None} | {"y": y.detach().numpy()}
        if (None in params.values() and name == "clamp") or (
            params.get("approximate") == "tanh" or params.get("eps") is not None
        ):
            continue
        for i, of in enumerate(op.inputs):
            if of not in found or inputs[i] is None or inputs[i].shape != y.shape:
                continue
            grad = tensors[i].grad
            expected = np.zeros(y.shape) if grad is None else grad.numpy()
            for form in found[of]:
                value = np.broadcast_to(evaluate(form, names), y.shape)
                np.testing.assert_allclose(value, expected, 2e-6, 1e-9, err_msg=form)
                checked += 1
    assert checked or not found or name == "clamp", f"{name}: nothing was compared"


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if derivation.gates(REGISTRY[n])])
def test_gates_multiply_to_the_slope(name):
    """The local derivatives of the gates, walked back, give the gradient of each input."""
    op = REGISTRY[name]
    gates = derivation.gates(op)
    params = {k: v for k, v in op.defaults.items() if v is not None}
    low, high = op.domain
    point = {n: low + (high - low) * part
             for n, part in zip(op.inputs, (0.7137, 0.6311, 0.8719), strict=False)}  # fmt: skip
    tensors = [Tensor(np.array(v), requires_grad=True) for v in point.values()]
    if set(op.params) - set(params):
        pytest.skip("needs a parameter")
    y = op.function(*tensors)
    y.backward()
    values = dict(params) | point
    for of, formula, _ in gates:
        values[of] = float(evaluate(formula, values))
    assert values["y"] == pytest.approx(float(y.detach().numpy()), rel=1e-6)
    back = dict.fromkeys(values, 0.0) | {"y": 1.0}
    for of, _, local in reversed(gates):
        for operand, slope in local.items():
            back[operand] = back.get(operand, 0.0) + back[of] * float(evaluate(slope, values))
    for of, x in zip(op.inputs, tensors, strict=False):
        got = 0.0 if x.grad is None else float(x.grad.numpy())
        assert back[of] == pytest.approx(got, rel=1e-5, abs=1e-9), of


# Gradients of other operations in the language of `math`, and how many of them there are.
WHOLE = [n for n, op in REGISTRY.items()
         if n in entries() and not issubclass(op, Elementwise) and op.differentiable
         and any(not tex.is_tex(f) for f in sheet_of(entries()[n]).gradients.values())]  # fmt: skip


def along_channels(name, x, first):
    """A vector of one number a channel, as it broadcasts over (N, C, …)."""
    if name in ("prelu", "batch_norm_inference") and x is not first and first.ndim > 1:
        return x.reshape(1, -1, *[1] * (first.ndim - 2))
    return x


def narrowed(value, shape):
    """The gradient of an input that was broadcast: the sum over the places it was used at."""
    value = np.asarray(value)
    while value.ndim > len(shape):
        value = value.sum(0)
    wide = tuple(i for i, n in enumerate(shape) if n == 1 and i < value.ndim)
    return value.sum(wide, keepdims=True) if value.ndim == len(shape) and wide else value


@pytest.mark.parametrize("name", WHOLE)
def test_gradient_formulas_are_the_gradients(name):
    op = REGISTRY[name]
    sheet = sheet_of(entries()[name])
    checked = set()
    for sample in samples_of(op)[:12]:
        inputs = [None if x is None else away(op, x) if x.dtype.kind == "f" else x
                  for x in sample.inputs]  # fmt: skip
        if not all(np.size(x) for x in inputs if x is not None):
            continue
        places = sample.differentiable(op)
        tensors = [None if x is None else Tensor(x, requires_grad=i in places)
                   for i, x in enumerate(inputs)]  # fmt: skip
        params = op.validate(sample.params)
        # A formula speaks of the defaults, and of the options that it names.
        text = " ".join(sheet.gradients.values())
        if any(
            v != op.defaults[k]
            for k, v in params.items()
            if k in op.defaults and k not in ("dim", "keepdim") and k not in text
        ):
            continue
        left_out = [n for n, x in zip(op.inputs, inputs, strict=True) if x is None]
        untold = [n for n in op.optional if n not in text and n not in sheet.gradients]
        if set(untold) - set(left_out):
            continue
        y = op.function(*tensors, **sample.params)
        if not isinstance(y, Tensor):
            continue
        seed = np.random.default_rng(0).normal(size=y.shape)
        (y * Tensor(seed)).sum().backward()
        dim = params.get("dim")
        wide = y.detach().numpy()
        if "dim" in params and wide.shape != inputs[0].shape:
            axes = tuple(range(inputs[0].ndim)) if dim is None else dim
            if not params.get("keepdim"):
                wide, seed = np.expand_dims(wide, axes), np.expand_dims(seed, axes)
        names = {
            n: along_channels(name, x, inputs[0])
            for n, x in zip(op.inputs, inputs, strict=True)
            if x is not None
        }
        names |= {k: v for k, v in params.items() if v is not None and k != "dim"}
        # Weights that are left out are 1.
        names |= {n: 1.0 for n in left_out if "weight" in n} | {"y": wide, "g": seed}
        if any(n in text and n not in names for n in left_out):
            continue
        for i, of in enumerate(op.inputs):
            formula = sheet.gradients.get(of, "{")
            if tex.is_tex(formula) or i not in places or tensors[i].grad is None:
                continue
            if "@" in formula and any(x is not None and x.ndim != 2 for x in inputs[:2]):
                continue
            try:
                value = evaluate(formula, names, dim)
            except NotAFormula:
                pytest.fail(f"{name}: {formula} is neither a formula nor LaTeX")
            shape = inputs[i].shape
            value = np.reshape(value, shape) if np.size(value) == inputs[i].size else value
            value = np.broadcast_to(narrowed(value, shape), shape)
            np.testing.assert_allclose(value, tensors[i].grad.numpy(), 2e-5, 1e-8, err_msg=formula)
            checked.add(of)
    told = {n for n, formula in sheet.gradients.items() if not tex.is_tex(formula)}
    assert checked == told, f"{name}: {told - checked} was not compared"


def test_how_much_is_checked():
    # Losing one from the lists above would go unnoticed.
    assert len(ELEMENTWISE) >= 90 and len(WHOLE) >= 25


# ---- texts and pages -------------------------------------------------------------------------


def test_text_is_as_wide_as_asked(monkeypatch):
    for lang in ("en", "zh"):
        monkeypatch.setenv("CHAINRULE_LANG", lang)
        text = cards.card("sigmoid").text(60)
        own = text.split("    def vjp")[0]
        wide = [sum(2 if ord(c) > 0x2E7F else 1 for c in line) for line in own.splitlines()]
        assert max(wide) <= 61
        assert ("缺点" in text) == (lang == "zh")


def test_pages_need_nothing_else():
    page = cards.card("conv2d").html()
    assert "<script" not in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "何时使用" in page and "When to use it" in page and "<animate" in page


def test_a_notebook_gets_text_and_html():
    bundle = cr.card("batch_norm")._repr_mimebundle_()
    assert "batch_norm" in bundle["text/plain"] and "<svg" in bundle["text/html"]
    assert "\\hat{x}" in bundle["text/markdown"]


def test_cards_are_found_by_name_object_and_guess():
    assert cr.card("Sigmoid").kind == "layer" and cr.card("sigmoid").kind == "operation"
    assert cr.card(cr.nn.Conv2d(1, 2, 3)).name == "Conv2d"
    assert cr.card(cr.relu).name == "relu" and cr.card(cr.optim.Adam).name == "Adam"
    assert cr.card("arctan2").name == "atan2" and cr.card("SIGMOID").name in ("sigmoid", "Sigmoid")
    with pytest.raises(ArgumentError, match="did you mean 'sigmoid'"):
        cr.card("sigmod")


def test_plain_data_is_json():
    data = json.loads(json.dumps(cards.card("Adam").as_dict()))
    assert data["derivation"][0]["words"]["zh"] and data["use"]["en"]


def test_latex_and_plain_text_of_formulas():
    assert tex.to_tex("1 / (1 + exp(-x))") == r"\frac{1}{1 + e^{-x}}"
    assert tex.to_plain(r"\frac{\partial p_i}{\partial s_j} = p_i(\delta_{ij} - p_j)") == (
        "∂p_i/∂s_j = p_i(δ_ij − p_j)"
    )
    assert tex.to_plain(r"\hat{m} = \frac{m}{1 - \beta_1^t}") == "m\u0302 = m/(1 − β_1ᵗ)"
