"""The page of an explained detection in a browser.

Needs Chromium for most: `chromium` on the PATH, or its path in the environment variable CHROMIUM.
"""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from chainrule.explain.detection import explain_detection
from chainrule.models.detection import fasterrcnn_small
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


@pytest.fixture(scope="module")
def explanation():
    manual_seed(0)
    model = fasterrcnn_small(num_classes=4, in_channels=1, box_detections_per_img=12)
    image = np.random.default_rng(0).random((1, 96, 120)).astype(np.float32)
    targets = {"boxes": [[20.0, 20.0, 60.0, 70.0]], "labels": [1]}
    found = explain_detection(
        model, image, targets, classes=["one", HOSTILE, "three"], name=HOSTILE
    )
    found.verify()
    return found


@pytest.fixture(scope="module")
def page(explanation):
    return explanation.page()


def test_the_page_holds_the_explanation_in_both_languages(explanation, page, tmp_path):
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    data = json.loads(found)

    def told(value, language):
        if isinstance(value, dict):
            if value.keys() == {"en", "zh"}:
                return value[language]
            return {k: told(v, language) for k, v in value.items()}
        return [told(v, language) for v in value] if isinstance(value, list) else value

    for language in ("en", "zh"):
        assert told(data["explanation"], language) == explanation.to_dict(language)
    assert data["picture"].startswith("data:image/png;base64,")
    assert HOSTILE not in page and len(page) < 1_500_000
    explanation.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page


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


def press(browser, key):
    event = f"new KeyboardEvent('keydown', {{key: {json.dumps(key)}, bubbles: true}})"
    browser.run(f"document.body.dispatchEvent({event})")


def text(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)})?.textContent ?? null")


def count(browser, selector):
    return browser.run(f"document.querySelectorAll({json.dumps(selector)}).length")


@needs_browser
def test_arrow_keys_step_through_the_stages_with_their_numbers(show, page, explanation):
    browser = show(page, "#lang=en")
    assert text(browser, ".inspector h2") == "Overview"
    assert count(browser, ".found button") == 12 and "lines checked" in text(browser, ".badge")
    told = explanation.to_dict("en")["detections"][0]["stages"]
    for stage in told:
        press(browser, "ArrowRight")
        assert text(browser, ".inspector h2") == stage["title"]
        shown = browser.run("[...document.querySelectorAll('.line .math')].map(m => m.textContent)")
        wanted = [line["text"] for line in stage["lines"] if "region.point" not in line["key"]]
        assert shown == wanted
        assert count(browser, ".mark.right") == len(shown) and not count(browser, ".mark.wrong")
        assert browser.run("location.hash") == f"#stage={stage['key']}&box=0&lang=en"
    press(browser, "ArrowLeft")
    assert browser.run("location.hash").startswith("#stage=selection")
    press(browser, "Home")
    assert browser.run("location.hash").startswith("#stage=overview")


@needs_browser
def test_boxes_are_picked_by_number_arrow_list_and_address(show, page):
    browser = show(page, "#stage=class&box=7&lang=zh")
    assert text(browser, ".inspector h2") == "类别得分"
    chosen = ".found [aria-pressed=true] .k"
    assert text(browser, chosen) == "7"
    press(browser, "3")
    assert text(browser, chosen) == "3"
    press(browser, "ArrowDown")
    assert text(browser, chosen) == "4"
    browser.run("document.querySelectorAll('.found button')[9].click()")
    assert browser.run("location.hash") == "#stage=class&box=9&lang=zh"
    browser.run("location.hash = '#stage=%3Cimg%3E&box=99&lang=xx'")
    assert text(browser, chosen) == "9"


@needs_browser
def test_layers_are_switched(show, page, explanation):
    browser = show(page, "#stage=overview&lang=en")
    seen = (
        "Object.fromEntries(['anchors', 'proposals', 'struck', 'region', 'boxes', 'objects'].map("
        "(n) => [n, getComputedStyle(document.querySelector(`.layer.${n}`)).display !== 'none']))"
    )
    assert {k for k, v in browser.run(seen).items() if v} == {"boxes", "objects"}
    for key in "apsrb":
        press(browser, key)
    assert {k for k, v in browser.run(seen).items() if not v} == {"boxes"}
    drawn = browser.run("[...document.querySelectorAll('.proposals path')]"
                        ".map((p) => p.getAttribute('d').split('M').length - 1)")  # fmt: skip
    assert sum(drawn) == len(explanation.found.proposals)
    browser.run("""(() => {
      const level = document.getElementById('level');
      level.value = '2';
      level.dispatchEvent(new Event('change', {bubbles: true}));
    })()""")
    per_place = len(explanation.found.levels[2].cell)
    cells = browser.run(
        "document.querySelector('.anchors .cell').getAttribute('d').split('M').length"
    )
    assert cells - 1 == per_place


@needs_browser
def test_bins_show_points_whose_mean_is_the_models(show, page, explanation):
    browser = show(page, "#stage=region&box=2&lang=en")
    assert count(browser, ".heat button") == 49 and count(browser, ".points tbody") == 4
    browser.run("document.querySelectorAll('.heat button')[17].click()")
    assert text(browser, ".extra h3") == "Bin 2, 3"
    mean, model = re.findall(r"[-−\d.e]+\d", text(browser, ".mean"))
    assert float(mean) == pytest.approx(float(model), rel=2e-3, abs=1e-6)
    assert float(model) == pytest.approx(explanation.box(2).region.pooled[2, 3], rel=1e-3)


@needs_browser
def test_pointing_says_who_struck_out_what(show, page):
    browser = show(page, "#stage=suppression&box=0&lang=en")
    browser.run("""(() => {
      const box = document.querySelector('.drawing').getBoundingClientRect();
      document.querySelector('.image').dispatchEvent(new PointerEvent('pointermove', {
        bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2}));
    })()""")
    assert re.search(r"p = 0\.\d+ · struck out by box \d+: IoU 0\.[789]", text(browser, ".tip"))
    assert count(browser, ".pointed path") == 2


@needs_browser
def test_hostile_names_languages_and_widths(show, page):
    browser = show(page, "#lang=en")
    assert HOSTILE in text(browser, "h1") and HOSTILE in text(browser, ".found")
    assert browser.run("document.images.length") == 0
    assert browser.run("document.title").startswith(HOSTILE)
    assert "Missed objects" in text(browser, ".extra")
    browser.run("document.getElementById('lang-zh').click()")
    browser.run("document.getElementById('theme-dark').click()")
    assert text(browser, ".inspector h2") == "总览" and "漏检的目标" in text(browser, ".extra")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 26)"
    assert browser.run("location.hash").endswith("lang=zh")
    browser.run("localStorage.clear()")
    for width in (360, 768):
        browser.width(width)
        assert browser.run("document.documentElement.scrollWidth") <= width


@needs_browser
def test_an_image_without_detections_opens(show):
    manual_seed(0)
    model = fasterrcnn_small(num_classes=4, in_channels=1, box_score_thresh=0.99)
    browser = show(explain_detection(model, np.zeros((1, 64, 64), np.float32)).page(), "#lang=en")
    assert "nothing" in text(browser, ".found")
    press(browser, "ArrowRight")
    assert text(browser, ".inspector h2") == "Overview"
