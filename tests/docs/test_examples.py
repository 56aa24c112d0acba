"""Every example of the documentation runs, and the notes' worked examples come out to the digit."""

import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from builder.run import ExampleError, docstrings, examples, run, run_apart  # noqa: E402

from chainrule.base.text import set_language  # noqa: E402

SLOW = os.environ.get("CHAINRULE_SLOW") == "1"
WORKED = sorted(path.stem for path in (ROOT / "docs" / "worked").glob("*.md"))
GUIDES = ("getting_started", "explain", "learn", "detection", "compiled")
PAGES = ["README.md", *(f"docs/{name}.md" for name in GUIDES)]
CHINESE = ["README.zh.md", *(f"docs/zh/{name}.md" for name in GUIDES)]


def worked(name, language):
    folder = ROOT / "docs" / ("zh/worked" if language == "zh" else "worked")
    return examples((folder / f"{name}.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", WORKED)
def test_a_worked_example_of_the_notes(name, language, monkeypatch):
    monkeypatch.setenv("CHAINRULE_LANG", language)
    set_language(None)
    found = [example for example in worked(name, language) if SLOW or example.kind != "console"]
    shown = run(found, name)
    # What is shown comes from the library: a worksheet, or its text.
    assert any(each.markdown or "∂L/∂" in each.output for each in shown)


def test_all_worked_examples_are_there():
    assert WORKED == ["batch_norm", "chain_rule", "lstm", "mlp", "perceptron", "pooling", "softmax"]
    menu = re.search(
        r"WORKED = \[(.*?)\]", (ROOT / "docs/build.py").read_text(encoding="utf-8"), re.S
    )
    assert sorted(re.findall(r'"(\w+)"', menu[1])) == WORKED


@pytest.mark.parametrize("name", WORKED)
def test_both_languages_show_the_same_programs(name):
    one, two = ([e.code for e in worked(name, language) if e.kind == "python"]
                for language in ("en", "zh"))  # fmt: skip
    assert one == two


@pytest.mark.parametrize("page", [*PAGES, *(CHINESE if SLOW else [])])
def test_a_page_runs_in_a_process_of_its_own(page):
    language = "zh" if "zh" in page else "en"
    shown = run_apart(ROOT / page, language)
    assert len(shown) == len(examples((ROOT / page).read_text(encoding="utf-8"))) > 0


def test_every_page_with_examples_is_run():
    known = {*PAGES, *CHINESE}
    for path in [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]:
        name = path.relative_to(ROOT).as_posix()
        if "worked/" not in name and "_build/" not in name:
            assert bool(examples(path.read_text(encoding="utf-8"))) == (name in known), name


def test_examples_in_docstrings_hold():
    for module, tried in docstrings():
        assert tried > 0, module


@pytest.mark.parametrize("text, said", [
    ("```python\nprint(1 + 1)\n```\n```output\n3\n```\n", r"page:2: expected:\n3\nprinted:\n2"),
    ("# A\n\n```python\nx = 1\nassert x == 2\n```\n", r"page:4:\n[\s\S]*AssertionError"),
    ("```console\n$ rm x\n```\n", "only chainrule is run, not rm"),
])  # fmt: skip
def test_an_example_that_does_not_hold_is_named(text, said):
    with pytest.raises(ExampleError) as caught:
        run(examples(text), "page")
    assert re.search(said, str(caught.value))
