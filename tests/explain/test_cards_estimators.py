"""Classical estimators have cards, too: the public names of chainrule.learn."""

import pytest

import chainrule as cr
from chainrule import learn
from chainrule.explain import cards
from chainrule.explain.cards.entries import entries

NAMES = sorted(name for name, entry in entries().items() if entry.kind == "estimator")


def public():
    """Estimators and functions that fit; not the formats of workings."""
    return {name for name in learn.__all__ if learn._NAMES[name] != "working"}


def test_every_estimator_has_a_card():
    assert len(public()) > 30
    assert public() <= {*entries()}, public() - {*entries()}
    assert len(set(NAMES) - public()) <= 2


@pytest.mark.parametrize("name", NAMES)
def test_an_estimator_is_told_as_everything_else_is(name):
    card = cr.card(name)
    assert card.kind == "estimator" and card.definition.tex
    assert card.derivation and any(line.words for line in card.derivation) or "Scaler" in name
    assert len(card.use.zh) > 4 and len(card.trouble.zh) > 4
    assert name in card.text() and "<svg" in cards.card(name).html()


def test_an_estimator_itself_names_its_card():
    pytest.importorskip("sklearn")
    assert cr.card(learn.KMeans(3)).name == "KMeans"
    assert cr.card(learn.SVC).name == "SVC"
