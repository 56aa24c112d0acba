"""The site: formulas, links, search; the whole build with CHAINRULE_SLOW=1."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("latex2mathml")
pytest.importorskip("mdit_py_plugins")
pytest.importorskip("pygments")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from builder import card_pages, check, frame  # noqa: E402
from builder.reference_pages import docstring  # noqa: E402
from builder.render import mathml, render  # noqa: E402
from builder.run import Shown, examples  # noqa: E402
from builder.site import Site, address_of, english  # noqa: E402
from generate import rooms  # noqa: E402

from chainrule.explain.cards import card, entries  # noqa: E402

slow = pytest.mark.skipif(os.environ.get("CHAINRULE_SLOW") != "1", reason="takes a minute or more")
NAMES = ["sigmoid", "max_pool2d", "Conv2d", "Adam", "StepLR", "xavier_normal_", "weight_decay"]


@pytest.fixture
def site(tmp_path):
    """Pages of a few cards and one guide, written."""
    found = Site(tmp_path)
    card_pages.add_cards(found, [name for name in NAMES if name in entries()])
    frame.write(found)
    return tmp_path


def test_every_formula_of_the_cards_becomes_mathml():
    for name in entries():
        shown = card(name)
        for line in (shown.definition, *shown.derivation, *shown.gradients.values()):
            words = re.sub(r"<[^>]*>", "", mathml(line.tex, True))
            assert "\\" not in words, f"{name}: {line.tex}"


def test_a_page_shows_code_output_worksheets_and_links():
    text = "# T\n\n## A b\n\nSee [x](x.md), $a_1$.\n\n```python\nprint(1)\n```\n"
    shown = [Shown("1\n", "# w\n\n- $x = 1$\n")]
    assert len(examples(text)) == len(shown)
    body = render(text, lambda target, image: f"to/{target}", shown)
    assert (body.title, body.headings) == ("T", [("a-b", "A b")])
    for part in ('href="to/x.md"', "<math", '<pre class="output">1</pre>', 'class="worksheet"'):
        assert part in body.html
    assert body.html.count("<h1") == 1


def test_chinese_lines_join_without_a_space():
    body = render("# 标题\n\n一个小网络\n走完全程，the\nend\n完。\n", lambda target, image: target)
    assert "一个小网络走完全程，the\nend\n完。" in body.html


def test_examples_of_docstrings_are_shown_as_code():
    shown = docstring("Adds.\n\n>>> f(1)\n2\n\nArgs:\n    x: a number")
    assert '<pre class="code" data-language="pycon">' in shown and "<li><code>x</code>" in shown


def test_card_pages_hold_picture_formula_and_worked_numbers(site):
    for language, words in (("en", "Worked with numbers"), ("zh", "代入数字")):
        page = (site / language / "cards/operations/sigmoid.html").read_text(encoding="utf-8")
        assert words in page and "<math" in page
        picture = re.search(r'<img src="([^"]+)"', page)[1]
        assert (site / language / "cards/operations" / picture).resolve().is_file()


def test_optimisers_show_a_worked_step():
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"):
        assert "step 3: " in card_pages.with_numbers(entries()[name]), name


def test_nearly_every_operation_with_a_gradient_has_worked_numbers():
    names = [n for n, e in entries().items() if e.kind == "operation" and e.op.differentiable]
    missing = {name for name in names if not card_pages.with_numbers(entries()[name])}
    assert missing <= {"cast", "view_write"}


def test_what_people_look_up_has_an_example():
    """By place: how many of the names have one at least, and the first that must."""
    sought = {
        "functions": (
            110,
            "tensor zeros arange sum mean max matmul cat where reshape softmax relu",
        ),
        "tensor": (90, "backward detach item numpy tolist view to"),
        "nn": (50, "Module Linear Conv2d LSTM BatchNorm2d Sequential CrossEntropyLoss MSELoss"),
        "nn.init": (6, "xavier_uniform_ kaiming_normal_"),
        "optim": (6, "SGD Adam AdamW RMSprop"),
        "optim.lr_scheduler": (8, "StepLR CosineAnnealingLR ReduceLROnPlateau"),
        "data": (8, "Dataset DataLoader TensorDataset random_split load"),
        "train": (5, "Trainer Accuracy"),
        "autograd": (5, "grad gradcheck Function"),
        "compile": (1, "compile"),
    }
    for room, (least, first) in sought.items():
        shown = {n for n, x in rooms()[room] if ">>> " in (inspect.getdoc(x) or "")}
        assert set(first.split()) <= shown, (room, set(first.split()) - shown)
        assert len(shown) >= least, (room, len(shown))


def test_addresses_differ_where_case_does_not_count():
    found = [card_pages.address_of(name).lower() for name in entries()]
    assert len(found) == len(set(found))


def test_chinese_files_are_the_same_pages():
    assert address_of(english(ROOT / "README.zh.md")[0]) == "index.html"
    assert english(ROOT / "docs/zh/worked/mlp.md") == (ROOT / "docs/worked/mlp.md", "zh")


@pytest.mark.parametrize("markup, said", [
    ('<a href="none.html">x</a>', "no page none.html"),
    ('<a href="#none">x</a>', "no heading #none"),
    ('<img src="https://example.org/x.png">', "fetches https://example.org/x.png"),
    ('<link rel="stylesheet" href="//example.org/x.css">', "fetches //example.org/x.css"),
    ('<script src="none.js"></script>', "fetches none.js"),
    ('<p style="background:url(http://example.org/x)">x</p>', "fetches background"),
])  # fmt: skip
def test_what_is_wrong_with_a_page_is_found(tmp_path, markup, said):
    page = tmp_path / "x.html"
    page.write_text('<p id="a"><a href="#a">x</a><a href="https://example.org">y</a></p>')
    assert check.problems(tmp_path) == []
    page.write_text(markup)
    assert len(check.problems(tmp_path)) == 1 and said in check.problems(tmp_path)[0]


def dom(address):
    """The page as Chromium has it after its scripts."""
    return subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         "--virtual-time-budget=4000", address],
        capture_output=True, text=True, encoding="utf-8", timeout=60,
    ).stdout  # fmt: skip


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("language, query, text", [
    ("en", "max_pool2d", "cards/functions/max_pool2d.html"),
    ("zh", "最大", "cards/functions/max_pool2d.html"),
])  # fmt: skip
def test_search_works_from_files(site, language, query, text):
    page = site / language / "cards/index.html"
    found = re.search(r'<ol id="found"[^>]*>(.*?)</ol>', dom(f"{page.as_uri()}?q={query}"), re.S)
    assert text in found[1]


@slow
def test_the_whole_site(tmp_path):
    command = [sys.executable, "docs/build.py", "--out", str(tmp_path / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    for language in ("en", "zh"):
        tree = tmp_path / "html" / language
        for name in entries():
            assert (tree / card_pages.address_of(name)).is_file()
        for name in ("index", "getting_started", "worked/lstm", "reference/nn", "demonstrations"):
            assert (tree / f"{name}.html").is_file()
