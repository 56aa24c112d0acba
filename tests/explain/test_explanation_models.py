"""Explanations of models: gradients, checks, single entries, levels, plain data, texts."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F


def mlp():
    model = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 3))
    return model, F.cross_entropy(model(cr.randn(5, 4)), cr.tensor([0, 2, 1, 1, 0]))


def lenet():
    model = cr.models.LeNet(pool="max")
    return model, F.cross_entropy(model(cr.rand(3, 1, 28, 28)), cr.tensor([1, 5, 9]))


def normalised():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten())
    return model, model(cr.rand(4, 2, 5, 5)).square().mean()


def lstm():
    model = nn.LSTM(3, 4)
    y, (h, _) = model(cr.randn(4, 2, 3))
    return model, y.square().mean() + h.sum()


def attention():
    model = nn.MultiheadAttention(8, 2, batch_first=True)
    x = cr.randn(2, 3, 8)
    y, _ = model(x, x, x)
    return model, y.square().mean()


@pytest.fixture(params=[mlp, lenet, normalised, lstm, attention], ids=lambda f: f.__name__)
def case(request):
    cr.manual_seed(3)
    with cr.explain.recording():
        model, loss = request.param()
        loss.backward()
    return model, cr.explain(loss)


def test_gradients_are_those_of_backward(case):
    model, explanation = case
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            np.testing.assert_array_equal(explanation.gradient(name), parameter.grad.numpy())


def test_every_step_agrees_with_central_differences(case):
    _, explanation = case
    checked = explanation.verify()
    assert checked.right, [checked.checks[i].text for i in checked.wrong]
    assert checked.count("unknown") == 0 and len(checked.checks) >= 3
    assert "✓" in explanation.to_text()


def test_an_entry_is_the_sum_of_its_terms(case):
    model, explanation = case
    random = np.random.default_rng(1)
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        place = tuple(int(random.integers(n)) for n in parameter.shape)
        found = explanation.entry(name, place)
        exact = float(parameter.grad.numpy()[place])
        total = sum(term.total for term in found.terms)
        size = sum(np.abs(term.products).sum() for term in found.terms)
        assert total == pytest.approx(exact, rel=1e-4, abs=1e-6 * size + 1e-9)
        # What it is followed to hangs together, up to the loss.
        here = found.found
        while here.above is not None:
            assert any(
                here.above.gradient == pytest.approx(p.upstream)
                for term in here.terms
                for p in term.largest(1)
            )
            here = here.above
        assert here.step is explanation.output
        assert f"∂L/∂{name}" in str(found)


def test_the_terms_of_a_convolution_name_what_they_multiply():
    cr.manual_seed(0)
    x = cr.rand(2, 3, 7, 8)
    conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, dilation=2, groups=1)
    with cr.explain.recording():
        loss = conv(x).sin().sum()
    explanation = cr.explain(loss)
    found = explanation.entry("weight", (1, 2, 0, 2)).terms[0]
    for number in range(len(found)):
        part = found.part(number)
        n, c, i, j = eval(part.factor.removeprefix("x"))
        assert float(x[n, c, i, j]) == pytest.approx(part.local)
    _, o, *_ = found.places.T
    assert set(o) == {1}


def test_composites_unfold_into_the_same_gradients(case):
    _, explanation = case
    composites = {
        "linear", "conv2d", "batch_norm", "softmax_cross_entropy", "lstm", "attention", "sigmoid",
    }  # fmt: skip
    seen = 0
    for step in explanation.graph.operations:
        if step.op_name in composites:
            inner = explanation.unfold(step)
            assert inner.disagreement < 1e-9
            assert not {s.op_name for s in inner.graph.operations} & composites
            seen += 1
    assert seen


def test_the_elementary_level_has_the_same_gradients(case):
    model, explanation = case
    elementary = explanation.elementary()
    assert elementary.level == "elementary"
    assert len(elementary.steps) > len(explanation.steps)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            g = explanation.gradient(name)
            size = max(float(np.abs(g).max()), 1e-2)
            assert np.abs(elementary.gradient(name) - g).max() < 1e-4 * size, name


def test_plain_data_is_json_and_hangs_together(case):
    _, explanation = case
    explanation.verify()
    for language in ("en", "zh"):
        data = explanation.to_dict(language)
        text = json.dumps(data, allow_nan=False, ensure_ascii=False)
        assert json.loads(text) == data
    ids = [node["id"] for node in data["nodes"]]
    assert len(set(ids)) == len(ids) and data["output"] in ids
    for edge in data["edges"]:
        assert ids.index(edge["from"]) < ids.index(edge["to"])
    shares: dict[tuple[str, int], float] = {}
    for edge in data["edges"]:
        if edge["share"] is not None:
            key = edge["from"], edge["output"]
            shares[key] = shares.get(key, 0.0) + edge["share"]
    assert all(share == pytest.approx(1, abs=1e-3) for share in shares.values())
    for node in data["nodes"]:
        for out in node["outputs"]:
            small = out["value"]["preview"]
            assert small["rows"] <= 16 and small["columns"] <= 16
            assert len(small["data"]) == small["rows"]
    phases = [play["phase"] for play in data["play"]]
    assert phases == sorted(phases, key=["forward", "backward", "update"].index)
    assert data["modules"]["path"] == "" and data["checked"]["wrong"] == 0


def test_data_has_exactly_the_keys_of_its_description(case):
    _, explanation = case
    data = explanation.to_dict()
    assert list(data) == [
        "format", "schema", "language", "title", "output", "value", "level", "nodes", "edges",
        "modules", "play", "checked",
    ]  # fmt: skip
    assert list(data["nodes"][0]) == [
        "id", "kind", "op", "title", "name", "summary", "composite", "parent", "inside", "params",
        "formula", "derivatives", "numbers", "module", "module_type", "source", "inputs",
        "outputs", "lines", "gradient_norm", "check",
    ]  # fmt: skip
    assert list(data["edges"][0]) == [
        "from", "output", "to", "input", "shape", "gradient_norm", "share",
    ]  # fmt: skip


def test_texts_in_every_form_and_language(case):
    _, explanation = case
    english, chinese = explanation.to_text(), explanation.to_text(language="zh")
    assert "Gradients" in english and "梯度" in chinese
    assert english != chinese and cr.language() == "en"
    assert explanation.to_markdown().startswith("# ")
    tex = explanation.to_latex()
    assert tex.count(r"\begin{align*}") == tex.count(r"\end{align*}") > 2
    html = explanation.to_html()
    assert "<script" not in html and html.startswith('<div class="cr-explain">')
    bundle = explanation._repr_mimebundle_()
    assert bundle["text/plain"] == english and bundle["text/html"] == html


def test_hostile_names_are_text():
    name = "<img src=x onerror=alert(1)>"
    w = cr.tensor(2.0, requires_grad=True)
    explanation = cr.explain(w * w, wrt={name: w})
    assert name not in explanation.to_html() and "&lt;img" in explanation.to_html()
    assert "<img" not in explanation.to_markdown().replace("\\<img", "")
    assert "<img" not in explanation.to_dict()["nodes"][1]["formula"]["latex"]
