"""The numbers of an optimiser's next step: each is recomputed, and the step itself agrees."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.explain.cards import explain_update
from chainrule.graph import Tensor
from chainrule.testing.formula import evaluate

RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "momentum_form": "average"}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "eps_inside": True, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True}),
    ("RMSprop", {"lr": 0.01, "eps_inside": True}),
    ("Adadelta", {}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "bias_correction": False, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("AdamW", {"lr": 0.01}),
]


def trained(name, options):
    w = Tensor(np.array([[0.5, -1.0], [2.0, 0.3]]), requires_grad=True)
    return w, getattr(cr.optim, name)([("w", w)], **options)


@pytest.mark.parametrize(("name", "options"), RULES, ids=lambda v: str(v))
def test_every_printed_number_is_recomputed(name, options):
    w, optimizer = trained(name, options)
    x = Tensor(np.array([[1.0, -2.0], [0.5, 3.0]]))
    for step in range(1, 5):
        optimizer.zero_grad()
        ((w * x - 1) ** 2).sum().backward()
        before = w.detach().numpy().copy()
        update = explain_update(optimizer, "w", (1, 0))
        assert (update.step, update.before) == (step, before[1, 0])
        for line in update.lines:
            assert float(evaluate(line.numbers, {"_": 0.0})) == pytest.approx(line.value, rel=1e-12)
        # Explaining changes nothing; stepping does what was explained.
        assert (w.detach().numpy() == before).all()
        optimizer.step()
        assert float(w.detach().numpy()[1, 0]) == pytest.approx(update.after, rel=1e-9)
        state = optimizer.state[w]
        values = {line.name: line.value for line in update.lines}
        for slot, symbol in (("momentum_buffer", "V"), ("exp_avg", "m"), ("exp_avg_sq", "v"),
                             ("square_avg", "S"), ("sum", "S"), ("acc_delta", "D")):  # fmt: skip
            if slot in state:
                assert float(state[slot].numpy()[1, 0]) == pytest.approx(values[symbol], rel=1e-9)


def test_the_notes_first_step_of_adam():
    """003 §6.5: after the correction m̂ is g and v̂ is g², so the first step is α."""
    w = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = cr.optim.Adam([w], lr=0.1)
    (3 * w).sum().backward()
    update = explain_update(optimizer, 0, 0)
    values = {line.name: line.value for line in update.lines}
    assert values["m"] == pytest.approx(0.3) and values["m_hat"] == pytest.approx(3)
    assert values["v"] == pytest.approx(0.009) and values["v_hat"] == pytest.approx(9)
    assert update.after == pytest.approx(0.9, abs=1e-6)
    text = update.text()
    assert "m̂ = m / (1 - β₁^t) = 0.3 / (1 - 0.9^1) = 3" in text
    assert "\\beta" in update._repr_mimebundle_()["text/latex"]


def test_what_cannot_be_explained_is_refused():
    w, optimizer = trained("Adam", {})
    with pytest.raises(ArgumentError, match="no gradient"):
        explain_update(optimizer, "w", (0, 0))
    (w * 2).sum().backward()
    with pytest.raises(ShapeError, match="names no element"):
        explain_update(optimizer, "w", (5, 0))
    with pytest.raises(ArgumentError, match="holds no parameter 'b'"):
        explain_update(optimizer, "b", (0, 0))
    (other := Tensor(np.zeros(2))).requires_grad = True
    with pytest.raises(ArgumentError, match="no gradient"):
        explain_update(cr.optim.SGD([w, other]), 1, 0)
