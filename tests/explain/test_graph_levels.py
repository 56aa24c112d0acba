"""Composites in the page of an explanation: one node in closed form, or its elementary steps."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import models, nn
from chainrule.explain.explanation import inner
from chainrule.explain.explanation.cells import cells
from chainrule.explain.explanation.data import preview
from chainrule.ops.random import manual_seed

_SPEC = importlib.util.spec_from_file_location(
    "graph_page", Path(__file__).with_name("test_graph_page.py")
)
pages = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(pages)
chromium, show = pages.chromium, pages.show
click, press, text = pages.click, pages.press, pages.text
ITEMS = "document.querySelectorAll('.item').length"


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.norm(h + self.attention(h, h, h, need_weights=False)[0])[:, -1]


@pytest.fixture(scope="module")
def explanations():
    """Batch norm, softmax with cross-entropy, an LSTM, attention."""
    manual_seed(0)
    out = {"lenet-bn": pages.explanation_of(models.build("lenet-bn"), (4, 1, 28, 28))}
    rng = np.random.default_rng(0)
    with cr.explain.recording():
        loss = (Sequence()(cr.tensor(rng.normal(size=(2, 3, 3)).astype(np.float32))) ** 2).sum()
    return out | {"sequence": cr.explain(loss)}


@pytest.fixture(scope="module")
def page(explanations):
    return explanations["lenet-bn"].page()


def insides(explanation):
    return {found.step.op_name: found for found in inner.inside(explanation.steps)}


# ---- without a browser --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("lenet-bn", "batch_norm"), ("lenet-bn", "softmax_cross_entropy"), ("lenet-bn", "conv2d"),
        ("lenet-bn", "sigmoid"), ("sequence", "lstm"), ("sequence", "attention"),
        ("sequence", "layer_norm"),
    ],
)  # fmt: skip
def test_both_views_have_the_same_numbers_at_the_border(explanations, name, op):
    found = insides(explanations[name])[op]
    step = found.step
    assert found.values < 1e-5 and found.gradients < 1e-5
    largest = max(np.abs(x.gradient).max() for x in step.inputs if x.gradient is not None)
    for x in step.inputs:
        if x.gradient is None:
            continue
        # What comes back to an input of the composite is the sum over those in it that use it.
        back = [y.gradient for y in uses_within(found, x.source)]
        same = [y.gradient for y in step.inputs if y.source is x.source and y.gradient is not None]
        np.testing.assert_allclose(sum(back), sum(same), rtol=1e-4, atol=1e-5 * largest)
    for k, (root, output) in found.results.items():
        np.testing.assert_allclose(
            root.outputs[output].value, step.outputs[k].value, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_array_equal(root.outputs[output].gradient.shape, step.outputs[k].shape)


def uses_within(found, source):
    """The inputs of elementary steps that come from a step around the composite."""
    inputs = [x for step in found.steps for x in step.inputs if x.gradient is not None]
    return [x for x in inputs if x.source is not None and x.source.id == source.id]


def test_the_page_shows_the_same_numbers_in_both_views(explanations):
    explanation = explanations["lenet-bn"]
    data = inner.to_data(inner.inside(explanation.steps), "en")
    outer = {node["id"]: node for node in explanation.to_dict("en")["nodes"]}
    for id, found in data.items():
        own = {node["id"]: node for node in found["nodes"]}
        ends = [edge for edge in found["edges"] if edge["to"] == id]
        assert ends
        for edge in ends:
            result = own[edge["from"]]["outputs"][edge["output"]]
            shown = outer[id]["outputs"][edge["input"]]
            assert result["shape"] == shown["shape"]
            assert edge["gradient_norm"] == shown["gradient"]["statistics"]["norm"]
            for key in ("mean", "min", "max", "norm"):
                size = shown["value"]["statistics"]["norm"]
                assert result["value"]["statistics"][key] == pytest.approx(
                    shown["value"]["statistics"][key], rel=1e-4, abs=1e-6 * size
                )
        # Every edge begins within the composite or at what the composite is made from.
        made_from = {x["from"] for x in outer[id]["inputs"]}
        assert {edge["from"] for edge in found["edges"]} <= made_from | set(own)
        assert all(node["parent"]["id"] == id for node in found["nodes"])
        phases = {
            phase: [step["node"] for step in found["play"] if step["phase"] == phase]
            for phase in ("forward", "backward")
        }
        assert phases["backward"] == [
            n for n in reversed(phases["forward"]) if own[n]["gradient_norm"] is not None
        ]


def test_what_is_too_large_for_a_page_stays_folded(explanations, monkeypatch):
    monkeypatch.setattr(inner, "LARGEST", 20)
    found = inner.inside(explanations["lenet-bn"].steps)
    said = inner.agreement(found)
    large = [each for each in found if each.step.op_name == "batch_norm"]
    assert large and all(not each.steps for each in large)
    assert all(said[each.step.id]["steps"] is None for each in large)
    assert all(not said[each.step.id]["here"] for each in large)
    assert not {each.step.id for each in large} & set(inner.to_data(found, "en"))


def test_names_lead_out_of_neither_block(page):
    for block in ("data", "inner"):
        (found,) = re.findall(rf'<script type="application/json" id="{block}">(.*?)</script>',
                              page, re.S)  # fmt: skip
        assert not set("<>&") & set(found)
        json.loads(found)
    assert "%INNER%" not in page


def test_a_small_kernel_is_shown_as_the_matrix_that_it_is():
    weight = np.arange(12.0).reshape(3, 4, 1, 1)
    shown = preview(weight)
    assert (shown["rows"], shown["columns"], shown["slice"]) == (3, 4, "[:, :, 0, 0]")
    assert shown["data"] == weight[:, :, 0, 0].tolist()
    assert preview(np.ones((2, 3, 5, 5)))["slice"] == "[0, 0, :, :]"
    assert preview(np.ones((5, 1, 1)))["slice"] == "[:, 0, 0]"
    assert preview(np.ones((7, 3, 1)))["slice"] == "[:, :, 0]"
    assert preview(np.ones((1, 1, 1)))["slice"] == "[0, :, :]"
    w = cr.tensor(weight, requires_grad=True)
    loss = cr.nn.functional.conv2d(cr.ones(2, 4, 2, 2, dtype=cr.float64), w).square().sum()
    explanation = cr.explain(loss)
    step = next(s for s in explanation.steps if s.kind == "parameter")
    for row, column, place, value, *_ in cells(explanation)[step.id]["cells"]:
        assert place == [row, column, 0, 0] and value == weight[row, column, 0, 0]


def test_a_page_without_a_folder_names_the_page(explanations, tmp_path):
    path = tmp_path / "nowhere" / "page.html"
    with pytest.raises(FileNotFoundError) as found:
        explanations["sequence"].save(path)
    assert found.value.filename == str(path)


# ---- in a browser -------------------------------------------------------------------------------

STEP = "document.querySelector('.caption b').textContent"


@pages.needs_browser
def test_a_composite_folds_like_a_module(show, page):
    browser = show(page)
    whole = browser.run(ITEMS)
    click(browser, ".item.composite[data-id=n6] .folder")
    assert browser.run(ITEMS) == whole + 26
    assert "open=n6" in browser.run("location.hash")
    assert text(browser, ".item.box[data-id=n6] .head b") == "batch_norm"
    # The derivation in closed form stays, and says that both views agree.
    click(browser, ".item.box[data-id=n6] .head")
    press(browser, "3")
    assert "25 elementary steps" in text(browser, ".levels")
    assert "Local derivatives" in text(browser, ".tab")
    press(browser, "f")
    assert browser.run(ITEMS) == whole
    click(browser, ".levels button")
    assert browser.run(ITEMS) == whole + 26
    # From within, the key folds what is around.
    click(browser, ".item[data-id='n6.9']")
    assert text(browser, ".trail").startswith("bn1 › batch_norm")
    press(browser, "f")
    assert browser.run(ITEMS) == whole
    assert "open=" not in browser.run("location.hash")


@pages.needs_browser
def test_the_scrubber_steps_through_what_is_unfolded(show, page):
    browser = show(page, "#step=forward-n6&lang=en")
    assert browser.run(STEP) == "Forward 2 of 11"
    press(browser, "f")
    browser.wait(STEP, "Forward 2 of 35")
    assert browser.run("location.hash") == "#step=forward-n6.0&node=n6&open=n6&lang=en"
    press(browser, "ArrowRight")
    assert browser.run("location.hash") == "#step=forward-n6.1&open=n6&lang=en"
    assert browser.run("document.querySelector('.item.now').dataset.id") == "n6.1"
    assert browser.run("Number(document.querySelector('.slider').max)") > 60
    # Folded again, the step is the composite's own.
    press(browser, "f")
    browser.wait(STEP, "Forward 2 of 11")
    assert browser.run("document.querySelector('.item.now').dataset.id") == "n6"


@pages.needs_browser
def test_the_address_opens_a_step_within_a_composite(show, page):
    browser = show(page, "#step=backward-n6.20&lang=zh")
    assert browser.run("document.querySelector('.item.now').dataset.id") == "n6.20"
    assert browser.run("location.hash") == "#step=backward-n6.20&open=n6&lang=zh"
    assert "基本步骤" not in text(browser, ".inspector h2")
    browser.run("location.hash = '#step=overview&node=n7.1&shut=m%3Aconv1&lang=en'")
    browser.wait("document.querySelector('.item.chosen').dataset.id", "n7.1")
    assert browser.run("document.querySelector('[data-id=\"m:conv1\"]').className").startswith(
        "item group"
    )
    assert browser.run("document.querySelectorAll('.item.box.composite').length") == 1


@pages.needs_browser
def test_search_finds_what_is_within(show, page):
    browser = show(page)
    browser.run("""(() => {
      const box = document.getElementById('search');
      box.value = 'sqrt';
      box.dispatchEvent(new Event('input', {bubbles: true}));
    })()""")
    assert "in batch_norm" in text(browser, "#found [aria-selected=true]")
    press(browser, "Enter", "#search")
    assert text(browser, ".inspector h2").startswith("sqrt")
    assert browser.run("document.querySelector('.item.chosen').dataset.id") == "n6.18"


@pages.needs_browser
def test_numbers_are_put_in_within_a_composite(show, page, explanations):
    browser = show(page, "#node=n7.1&lang=en")
    found = insides(explanations["lenet-bn"])["sigmoid"]
    cell = inner.inner_cells(inner.inside(explanations["lenet-bn"].steps))["n7.1"]["cells"][0]
    _, _, place, value, _, (x,), _ = cell
    assert found.step.id in ("n7", "n15")
    said = browser.run("document.querySelector('.entry .put .math').getAttribute('aria-label')")
    assert said == f"n7.1[{', '.join(map(str, place))}] = {x:.4g} = {value:.4g}"


@pages.needs_browser
def test_all_unfolds_in_two_steps(show, page):
    browser = show(page)
    press(browser, "c")
    press(browser, "e")
    modules = browser.run(ITEMS)
    press(browser, "e")
    assert browser.run(ITEMS) > modules + 60
    assert browser.run("document.querySelectorAll('.formula code').length") == 0
    press(browser, "c")
    assert browser.run("document.querySelectorAll('.item.box').length") == 0
