"""`chainrule card`: one card, all names, files, refusals, both languages."""

import xml.etree.ElementTree as ET


def test_a_card_in_the_terminal(cli):
    result = cli("card", "sigmoid")
    assert result.status == 0
    assert "σ′(x) = 1/(eˣ + 2 + e^(−x)) ≤ 1/4" in result.out.replace("e^x", "eˣ")
    assert "When to use it" in result.out and "See also: Sigmoid" in result.out


def test_a_card_in_chinese(cli):
    out = cli("card", "relu", "--lang", "zh").out
    assert "何时使用" in out and "dead ReLU" in out and "When to use it" not in out


def test_all_names_by_family(cli):
    out = cli("card").out
    assert "\nlosses\n" in out and "cross_entropy" in out and "cards; chainrule card NAME" in out
    assert "Adam" in cli("card", "--json").json["optimisers"]


def test_json_holds_both_languages(cli):
    data = cli("card", "Conv2d", "--json").json
    assert data["kind"] == "layer" and data["trouble"]["zh"] and data["gradients"]["bias"]["tex"]


def test_pictures_and_pages_are_written(cli, tmp_path):
    svg, page = tmp_path / "a.svg", tmp_path / "a.html"
    assert cli("card", "max_pool2d", "--svg", svg, "--html", page).status == 0
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_wrong_name_gets_a_suggestion(refused):
    assert "did you mean 'sigmoid'" in refused("card", "sigmod")
    assert "Give a name" in refused("card", "--svg", "x.svg")
