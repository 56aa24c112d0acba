"""`chainrule explain`, `ops`, `gradcheck` and `summary`."""

import json
import re

import numpy as np
import pytest

from chainrule import models
from chainrule.cli import main as entry
from chainrule.ops.functional import INTERNAL
from chainrule.ops.op import REGISTRY


def test_explain_prints_the_worked_steps(cli):
    result = cli("explain", "(x+y)*z", "x=-2", "y=5", "z=-4")
    assert result.status == 0 and result.err == ""
    assert "  f = q * z  = 3 * (-4)  = -12\n" in result.out
    assert result.out.endswith("Gradients\n  ∂f/∂x = -4\n  ∂f/∂y = -4\n  ∂f/∂z = 3\n")


def test_explain_as_json_has_all_digits(cli):
    data = cli("explain", "1/(1+exp(-x))", "x=1", "--json").json
    assert data["gradients"]["x"] == pytest.approx(0.19661193324148185, rel=1e-15)
    assert data["backward"][0]["terms"][0] == {
        "input": "q3",
        "derivative": "-1 / q3^2",
        "local": pytest.approx(-0.534446645388523),
        "gradient": pytest.approx(-0.534446645388523),
    }
    json.dumps(cli("explain", "log(x)", "x=0", "--json").json, allow_nan=False)


def test_explain_takes_a_leading_minus_fractions_vectors_and_several_steps(cli):
    assert "∂f/∂x = -3" in cli("explain", "-x*y", "x=2", "y=3").out
    assert "∂f/∂x = 3 - " not in cli("explain", "-x", "x=1/3").out
    assert "x = 0.33" in cli("explain", "-x", "x=1/3").out
    assert "∂f/∂x = [0.5, 0.5]" in cli("explain", "mean(x)", "x=[1,3]").out
    assert "q = x + y" in cli("explain", "q = x + y; q*q", "x=1", "y=2").out


def test_explain_in_chinese_with_more_digits_and_a_check(cli):
    result = cli("explain", "exp(x)", "x=1", "--digits", "5", "--check", "--lang", "zh")
    assert result.status == 0
    for words in ("前向", "反向", "梯度", "2.71828", "✓", "中心差分证实了每一个导数。"):
        assert words in result.out


def test_a_check_that_fails_has_a_status(cli):
    assert cli("explain", "relu(x)", "x=0", "--check").status == 1
    assert cli("explain", "relu(x)", "x=0").status == 0


def test_explain_on_a_terminal_is_the_same_in_colour(cli):
    import io

    from rich.console import Console

    from chainrule.explain.worksheet import show, to_text, worksheet

    sheet = worksheet("sigmoid(w*x) + max(w, x)", {"w": 0.3, "x": 2}, check=True)
    out = io.StringIO()
    show(sheet, 2, Console(file=out, force_terminal=True, width=80, color_system="standard"))
    coloured = out.getvalue()
    assert "\x1b[" in coloured
    out = io.StringIO()
    show(sheet, 2, Console(file=out, width=80))
    plain = [line.replace("─", "").split() for line in out.getvalue().splitlines()]
    expected = [line.split() for line in to_text(sheet, 2, 80).splitlines()]
    assert [p for p in plain if p] == [e for e in expected if e]


# ---- ops -----------------------------------------------------------------------------------------


def test_ops_lists_the_whole_vocabulary_with_formulas(cli):
    public = {name for name in REGISTRY if name not in INTERNAL}
    rows = cli("ops", "--json").json
    assert {row["name"] for row in rows} == public
    for row in rows:
        assert row["formula"] == REGISTRY[row["name"]].math and row["card"]["zh"]
    out = cli("ops").out
    for name in public:
        assert f"\n  {name} " in out, name
    assert "1 / (1 + exp(-x))" in out and out.endswith("tells more.\n")


def test_ops_tells_everything_about_one(cli):
    out = cli("ops", "conv2d").out
    op = REGISTRY["conv2d"]
    assert out.startswith(op.signature()) and "groups: an integer ≥ 1, by default 1" in out
    assert op.card.en[:30] in out and op.card.zh[:6] in cli("ops", "conv2d", "--lang", "zh").out
    assert cli("ops", "mul", "--json").json["name"] == "multiply"


@pytest.mark.parametrize("name", [name for name in REGISTRY if name not in INTERNAL])
def test_every_card_fits_a_terminal(cli, name):
    for language in ("en", "zh"):
        result = cli("ops", name, "--lang", language)
        assert result.status == 0
        assert max(map(len, result.out.splitlines())) <= 120


# ---- gradcheck -----------------------------------------------------------------------------------


def test_gradcheck_of_operations(cli):
    result = cli("gradcheck", "exp", "mul", "conv2d", "sign_ste")
    assert result.status == 0 and "4 of 4 operations agree" in result.out
    assert "sign_ste  follows a rule of its own" in result.out
    rows = cli("gradcheck", "exp", "--json").json
    assert rows[0]["agrees"] and rows[0]["comparisons"] > 5


def test_gradcheck_finds_a_wrong_backward(cli, monkeypatch):
    monkeypatch.setattr(REGISTRY["exp"], "vjp", staticmethod(lambda F, g, y, x: (2 * g * y,)))
    result = cli("gradcheck", "exp", "sin")
    assert result.status == 1
    assert "exp  DIFFERS" in result.out and "1 of 2 operations agree" in result.out


def test_gradcheck_of_an_expression(cli):
    result = cli("gradcheck", "--expr", "sin(x)*x", "x=0.5")
    assert result.status == 0 and "gradient 0.91821682  differences 0.91821682  agree" in result.out
    rows = cli("gradcheck", "--expr", "-dot(x,x)", "x=[1,2]", "--json").json["gradients"]
    assert [(row["name"], row["gradient"]) for row in rows] == [("x[0]", -2), ("x[1]", -4)]
    assert cli("gradcheck", "--expr", "abs(x)*relu(x+0)+relu(x)", "x=0").status == 1


# ---- summary -------------------------------------------------------------------------------------


def test_summary_of_a_model_and_of_a_run(cli, run_folder):
    result = cli("summary", "lenet", "--input", "1,28,28")
    rows = models.summary(models.build("lenet"), (1, 28, 28))
    assert result.out == f"{rows}\n" and "3,898" in result.out
    data = cli("summary", "mlp", "--input", "3,8,8", "--classes", "4", "--json").json
    assert data["layers"][-1]["output_shape"] == [4]
    assert data["parameters"] == 192 * 256 + 256 + 256 * 128 + 128 + 128 * 4 + 4
    assert "7,850" in cli("summary", run_folder).out
    assert cli("summary", run_folder, "--classes", "3").status == 2


def test_commands_are_documented_in_one_table():
    assert list(entry.COMMANDS) == [
        "train", "evaluate", "predict", "generate", "explain", "summary", "gradcheck", "card",
        "ops",
    ]  # fmt: skip


def test_a_result_that_is_an_input_is_checked_too(cli):
    result = cli("explain", "x", "x=1", "--check", "--json")
    assert result.status == 0 and result.json["gradients"]["x"] == 1.0, result
    rows = cli("gradcheck", "--expr", "x", "x=1", "--json").json["gradients"]
    assert [row["agrees"] for row in rows] == [True]


def test_signs_before_an_expression_are_no_options(cli, refused):
    assert cli("explain", "--x", "x=2", "--json").json["gradients"]["x"] == 1.0
    assert cli("explain", "---x", "x=2", "--json").json["gradients"]["x"] == -1.0
    assert "--chek" in refused("explain", "x", "x=1", "--chek")
    assert "'-1' is not a whole number" in refused("explain", "x", "x=1", "--digits", "-1")
    assert "'-1,28,28' is not a shape" in refused("summary", "lenet", "--input", "-1,28,28")


# ---- pages -------------------------------------------------------------------------------------


def data_of(path):
    text = path.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found)["explanation"]


def test_explain_makes_a_page_of_a_trained_run(cli, run_folder, tmp_path):
    path = tmp_path / "run.html"
    result = cli("explain", run_folder, "--html", path)
    assert result.status == 0 and str(path) in result.out
    trained = models.load(run_folder).state_dict()
    nodes = {node["title"]: node for node in data_of(path)["nodes"]}
    for name, value in trained.items():
        norm = float(np.linalg.norm(np.asarray(value.numpy(), float)))
        assert nodes[name]["outputs"][0]["value"]["statistics"]["norm"] == pytest.approx(norm)


def test_a_folder_that_is_no_run_is_refused(refused, tmp_path):
    assert "settings.json" in refused("explain", tmp_path, "--html", tmp_path / "run.html")


@pytest.mark.parametrize(
    "words", [("explain", "linear", "--html"), ("card", "exp", "--html"), ("card", "exp", "--svg")]
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    refused, tmp_path, monkeypatch, words
):
    from chainrule.cli import card, explain

    def working(*_):
        raise AssertionError("the work began")

    monkeypatch.setattr(explain, "explained", working)
    monkeypatch.setattr(card, "card", working)
    missing = tmp_path / "nowhere" / "page.html"
    said = refused(*words, missing)
    assert str(missing) in said and str(missing.parent) in said
    assert str(tmp_path) in refused(*words, tmp_path)
    assert "无法写入" in refused(*words, missing, "--lang", "zh")
