"""`explain(optimizer)`: every line of every optimiser's step against the step itself."""

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, AutogradError, ShapeError
from chainrule.explain.updates import rules
from chainrule.explain.updates.work import Work
from chainrule.graph import Tensor
from chainrule.testing.formula import evaluate

STEPS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    ("SGD", {"momentum": 0.9, "momentum_form": "average"}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adagrad", {"lr_decay": 0.1, "eps_inside": True, "weight_decay": 0.1}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "maximize": True}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"eps_inside": True, "maximize": True}),
    ("Adadelta", {"weight_decay": 0.1, "maximize": True}),
    ("Adam", {"amsgrad": True, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {"bias_correction": False}),
    ("AdamW", {"amsgrad": True}),
    ("Adamax", {"weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.5, 0.6)}),
    ("ASGD", {"t0": 2, "lambd": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {"maximize": True}),
    ("Rprop", {"lr": 0.5, "step_sizes": (1e-3, 0.6)}),
    ("Adafactor", {"weight_decay": 0.1, "maximize": True}),
    ("Adafactor", {"eps": (1e-3, 0.1), "d": 1.5}),
    ("Muon", {}),
    ("Muon", {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 2}),
    ("LBFGS", {"max_iter": 1, "history_size": 2}),
]
VECTORS = [(name, o) for name, o in STEPS if name in ("SGD", "Adafactor", "Adam", "LBFGS")]
BOTH = [(*each, shape) for each in STEPS for shape in ((2, 3), (4, 2))] + [
    (*each, shape) for each in VECTORS for shape in ((3,), ())
]


def problem(name, options, shape=(2, 3), dtype=np.float64):
    rng = np.random.default_rng(1)
    w = Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True)
    x = Tensor(rng.normal(size=shape).astype(dtype))
    optimizer = getattr(cr.optim, name)([("w", w)], **options)

    def closure():
        optimizer.zero_grad()
        loss = ((w * x - 1) ** 2).sum() + (w[..., :1].sum() if shape else w) ** 2
        loss.backward()
        return loss

    return w, optimizer, closure


def advance(optimizer, closure):
    if isinstance(optimizer, cr.optim.LBFGS):
        optimizer.step(closure)
    else:
        optimizer.step()


def test_every_optimiser_is_among_the_steps():
    known = {name for name in vars(cr.optim) if isinstance(getattr(cr.optim, name), type)}
    of_gradients = {
        name for name in known
        if issubclass(getattr(cr.optim, name), cr.optim.Optimizer)
    } - {"Optimizer", "SwitchOptimizer", "SparseAdam"}  # fmt: skip
    assert of_gradients == {name for name, _ in STEPS}


@pytest.mark.parametrize(("name", "options", "shape"), BOTH, ids=lambda v: str(v))
def test_every_line_is_that_of_the_step(name, options, shape):
    w, optimizer, closure = problem(name, options, shape)
    for step in range(1, 8):
        closure()
        explanation = cr.explain(optimizer, step="next")
        before = w.detach().numpy().copy()
        checked = explanation.verify()
        assert checked.right, checked.wrong
        assert checked.lines and checked.worst < 1e-9
        updates = {at: explanation.entry("w", at) for at in np.ndindex(shape)}
        for update in updates.values():
            assert update.step == step or name == "LBFGS"  # which may have arrived
            assert all(found.status == "right" for found in update.verify())
            for line in update.lines:  # what is printed gives what is printed
                if line.numbers:
                    again = float(evaluate(line.numbers, {"_": 0.0}))
                    assert again == pytest.approx(line.value, rel=1e-9, abs=1e-300)
        assert (w.detach().numpy() == before).all()  # explaining changes nothing
        advance(optimizer, closure)
        for at, update in updates.items():
            assert float(w.detach().numpy()[at]) == pytest.approx(update.after, rel=1e-9, abs=1e-12)
        # Every state that the step leaves is a line of it.
        slots = {line.slot for line in updates[next(iter(updates))].lines}
        if name != "LBFGS":
            assert set(optimizer.state[w]) - {"step"} <= slots


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("name", "options"), STEPS, ids=lambda v: str(v))
def test_few_digits(name, options, dtype):
    w, optimizer, closure = problem(name, options, (4, 2), np.float32)
    if dtype != "float32":
        w.data = w.data.to(getattr(cr, dtype))
    for _ in range(4):
        closure()
        checked = cr.explain(optimizer, step="next").verify()
        assert checked.right, checked.wrong
        advance(optimizer, closure)


def test_a_wrong_line_is_found(monkeypatch):
    w, optimizer, closure = problem("Adam", {})
    closure()

    def without_correction(work: Work) -> None:
        rules._moments(work)
        rules.gradient(work)
        rules._means(work)
        rules.last(work, "p - lr * m / (sqrt(v) + eps)")

    monkeypatch.setitem(rules.RULES, cr.optim.Adam, without_correction)
    explanation = cr.explain(optimizer)
    checked = explanation.verify()
    assert not checked.right and "p_new" in checked.wrong[0]
    statuses = [found.status for found in explanation.entry(w, (0, 0)).verify()]
    assert statuses == ["right", "right", "right", "wrong"]
    assert "✗" in explanation.to_text() and "✗" in explanation.to_html()


def test_a_wrong_number_is_found(monkeypatch):
    _, optimizer, closure = problem("SGD", {"momentum": 0.9})
    closure()
    made = Work.line

    def off(self, name, formula, label="", slot=""):
        value = made(self, name, formula, label, slot)
        if name == "V":
            object.__setattr__(self.lines[-1], "value", value * (1 + 1e-6))
        return value

    monkeypatch.setattr(Work, "line", off)
    assert "V = " in cr.explain(optimizer).verify().wrong[0]


def test_an_optimiser_that_does_not_do_what_its_class_says_is_found():
    class Careless(cr.optim.SGD):
        @staticmethod
        def update(F, p, g, state, *, lr, **rest):
            p -= 1.01 * lr * g
            return p, state

    w, _, closure = problem("SGD", {})
    closure()
    checked = cr.explain(Careless([w], lr=0.1)).verify()
    assert not checked.right and "but the step gives" in checked.wrong[0]


def model_and_loss():
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x, y = cr.randn(8, 3), cr.tensor([0, 1] * 4)
    return model, lambda: nn.functional.cross_entropy(model(x) * 5, y)


def test_the_last_step_needs_recording():
    model, loss = model_and_loss()
    optimizer = cr.optim.AdamW(model.parameters(), lr=0.01)
    schedule = cr.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    with pytest.raises(ArgumentError, match="No step of this AdamW was recorded"):
        cr.explain(optimizer, step="last")
    for _ in range(3):
        optimizer.zero_grad()
        with cr.explain.recording():
            loss().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            coming = cr.explain(optimizer)
            optimizer.step()
        schedule.step()
    last = cr.explain(optimizer)
    assert (coming.which, last.which) == ("next", "last")
    assert last.verify().right and coming.verify().right
    for member in last.members:
        for at in last.places(member):
            ours, theirs = last.entry(member.p, at), coming.entry(member.p, at)
            assert ours.after == theirs.after
            real = float(member.p.detach().numpy()[at])
            assert real == pytest.approx(ours.after, rel=1e-6)
    text = last.to_text()
    assert "0.weight[" in text and "clipping by the joint norm" in text
    assert "rate of the schedule, which began with 0.01" in text
    # A parameter that changes meanwhile is not what the step made of it.
    optimizer.zero_grad()
    assert cr.explain(optimizer).which == "last"
    loss().backward()
    assert cr.explain(optimizer).which == "next"
    # Once more outside: nothing is kept.
    before = copy.copy(last.entry("0.bias", 0).after)
    optimizer.step()
    assert cr.explain(optimizer, step="last").entry("0.bias", 0).after == before


def test_clipping_by_value():
    w, optimizer, closure = problem("SGD", {"lr": 0.1})
    with cr.explain.recording():
        closure()
        nn.utils.clip_grad_value_([w], 0.01)
        update = cr.explain(optimizer).entry("w", (0, 0))
    assert all(found.status == "right" for found in update.verify())
    assert "max(-bound, min(bound, ∂L/∂θ))" in update.to_text()
    w.grad.mul_(3)  # no longer what clipping made of it
    assert "bound" not in cr.explain(optimizer).entry("w", (0, 0)).to_text()


def test_switching():
    w, _, closure = problem("SGD", {})
    first, second = cr.optim.Adam([w], lr=0.01), cr.optim.SGD([w], lr=0.1)
    optimizer = cr.optim.SwitchOptimizer(first, second, after=1)
    found = []
    for _ in range(3):
        with cr.explain.recording():
            closure()
            first.param_groups[0]["lr"] *= 0.5  # the second's rate follows
            coming = cr.explain(optimizer, step="next")
            after = coming.entry(w, (0, 0)).after
            optimizer.step()
        last = cr.explain(optimizer)
        assert coming.verify().right and last.verify().right
        assert float(w.detach().numpy()[0, 0]) == pytest.approx(after, rel=1e-12)
        found.append((coming.rule, last.rule))
    assert found == [("SwitchOptimizer → Adam",) * 2] + [("SwitchOptimizer → SGD",) * 2] * 2


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "SparseAdam"])
def test_rows_without_a_gradient_stay(name):
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = getattr(cr.optim, name)(table.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (table(cr.tensor([1, 3, 1])) ** 2).sum().backward()
        explanation = cr.explain(optimizer)
        assert explanation.verify().right
        still, moved = explanation.entry(0, (0, 1)), explanation.entry(0, (1, 1))
        assert still.after == still.before and moved.after != moved.before
        assert {found.status for u in (still, moved) for found in u.verify()} == {"right"}
        optimizer.step()


def test_lbfgs_tells_its_last_iteration_and_leaves_the_length_to_the_search():
    _, optimizer, closure = problem("LBFGS", {"max_iter": 4, "line_search_fn": "strong_wolfe"})
    with pytest.raises(ArgumentError, match="has not taken a step"):
        cr.explain(optimizer, step="last")
    optimizer.step(closure)
    last = cr.explain(optimizer, step="last")
    assert last.verify().right and "computed back" in last.to_text()
    coming = cr.explain(optimizer, step="next")
    assert coming.verify().right and coming.entry("w", (0, 0)).after is None
    assert "where the line search begins" in coming.to_text()


def test_every_form_and_both_languages():
    model, loss = model_and_loss()
    optimizer = cr.optim.Adam([("<b>w</b>", p) for p in model.parameters()], weight_decay=0.1)
    loss().backward()
    explanation = cr.explain(optimizer, wrt=model[0].bias)
    assert [member.name for member in explanation.members] == ["<b>w</b>"]
    explanation.verify()
    bundle = explanation._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "text/markdown"}
    assert "<b>" not in explanation.to_html() and "<script" not in explanation.to_html()
    assert r"\begin{align*}" in explanation.to_latex()
    assert r"\hat{m}" in explanation.to_markdown()
    assert "bias correction" in explanation.to_text()
    chinese = explanation.to_text(language="zh")
    assert "偏差修正" in chinese and "二阶矩" in chinese and "bias" not in chinese
    assert "✓" in chinese
    entry = explanation.entry("<b>w</b>", 0)
    assert "\\beta_1" in entry._repr_mimebundle_()["text/latex"]


def test_the_film_of_the_page_ends_with_the_optimisers_step():
    model, loss = model_and_loss()
    optimizer = cr.optim.Adam(model.parameters(), lr=0.01)
    with cr.explain.recording():
        value = loss()
    value.backward()
    explanation = cr.explain(value, optimizer=optimizer)
    film = [each for each in explanation.to_dict()["play"] if each["phase"] == "update"]
    assert len(film) == 4
    assert all("m̂ = m / (1 - β₁^t) = " in each["text"] for each in film)
    optimizer.step()
    update = explanation.update.entry(model[0].bias, explanation.update.places(
        explanation.update.find(model[0].bias))[0])  # fmt: skip
    shown = next(each["text"] for each in film if "bias" in each["text"].split(":")[0])
    assert shown.endswith(f"= {update.after:.4g}")
    assert "β₁" in explanation.page()


def test_what_cannot_be_explained_is_refused():
    w, optimizer, closure = problem("Adam", {})
    with pytest.raises(ArgumentError, match="no gradient"):
        cr.explain(optimizer)
    closure()
    with pytest.raises(ShapeError, match="names no element"):
        cr.explain(optimizer).entry("w", (5, 0))
    with pytest.raises(ArgumentError, match="holds no parameter 'b'"):
        cr.explain(optimizer).entry("b", (0, 0))
    with pytest.raises(ArgumentError, match="it holds w"):
        cr.explain(optimizer, wrt="b")
    with pytest.raises(ArgumentError, match="step is 'next' or 'last'"):
        cr.explain(optimizer, step="first")
    with pytest.raises(AutogradError, match="SparseAdam does not support dense"):
        cr.explain(cr.optim.SparseAdam([w]))

    class Own(cr.optim.Optimizer):
        def step(self, closure=None):
            pass

    with pytest.raises(ArgumentError, match="not Own"):
        cr.explain(Own([w], {}))
