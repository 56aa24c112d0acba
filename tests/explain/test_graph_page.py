"""The page of an explanation: its data, and (where there is a browser) what it does in one.

Needs Chromium for most: `chromium` on the PATH, or its path in the environment variable CHROMIUM.
"""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import models, nn
from chainrule.explain.explanation.cells import cells
from chainrule.explain.explanation.page import as_script_data, both
from chainrule.ops.random import manual_seed

_SPEC = importlib.util.spec_from_file_location(
    "watch_browser", Path(__file__).with_name("test_watch_browser.py")
)
live = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(live)
HOSTILE = live.HOSTILE
needs_browser = pytest.mark.skipif(
    live.CHROMIUM is None,
    reason="NO BROWSER: install chromium or set CHROMIUM; the page was not opened",
)


class HostileName(nn.Linear):
    pass


HostileName.__name__ = HOSTILE


def explanation_of(model, size, seed=0):
    manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = cr.tensor(rng.normal(size=size).astype(np.float32))
    y = cr.tensor(rng.integers(0, 10, size[0]))
    with cr.explain.recording():
        loss = nn.CrossEntropyLoss()(model(x), y)
    return cr.explain(loss)


def data_of(page):
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(found)


@pytest.fixture(scope="module")
def lenet():
    manual_seed(0)
    return explanation_of(models.build("lenet"), (4, 1, 28, 28))


@pytest.fixture(scope="module")
def page(lenet):
    return lenet.page()


# ---- without a browser --------------------------------------------------------------------------


def test_the_page_holds_the_explanation_in_both_languages(lenet, page):
    data = data_of(page)

    def told(value, language):
        if isinstance(value, dict):
            if value.keys() == {"en", "zh"}:
                return value[language]
            return {k: told(v, language) for k, v in value.items()}
        return [told(v, language) for v in value] if isinstance(value, list) else value

    for language in ("en", "zh"):
        assert told(data["explanation"], language) == lenet.to_dict(language)
    assert data["open"] == "en"
    assert len(page) < 1_500_000


def test_equal_texts_stand_once():
    assert both({"a": ["x", 1]}, {"a": ["x", 1]}) == {"a": ["x", 1]}
    assert both({"a": ["x", "y"]}, {"a": ["x", "z"]}) == {"a": ["x", {"en": "y", "zh": "z"}]}


def test_no_name_leads_out_of_the_data():
    text = as_script_data({"name": "</script><!--<script>\u2028&\ud800"})
    assert not set("<>&\u2028\ud800") & set(text)
    assert json.loads(text) == {"name": "</script><!--<script>\u2028&\ud800"}


def test_a_saved_page_is_the_page(lenet, page, tmp_path):
    lenet.save(tmp_path / "explain.html")
    assert (tmp_path / "explain.html").read_text(encoding="utf-8") == page


def test_worked_cells_are_those_of_the_arrays(lenet):
    worked = 0
    for name, found in cells(lenet).items():
        out = lenet.find(name).outputs[0]
        for _, _, place, value, gradient, forward, backward in found["cells"]:
            place = tuple(place)
            assert value == pytest.approx(float(out.value[place]), rel=1e-4)
            if gradient is not None:
                assert gradient == pytest.approx(float(out.gradient[place]), rel=1e-4, abs=1e-12)
            for total, parts in ((value, forward), (gradient, backward)):
                if isinstance(parts, dict):
                    terms = [a * b for a, b, _ in parts["terms"]]
                    terms += [parts["rest"], parts["plus"] or 0.0]
                    size = sum(map(abs, terms))
                    assert sum(terms) == pytest.approx(total, rel=1e-3, abs=1e-3 * size + 1e-12)
                    worked += 1
    assert worked > 1000


def test_elementwise_formulas_have_holes_for_their_numbers(lenet):
    sigmoid = next(s for s in lenet.steps if s.op_name == "sigmoid")
    found = cells(lenet)[sigmoid.id]
    assert "⟨0⟩" in found["template"]
    for *_, value, _, (x,), _ in found["cells"]:
        assert value == pytest.approx(1 / (1 + np.exp(-x)), rel=1e-3)


def test_arrays_of_any_rank_have_cells():
    for shape in ((), (3,), (0,), (2, 40), (2, 3, 4)):
        x = cr.randn(*shape, requires_grad=True)
        found = cells(cr.explain((x * 2).sum()))
        places = [tuple(cell[2]) for each in found.values() for cell in each["cells"]]
        assert all(len(place) <= len(shape) for place in places)


def test_the_command_writes_a_page(tmp_path, capsys):
    from chainrule.cli.main import main

    path = tmp_path / "linear.html"
    assert main(["explain", "linear", "--html", str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    data = data_of(path.read_text(encoding="utf-8"))
    assert {"fc.weight", "y"} <= {node["title"] for node in data["explanation"]["nodes"]}
    assert main(["explain", "linear", "x=1", "--html", str(path)]) == 2
    assert main(["explain", "no-such-model", "--html", str(path)]) == 2


# ---- in a browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = live.Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def show(chromium, tmp_path):
    """`show(html, hash)` opens a page, which must be silent and ask for nothing."""
    chromium.open("about:blank")
    chromium.events.clear()
    chromium.width(1400)

    def opened(html, address=""):
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        chromium.open("about:blank")
        chromium.open(path.as_uri() + address)
        chromium.wait("document.documentElement.dataset.ready !== undefined")
        return chromium

    yield opened
    console, asked = chromium.heard()
    assert console == []
    assert all(url.startswith(("file:", "about:")) for url in asked)


def press(browser, key, selector="body"):
    event = f"new KeyboardEvent('keydown', {{key: {json.dumps(key)}, bubbles: true}})"
    browser.run(f"document.querySelector({json.dumps(selector)}).dispatchEvent({event})")


def text(browser, selector):
    """The text after the next frame, in which cards that have come into sight are filled."""
    read = f"document.querySelector({json.dumps(selector)})?.textContent ?? null"
    frame = f"requestAnimationFrame(() => requestAnimationFrame(() => done({read})))"
    return browser.run(f"new Promise((done) => {frame})")


def click(browser, selector):
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


ITEMS = "document.querySelectorAll('.item').length"


@needs_browser
def test_the_graph_is_drawn(show, page):
    browser = show(page)
    seen = browser.run("""(() => {
      const painted = (image) => {
        const canvas = Object.assign(document.createElement('canvas'), {width: 16, height: 16});
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0, 16, 16);
        return new Set(context.getImageData(0, 0, 16, 16).data).size > 2;
      };
      const widths = [...document.querySelectorAll('.wire')]
        .map((wire) => parseFloat(wire.style.strokeWidth));
      return {
        titles: [...document.querySelectorAll('.item .title b')].map((b) => b.textContent),
        formulas: document.querySelectorAll('.item .formula .katex').length,
        failed: document.querySelectorAll('.item .formula code').length,
        pictures: [...document.querySelectorAll('.thumb')].filter(painted).length,
        widths: [Math.min(...widths), Math.max(...widths)],
        fonts: [...document.fonts].filter((font) => font.status === 'loaded').length,
      };
    })()""")
    assert {"x", "conv1.weight", "conv2d", "sigmoid", "avg_pool2d"} <= set(seen["titles"])
    assert seen["formulas"] >= 4 and seen["failed"] == 0 and seen["fonts"] > 0
    assert seen["pictures"] >= 10
    low, high = seen["widths"]
    assert low < 2 and high > 8


@needs_browser
def test_modules_fold_and_unfold(show, page):
    browser = show(page)
    whole = browser.run(ITEMS)
    click(browser, ".item.box[data-id='m:conv1'] .folder")
    assert browser.run(ITEMS) == whole - 3
    assert "6 operations" not in text(browser, ".item.group[data-id='m:conv1']")
    assert "156 parameters" in text(browser, ".item.group[data-id='m:conv1']")
    click(browser, ".item.group[data-id='m:conv1']")
    press(browser, "f")
    assert browser.run(ITEMS) == whole
    press(browser, "c")
    assert browser.run("document.querySelectorAll('.item.box').length") == 0
    press(browser, "e")
    assert browser.run(ITEMS) == whole
    # No two cards lie on each other, once they have moved.
    browser.wait(
        """(() => {
      const boxes = [...document.querySelectorAll('.item:not(.box)')]
        .map((item) => item.getBoundingClientRect());
      return boxes.some((a, i) => boxes.some((b, k) => i < k && a.left < b.right - 1
        && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
    })()""",
        False,
    )


@needs_browser
def test_arrow_keys_play_forward_backward_and_update(show, page, lenet):
    browser = show(page)
    play = lenet.to_dict()["play"]
    assert text(browser, ".caption") == "Overview: everything at once"
    press(browser, "ArrowRight")
    assert text(browser, ".caption b") == "Forward 1 of 9"
    assert browser.run("location.hash") == "#step=forward-n3&lang=en"
    assert browser.run("document.querySelector('.item.now').dataset.id") == "n3"
    assert browser.run("document.querySelectorAll('.item.operation.later').length") == 8
    assert browser.run("document.querySelectorAll('.wire.flown').length") == 0
    for _ in range(10):
        press(browser, "ArrowRight")
    assert text(browser, ".caption b") == "Backward 2 of 15"
    assert browser.run("document.querySelectorAll('.item.later').length") == 0
    # Three gradients flow back; the one that leaves the module's frame is drawn in two pieces.
    assert browser.run("document.querySelectorAll('.wire.back').length") == 4
    press(browser, "ArrowLeft")
    assert text(browser, ".caption b") == "Backward 1 of 15"
    press(browser, "End")
    assert text(browser, ".caption b") == "Update 6 of 6"
    assert browser.run("document.querySelectorAll('.item.parameter.updated').length") == 6
    assert browser.run("location.hash") == f"#step=update-{play[-1]['node']}&lang=en"
    press(browser, "Home")
    assert browser.run("location.hash") == f"#step=overview&node={play[-1]['node']}&lang=en"


@needs_browser
def test_space_plays_and_pauses(show, page):
    browser = show(page)
    press(browser, " ")
    browser.wait("document.querySelector('.caption b')?.textContent", "Forward 2 of 9")
    press(browser, " ")
    assert browser.run("document.querySelector('.play').title") == "Play"


@needs_browser
def test_the_address_names_step_node_and_language(show, page):
    browser = show(page, "#step=backward-n9&node=n4&lang=zh")
    assert text(browser, ".caption b") == "反向 第 5 步，共 15 步"
    assert text(browser, ".inspector h2").startswith("sigmoid")
    assert browser.run("document.querySelector('.item.chosen').dataset.id") == "n4"
    assert browser.run("location.hash") == "#step=backward-n9&node=n4&lang=zh"
    browser.run("location.hash = '#step=update-n1&lang=en'")
    browser.wait("document.querySelector('.caption b').textContent", "Update 1 of 6")
    browser.run("location.hash = '#step=nowhere-n77&node=%3Cimg%3E&lang=xx'")
    assert text(browser, ".inspector h2").startswith("conv1.weight")


@needs_browser
def test_pointing_at_a_cell_puts_its_numbers_in(show, page, lenet):
    browser = show(page, "#node=n4&lang=en")
    point = """(() => {
      const map = document.querySelector('%s'), box = map.getBoundingClientRect();
      map.dispatchEvent(new PointerEvent('pointermove', {bubbles: true,
        clientX: box.left + box.width * (%d + 0.5) / (map.naturalWidth ?? map.width),
        clientY: box.top + box.height * (%d + 0.5) / (map.naturalHeight ?? map.height)}));
    })()"""
    browser.run(point % (".inspector .map", 3, 7))
    cell = next(c for c in cells(lenet)["n4"]["cells"] if c[:2] == [7, 3])
    _, _, place, value, _, (x,), _ = cell
    said = browser.run("document.querySelector('.entry .put .math').getAttribute('aria-label')")
    entry = f"n4[{', '.join(map(str, place))}]"
    assert said == f"{entry} = {x:.4g} = {value:.4g}"
    shown = text(browser, ".entry .put")
    assert f"{abs(x):.4g}" in shown and "exp" in shown
    # The keyboard moves on from there, without touching the film.
    press(browser, "ArrowRight", ".inspector .map")
    moved = next(c for c in cells(lenet)["n4"]["cells"] if c[:2] == [7, 4])
    assert f"{moved[3]:.4g}" in text(browser, ".entry .put")
    assert text(browser, ".caption") == "Overview: everything at once"
    # In the graph the same numbers come up beside the picture.
    browser.run(point % ("[data-id=n4] .thumb", 3, 7))
    assert entry.partition("[")[2][:-1] in text(browser, ".tip .place")
    assert shown == text(browser, ".tip .put")


@needs_browser
def test_tabs_show_value_gradient_formula_and_source(show, page):
    browser = show(page, "#node=n3&lang=en")
    expected = {
        "1": ("value", "[4, 6, 24, 24]"), "2": ("gradient", "Comes back along"),
        "3": ("formula", "Local derivatives"), "4": ("source", "test_graph_page.py"),
    }  # fmt: skip
    for key, (tab, words) in expected.items():
        press(browser, key)
        assert browser.run("document.querySelector('[role=tab][aria-selected=true]').id") == (
            f"tab-{tab}"
        )
        assert words in text(browser, ".tab")
    press(browser, "ArrowRight", "#tab-source")
    assert browser.run("document.activeElement.id") == "tab-value"
    assert text(browser, ".caption") == "Overview: everything at once"


@needs_browser
def test_an_update_is_worked_with_the_readers_rate(show, page):
    browser = show(page, "#node=n1&lang=en")
    browser.run("""(() => {
      const rate = document.getElementById('rate');
      rate.value = '0.5';
      rate.dispatchEvent(new Event('input', {bubbles: true}));
    })()""")
    line = browser.run(
        "[...document.querySelectorAll('.entry .put .math')].pop().getAttribute('aria-label')"
    )
    form = r"conv1.weight\[.*?\] ← (\S+) − 0.5 × \(?(\S+?)\)? = (\S+)"
    before, slope, after = map(float, re.fullmatch(form, line).groups())
    assert after == pytest.approx(before - 0.5 * slope, rel=1e-2)


@needs_browser
def test_search_finds_and_shows(show, page):
    browser = show(page)
    press(browser, "c")
    press(browser, "/")
    assert browser.run("document.activeElement.id") == "search"
    browser.run("""(() => {
      const box = document.getElementById('search');
      box.value = 'conv2.w';
      box.dispatchEvent(new Event('input', {bubbles: true}));
    })()""")
    assert text(browser, "#found [aria-selected=true] b") == "conv2.weight"
    press(browser, "Enter", "#search")
    assert text(browser, ".inspector h2").startswith("conv2.weight")
    assert browser.run("document.querySelector('.item.chosen .title b').textContent") == (
        "conv2.weight"
    )


@needs_browser
def test_languages_and_brightness(show, page):
    browser = show(page)
    browser.run("document.getElementById('lang-zh').click()")
    browser.run("document.getElementById('theme-dark').click()")
    assert text(browser, "[role=tab]") == "值"
    assert "softmax" in text(browser, ".inspector h2") and "运算" in text(browser, ".inspector h2")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 26)"
    assert browser.run("document.documentElement.lang") == "zh-Hans"
    assert browser.run("location.hash").endswith("lang=zh")
    browser.run("localStorage.clear()")


@needs_browser
def test_hostile_names_are_texts(show):
    manual_seed(0)
    model = nn.Sequential()
    model.add_module(HOSTILE.replace(".", ""), HostileName(4, 10))
    browser = show(explanation_of(model, (3, 4)).page())
    for key in "1234":
        press(browser, key)
    assert browser.run("document.body.textContent").count("onerror=") > 2
    images = browser.run("[...document.images].map((image) => image.src)")
    assert all(source.startswith("data:image/png;base64,") for source in images)
    assert "owned" not in browser.run("document.title")


@needs_browser
def test_a_large_model_opens_folded_and_quickly_enough(show):
    manual_seed(0)
    model = models.build("resnet20", (3, 16, 16), 10)
    browser = show(explanation_of(model, (2, 3, 16, 16)).page())
    assert browser.run(ITEMS) <= 45
    # A folded block shows what it gives: the result of its last operation.
    click(browser, ".item.group[data-id='m:layer1.0']")
    assert text(browser, ".contents li:last-child").endswith("max(n18, 0)")
    press(browser, "e")
    assert browser.run(ITEMS) > 150
    failed = browser.run("document.querySelectorAll('.formula code').length")
    assert failed == 0


@needs_browser
@pytest.mark.parametrize("width", [360, 768])
def test_nothing_sticks_out(show, page, width):
    browser = show(page)
    browser.width(width)
    assert browser.run("document.documentElement.scrollWidth") <= width
