"""The run report: well-formed, safe, complete in both languages, right with missing data."""

import math
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, ChainruleError, DataError, ShapeError
from chainrule.base.text import set_language
from chainrule.explain.report import Kernels, ReportData, render_report, write_report

VOID = {"meta", "img", "input", "br"}
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\0\ud800"


class Page(HTMLParser):
    """Checks that elements nest, and collects what the tests ask for."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def words(text: str) -> str:
    """`text` of a page without its markup."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S)
    return re.sub(r"<[^>]*>", " ", body)


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language(None)


# Structure ----------------------------------------------------------------------------------------


def test_full_page_nests_and_names_are_unique(report):
    page = Page(render_report(report))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a.get("href", "#")[1:] for a in page.all("a")} <= set(ids)
    assert sum(a.get("class") == "plot" for a in page.all("div")) == 4 + 7
    assert all(a.get("alt") for a in page.all("img"))
    assert all(a.get("aria-label") for _, a in page.tags if a.get("tabindex"))


def test_numbers_of_the_run_are_on_the_page(report):
    text = words(render_report(report))
    for row in report.history:
        assert f"{row['val_loss']:.6g}" in text
        assert f"{100 * row['accuracy']:.2f} %" in text
    assert "99.00 %" in text and "0.0712" in text
    assert "chainrule train lenet --epochs 12" in text
    assert f"{156 * 10:,}" in text  # all parameters


def test_confusion_cells_carry_count_and_share(report):
    page = Page(render_report(report))
    row = int(report.confusion[4].sum())
    tips = [a["data-en"] for a in page.all("button") if "data-true" in a]
    assert f"true 4, predicted 9: 3 of {row} ({300 / row:.1f} %)" in tips
    pairs = {(each.true, each.predicted) for each in report.wrong}
    assert len(tips) == len(pairs)


def test_class_metrics_follow_from_the_confusion_matrix():
    text = words(render_report(ReportData(title="x", confusion=[[3, 1], [2, 0]])))
    assert "60.00 %" in text and "75.00 %" in text  # precision 3/5, recall 3/4 of class 0
    unseen = words(render_report(ReportData(title="x", confusion=[[3, 0], [2, 0]])))
    assert re.search(r"1\s+–\s+0\.00 %", unseen)  # class 1 was never predicted


def test_best_epoch_is_by_validation_accuracy_then_loss():
    rows = [
        {"val_accuracy": 0.5, "val_loss": 0.1},
        {"val_accuracy": 0.9, "val_loss": 0.4},
        {"val_accuracy": 0.9, "val_loss": 0.0},
        {"val_accuracy": math.nan, "val_loss": math.nan},
    ]
    assert "Epoch 3 was the best by validation accuracy" in words(
        render_report(ReportData(title="x", history=rows))
    )
    given = render_report(ReportData(title="x", history=rows, best_epoch=2))
    assert "The weights kept are those of epoch 2" in words(given)


# Safety -------------------------------------------------------------------------------------------


def test_hostile_names_stay_text(fields):
    fields.update(
        title=HOSTILE, model=HOSTILE, command=HOSTILE, created=HOSTILE, notes=[HOSTILE],
        evaluated_on=HOSTILE, classes=[f"{HOSTILE}{i}" for i in range(10)],
        config={HOSTILE: HOSTILE}, environment={HOSTILE: {HOSTILE: HOSTILE}},
        kernels=[Kernels(HOSTILE, np.ones((2, 3))), Kernels(HOSTILE, np.ones((2, 1, 3, 3)))],
        layers={HOSTILE: [{HOSTILE: 1.0, "grad_norm": 2.0}]},
        summary=[{"layer": HOSTILE, HOSTILE: HOSTILE}],
        metrics={HOSTILE: 1.0},
    )  # fmt: skip
    fields["history"][0][HOSTILE] = 1.0
    text = render_report(ReportData(**fields))
    text.encode()
    page = Page(text)
    assert len(page.all("script")) == 1
    assert not any(key.startswith("on") for _, a in page.tags for key in a)
    assert all(a["src"].startswith("data:image/png;base64,") for a in page.all("img"))
    assert text.count("</script>") == 1


def test_policy_allows_this_script_and_no_network(report):
    text = render_report(report)
    script = re.search(r"<script>(.*?)</script>", text, re.S).group(1)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for a in Page(text).all("meta") if "http-equiv" in a)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_page_refers_to_nothing_outside(report):
    text = render_report(report).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)


# Languages ----------------------------------------------------------------------------------------


def test_both_languages_stand_in_the_page(report):
    text = render_report(report)
    assert "How it learned" in text and "学习过程" in text
    assert text.count('span lang="en">') == text.count('span lang="zh">') > 100
    set_language("zh")
    chinese = render_report(report)
    assert '<html lang="zh-Hans">' in chinese
    assert re.search(r'id="lang-zh" checked', chinese) and "学习过程" in chinese


def test_every_text_has_a_chinese_form(report, fields):
    empty = {"title": "x", "history": fields["history"][:1], "confusion": np.zeros((2, 2), int)}
    pages = [render_report(r) for r in (report, ReportData(title="x"), ReportData(**empty))]
    # A text without translation is the same in both and stands without a language.
    plain = re.sub(r"<(span|tspan) lang=.*?</\1>", "", "".join(pages))
    loose = set(re.findall(r"[A-Z][a-z]+ [a-z]+ [a-z]+", words(plain)))
    assert loose == set()


# Missing, odd and wrong data ----------------------------------------------------------------------


def test_empty_report_says_what_is_missing():
    text = render_report(ReportData(title="nothing"))
    assert sum("missing" in (a.get("class") or "") for a in Page(text).all("p")) == 9
    for part in ("history", "confusion matrix", "kernels", "summary", "configuration"):
        assert part in words(text)


@pytest.mark.parametrize("part", sorted(ReportData.__dataclass_fields__.keys() - {"title"}))
def test_each_part_may_be_missing_or_alone(fields, part):
    value = fields.pop(part, None)
    Page(render_report(ReportData(**fields)))
    if value is not None:
        Page(render_report(ReportData(title="x", **{part: value})))


def test_one_epoch_is_a_point(fields):
    fields["history"] = fields["history"][:1]
    fields["layers"] = {name: rows[:1] for name, rows in fields["layers"].items()}
    text = render_report(ReportData(**fields))
    assert "single epoch" in text
    assert "nan" not in words(text).lower()
    assert len(re.findall(r'<circle cx="[\d.]+" cy="[\d.]+" r="2.4"', text)) >= 2 + 2 + 7


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None])
def test_not_finite_numbers_are_marked_not_drawn(fields, bad):
    for row in fields["history"][5:]:
        row.update(loss=bad, val_loss=bad, lr=bad, val_accuracy=bad, seconds=bad)
    for rows in fields["layers"].values():
        rows[3].update(grad_norm=bad, act_mean=bad)
    fields["step_loss"][100] = 0.5 if bad is None else bad
    fields["metrics"]["loss"] = bad
    text = render_report(ReportData(**fields))
    Page(text)
    drawn = " ".join(re.findall(r'(?:\b[dxy]|c[xy]|points|data-[xy])="([^"]*)"', text))
    assert not re.search(r"nan|inf|None", drawn)
    assert (">NaN<" in text or "∞<" in text) == (bad is not None)
    # Not measured is no accident: only the dead share, 0 in truth, has nothing to mark either.
    assert ("× marks" in text) == (bad is not None)


def test_all_values_not_finite(fields):
    rows = [{"loss": math.nan, "val_loss": math.inf} for _ in range(3)]
    text = render_report(ReportData(title="x", history=rows, layers={"a": [{"grad_norm": 0.0}]}))
    assert "No value here can be drawn" in text


def test_zero_gradient_on_the_log_axis_is_marked():
    layers = {"a": [{"grad_norm": 1.0}, {"grad_norm": 0.0}]}
    text = render_report(ReportData(title="x", layers=layers))
    assert "× marks a value that is zero" in text and 'class="cross"' in text


def test_long_runs_are_thinned_and_say_so():
    rows = [{"loss": 1 / (i + 1), "val_loss": abs(i - 777.0) + 1} for i in range(5000)]
    text = render_report(ReportData(title="x", history=rows, step_loss=[1.0] * 100_000))
    assert "of 5000 epochs are drawn" in text and "best epoch 778" in text
    assert len(text) < 600_000


def test_many_layers_classes_and_kernels_stay_small():
    layers = {f"l{i}": [{"grad_norm": 1.0}] * 5 for i in range(100)}
    kernels = [("big", np.ones((512, 512, 3, 3))), ("dense", np.ones((4096, 4096)))]
    text = render_report(
        ReportData(title="x", layers=layers, kernels=kernels, confusion=np.eye(300, dtype=int))
    )
    assert "The first 32 of 100 layers" in text and "64 of 512 kernels" in text
    assert "300 classes as a picture" in text
    assert len(text) < 1_500_000


@pytest.mark.parametrize(
    ("change", "error", "part"),
    [
        ({"confusion": [[1, 2, 3], [4, 5, 6]]}, ShapeError, "[2, 3]"),
        ({"confusion": [[1, -2], [0, 1]]}, DataError, "no counts"),
        ({"confusion": [[1, 0.5], [0, 1]]}, DataError, "no counts"),
        ({"confusion": [[1, 0], [0, 1]], "classes": ["a"]}, ShapeError, "2 classes but 1"),
        ({"history": [{"loss": "low"}]}, ArgumentError, "history[0]['loss']"),
        ({"wrong": [(np.ones(3), 0, 1, 0.5)]}, ShapeError, "[3]"),
        ({"wrong": [(np.ones((2, 2)), 0, 7, 0.5)], "classes": ["a", "b"]}, ArgumentError, "7"),
        ({"kernels": [("a", np.ones(3))]}, ShapeError, "'a'"),
        ({"kernels": [("a", np.array([["x"]]))]}, ShapeError, "'a'"),
    ],
)
def test_wrong_data_raises_and_leaves_the_old_file(tmp_path, change, error, part):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(error, match=re.escape(part)) as caught:
        write_report(path, ReportData(title="x", **change))
    assert isinstance(caught.value, ChainruleError)
    assert path.read_text() == "old"


def test_write_report_gives_back_the_path(tmp_path, report):
    path = write_report(tmp_path / "report.html", report)
    assert path.read_text("utf-8") == render_report(report)
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_inputs_are_not_changed(report):
    before = [w.image.copy() for w in report.wrong], report.kernels[0].weight.copy()
    render_report(report)
    assert all(np.array_equal(a, b.image) for a, b in zip(before[0], report.wrong, strict=True))
    assert np.array_equal(before[1], report.kernels[0].weight)
