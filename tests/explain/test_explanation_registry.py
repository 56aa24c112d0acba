"""Every operation that has a gradient has a worksheet: formula, derivative, checked numbers."""

import json
import os
import re

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn  # noqa: F401 (its operations register)
from chainrule import nn, optim
from chainrule.base.errors import ChainruleError
from chainrule.explain import cards
from chainrule.explain.cards.composition import composition
from chainrule.explain.cards.deck import sheet_of
from chainrule.explain.cards.entries import aliases, entries
from chainrule.explain.cards.rules import REASONS, RULES
from chainrule.explain.explanation.unfold import is_composite
from chainrule.explain.explanation.verify import verify
from chainrule.ops.dispatch import apply
from chainrule.ops.functional import PUBLIC
from chainrule.ops.op import REGISTRY, Elementwise, op
from chainrule.testing.sampling import samples_of

CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMES = sorted(name for name, op in REGISTRY.items() if op.differentiable)
COUNT = 100 if os.environ.get("CHAINRULE_SLOW") == "1" else 1


def losses(name):
    """Random weighted sums of the operation's results, on inputs drawn from its domain."""
    op = REGISTRY[name]
    random = np.random.default_rng(0)
    for sample in samples_of(op)[:COUNT]:
        places = sample.differentiable(op)
        inputs = [
            x if x is None else cr.tensor(x, requires_grad=True) if i in places else cr.tensor(x)
            for i, x in enumerate(sample.inputs)
        ]
        with cr.explain.recording():
            found = apply(op, *inputs, **sample.params)
            results = [y for y in (found if isinstance(found, tuple) else (found,)) if y._rg]
            if results:
                yield sum((y * cr.tensor(random.normal(size=y.shape))).sum() for y in results)


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_a_verified_worksheet(name):
    for loss in losses(name):
        explanation = cr.explain(loss)
        checked = explanation.verify()
        assert checked.right, [checked.checks[i].text for i in checked.wrong]
        assert checked.count("unknown") == 0
        data = explanation.to_dict()
        json.dumps(data, allow_nan=False)
        for node in data["nodes"]:
            if node["kind"] == "operation":
                assert node["formula"]["text"] and node["formula"]["latex"] and node["summary"]
                assert all(d["text"] and d["latex"] for d in node["derivatives"])
        for step in explanation.graph.operations:
            if is_composite(step):
                assert explanation.unfold(step).disagreement < 1e-6


# ---- nothing is left out ---------------------------------------------------------------------


def everything():
    """Every operation, public function, layer, loss, optimiser, schedule and initialiser."""
    names = {*REGISTRY, *PUBLIC}
    names |= {n for n, x in vars(cr.ops).items()
              if callable(x) and not isinstance(x, type) and not n.startswith("_")}  # fmt: skip
    for room in (nn, optim, optim.lr_scheduler):
        names |= {
            name for name, cls in vars(room).items()
            if isinstance(cls, type) and not name.startswith("_")
            and (issubclass(cls, (nn.Module, optim.Optimizer)) or "LR" in name)
        }  # fmt: skip
    return names | {n for n in vars(nn.init) if n.endswith("_") and not n.startswith("_")}


def gaps(name):
    """What is missing on the card of a name."""
    if name not in entries() and name not in aliases():
        return [f"{name}: no card"]
    card = cards.card(name)
    out = []
    if not (card.definition.tex and card.definition.text):
        out.append(f"{name}: no formula")
    reason = any(card.rule is RULES[key] for key in REASONS)
    if not card.derivation and not reason:
        out.append(f"{name}: neither derivation nor reason")
    for what in ("summary", "use", "trouble", "rule"):
        words = getattr(card, what)
        if not words.en or not (CHINESE.search(words.zh) or words.zh == words.en):
            out.append(f"{name}: no {what} in both languages")
    own = REGISTRY.get(name)
    if own is not None and own.differentiable:
        try:
            samples = samples_of(own)
        except ChainruleError:
            return [*out, f"{name}: no samples for a worksheet"]
        told = {re.sub(r"\d+$", "", key) for key in card.gradients} | set(card.gradients)
        for sample in samples:
            inputs = own.per_input(own.inputs, len(sample.inputs))
            for i in sample.differentiable(own):
                if inputs[i] not in told and re.sub(r"\d+$", "", inputs[i]) not in told:
                    out.append(f"{name}: no gradient formula for {inputs[i]}")
    elif card.kind == "function" and not reason and not card.gradients:
        sheet = sheet_of(entries()[card.name])
        if not sheet.steps:
            out.append(f"{name}: no gradient formula")
    return list(dict.fromkeys(out))


def test_everything_has_formula_derivation_and_card():
    missing = [gap for name in sorted(everything()) for gap in gaps(name)]
    assert not missing, "\n".join(missing)


def test_an_operation_without_a_card_is_noticed():
    @op
    class Unheard(Elementwise):
        name = "unheard_of"
        inputs = ("x",)
        math = "x"
        card = REGISTRY["exp"].card

        def forward(F, x):
            return x

        def vjp(F, g, y, x):
            return (g,)

    try:
        for cached in (entries, aliases):
            cached.cache_clear()
        assert gaps("unheard_of") == ["unheard_of: no card"]
    finally:
        del REGISTRY["unheard_of"]
        for cached in (entries, aliases):
            cached.cache_clear()


FUNCTIONS = [n for n, e in entries().items()
             if e.kind == "function" and not sheet_of(e).steps
             and sheet_of(e).rule not in REASONS]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_is_made_of_is_verified(name):
    """The lines on its card are steps of a graph whose every gradient is checked."""
    made = composition(entries()[name], sheet_of(entries()[name]))
    assert made is not None and made.lines and made.gradients
    checked = verify(made.graph)
    assert checked.right, [checked.checks[i].text for i in checked.wrong]
    assert checked.count("unknown") == 0
    shown = [line.text for line in cards.card(name).derivation]
    assert shown == [line.text for line in made.lines]
