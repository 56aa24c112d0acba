"""Every demonstration holds, draws a well-formed figure, and fails where its effect is missing."""

import importlib
import re
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import nn

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "demonstrations"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "common")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def main(monkeypatch):
    """`main(name)`: the main function of a demonstration."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield lambda name: runpy.run_path(str(FOLDER / f"{name}.py"))["main"]
    sys.modules.pop("common", None)


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_and_draws(name, main, tmp_path, capsys):
    path = main(name)(tmp_path)
    assert path == tmp_path / f"{name}.svg"
    assert 1 <= len(capsys.readouterr().out.splitlines()) <= 4
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg" and root.find(f"{SVG}title").text
    assert not re.search(r"\b(nan|inf)\b|None", re.sub(r'href="[^"]*"', "", text))
    width, height = map(float, root.get("viewBox").split()[2:])
    for mark in root.iter():
        for name, size in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert -1 <= float(mark.get(name, 0)) <= size
    marks = [
        m for m in root.iter() if m.get("class") in ("line", "bar", "dot") or "href" in m.attrib
    ]
    assert len(marks) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_it_is_on_the_page_with_its_figure(name):
    page = (ROOT / "docs" / "demonstrations.md").read_text(encoding="utf-8")
    assert f"(images/demonstrations/{name}.svg)" in page
    assert f"(../examples/demonstrations/{name}.py)" in page
    assert (ROOT / "docs" / "images" / "demonstrations" / f"{name}.svg").exists()
    assert len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 90


def wrong_layer_norm(z, shape, eps):
    return z - z.mean(1, keepdim=True)


def upside_down(x, weight, stride):
    return nn.functional.conv2d(x, weight.flip(2), stride=stride)


def xavier_for_he(weight, nonlinearity):
    return nn.init.xavier_uniform_(weight)


def forgets_a_tenth(cell, x, state):
    h, c = state
    return h, 0.9 * c + x @ cell.weight_ih[: cell.hidden_size].T


#: What to break, and the demonstration whose assertion must notice it.
MUTATIONS = {
    "gradients_over_depth": (cr, "sigmoid", cr.relu),
    "gradients_over_time": (nn.LSTMCell, "forward", forgets_a_tenth),
    "initialisation": (nn.init, "kaiming_uniform_", xavier_for_he),
    "zero_initialisation": (nn.init, "zeros_", nn.init.normal_),
    "saturation": (nn.functional, "binary_cross_entropy", nn.functional.mse_loss),
    "normalisation_invariance": (nn.functional, "layer_norm", wrong_layer_norm),
    "ravine": (cr.optim, "Adam", cr.optim.RMSprop),
    "softmax_hardmax": (nn.functional, "hardmax", cr.softmax),
    "robustness": (nn.functional, "huber_loss", lambda p, q, delta: nn.functional.mse_loss(p, q)),
    "convolution_four_ways": (nn.functional, "conv2d_fft", upside_down),
    "receptive_field": (nn.init, "constant_", lambda weight, value: weight),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_it_notices_a_mutation(name, main, tmp_path, monkeypatch, capsys):
    run = main(name)
    owner, attribute, replacement = MUTATIONS[name]
    for where in {owner, cr} if hasattr(cr, attribute) and owner is nn.functional else {owner}:
        monkeypatch.setattr(where, attribute, replacement)
    with pytest.raises(AssertionError):
        run(tmp_path)
    assert not list(tmp_path.iterdir())


UNTRAINED = [name for name in NAMES if " train(" in (FOLDER / f"{name}.py").read_text("utf-8")]


@pytest.mark.parametrize("name", UNTRAINED)
def test_it_notices_that_nothing_was_learned(name, main, tmp_path, monkeypatch, capsys):
    def idle(model, x, y, optimizer, epochs, batch_size=50, **others):
        return [2.3] * (epochs * (len(x) // batch_size))

    monkeypatch.setattr(importlib.import_module("common"), "train", idle)
    with pytest.raises(AssertionError):
        main(name)(tmp_path)
