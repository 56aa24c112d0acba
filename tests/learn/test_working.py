"""The Working format: printed in every form and language, and checked by working out again."""

import json
from xml.dom import minidom

import numpy as np
import pytest

import chainrule as cr
from chainrule.learn.working import (
    Bars,
    Curves,
    Formula,
    Multiples,
    Picture,
    Regions,
    Tree,
    TreeNode,
    Words,
    Working,
    number,
    numbers,
)


def example(right: float = 0.065) -> Working:
    working = Working(Words("Cost <of> a line", "直线的代价"))
    step = working.step(
        Words("Cost", "代价"), Formula("J = Σ(h − y)²/(2m)", r"J=\frac{1}{2m}\sum e^2")
    )
    step.line("J", "(0.5² + 0.1²)/4", 0.065, lambda: right)
    step.line("θ", "", np.array([1.5, -2.0]), lambda: [1.5, -2.0])
    step.line("m", "", 2)
    step.note("Two examples.", "两个样本。")
    step.table(
        (Words("round", "轮"), "J"),
        [(0, 1.5), (1, np.nan)],
        lambda: np.array([[0, 1.5], [1, np.nan]]),
    )
    return working


def pictures() -> list[Picture]:
    x = np.random.default_rng(0).normal(size=(60, 2))
    cells, bounds = Regions.grid(lambda p: (p[:, 0] > p[:, 1]).astype(int), x, count=12)
    surface, _ = Regions.grid(lambda p: (p**2).sum(axis=1), x, count=12)
    tree = TreeNode(["x < 1 & y"], [TreeNode(["a"], colour=0), TreeNode(["b"])], ["yes", "no"])
    return [
        Regions("regions", x, x[:, 0] > 0, cells, bounds, marked=x[:, 0] > 1, stars=x[:2]),
        Regions("surface", cells=surface, bounds=bounds, paths={"descent": x[:5]}),
        Curves("curves", {"a<b": [1, 2, 0.5], "b": ([0, 1, 2], [3, 2, -1])}, log=True),
        Curves("constant", {"a": [1.0, 1.0]}, points={"p": ([0], [np.nan])}),
        Bars("bars", {"x & y": -1.0, "z": 2.5}),
        Tree("tree", tree, depth=1),
        Multiples("frames", [Curves("one", {"a": [1, 2]}), Tree("two", tree)]),
    ]


@pytest.mark.parametrize("picture", pictures(), ids=lambda p: p.title)
def test_pictures_are_well_formed_and_name_themselves(picture):
    svg = minidom.parseString(picture.svg())
    assert svg.documentElement.getAttribute("aria-label") == picture.title
    assert "nan" not in picture.svg()


def test_the_grid_asks_at_the_middle_of_each_cell():
    x = np.array([[0.0, 0.0], [1.0, 2.0]])
    cells, bounds = Regions.grid(lambda p: p[:, 1], x, room=0.0, count=4)
    assert bounds == (0.0, 1.0, 0.0, 2.0)
    assert np.allclose(cells[:, 0], [0.25, 0.75, 1.25, 1.75])  # the first row is the lowest


def test_verify_works_every_line_out_again():
    working = example()
    checked = working.verify()
    assert checked and (checked.right, checked.unchecked) == (3, 1)
    assert "✓" in working.to_text()
    wrong = example(right=0.066).verify()
    assert not wrong and len(wrong.wrong) == 1
    assert wrong.wrong[0].startswith("Cost: J = ")


def test_a_table_of_another_shape_or_text_is_wrong():
    working = Working("w")
    working.step("s").table(("a", "b"), [(1, "x")], lambda: [(1, "y")])
    working.step("s").table(("a",), [(1,), (2,)], lambda: [(1,)])
    working.step("s").line("v", "", np.ones(2), lambda: np.ones(3))
    assert len(working.verify().wrong) == 3


def test_every_form_shows_the_numbers_in_both_languages():
    working = example()
    for picture in pictures():
        working.steps[0].picture(picture)
    for form in ("to_text", "to_markdown", "to_latex", "to_html"):
        for language, note in (("en", "Two examples."), ("zh", "两个样本。")):
            text = getattr(working, form)(language=language)
            assert note in text and "0.065" in text and "1.5" in text, form
    assert "&lt;of&gt;" in working.to_html() and "<of>" not in working.to_html()
    assert "<script" not in working.to_html()
    assert working.to_text() == str(working)
    assert set(working._repr_mimebundle_()) == {"text/plain", "text/html", "text/markdown"}


def test_to_dict_is_json():
    working = example()
    working.verify()
    data = json.loads(json.dumps(working.to_dict(language="zh"), allow_nan=False))
    assert (data["format"], data["language"], data["title"]) == (
        "chainrule.working",
        "zh",
        "直线的代价",
    )
    parts = data["steps"][0]["parts"]
    assert [part["kind"] for part in parts] == ["line", "line", "line", "note", "table"]
    assert parts[0]["value"] == 0.065 and parts[0]["check"]["status"] == "right"
    assert parts[4]["rows"][1] == [1, "NaN"]


def test_long_tables_leave_out_their_middle_when_printed_only():
    working = Working("w")
    working.step("s").table(("i",), [(i,) for i in range(100)])
    text = working.to_text()
    assert "…" in text and "11" in text and "50" not in text and "99" in text
    assert len(working.to_dict()["steps"][0]["parts"][0]["rows"]) == 100


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0651234, "0.06512"), (-2, "−2"), (123456.7, "123457"), (1e-7, "1.000e-7"), (True, "✓"),
     (float("nan"), "NaN"), (-np.inf, "−∞"), (0.0, "0"), ("x", "x")],
)  # fmt: skip
def test_numbers_as_printed(value, text):
    assert number(value).replace("−", "-") == text.replace("−", "-")


def test_arrays_as_printed():
    assert numbers([[1.0, 2.5]]) == "[[1, 2.5]]"
    assert numbers(np.arange(10)).endswith("7, …]")


def test_explain_asks_an_object_that_explains_itself():
    class Thing:
        def __explain__(self):
            return example()

    assert isinstance(cr.explain(Thing()), Working)
