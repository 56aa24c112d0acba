"""Figures: well-formed, safe, right in their scales, and errors that say what is wrong."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.explain import Bars, Lines, Pictures, figure

SVG = "{http://www.w3.org/2000/svg}"


def drawn(tmp_path, *panels, title="A title"):
    return ElementTree.parse(figure(tmp_path / "deep" / "a.svg", title, *panels)).getroot()


def paths(root):
    return [p.get("d") for p in root.iter(f"{SVG}path")]


def test_texts_are_escaped_and_both_colour_schemes_are_there(tmp_path):
    root = drawn(tmp_path, Lines("<b>&", {"</svg>": [1, 2], "β": [2, 1]}), title='"<&>')
    assert root.find(f"{SVG}title").text == '"<&>' == root.get("aria-label")
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"<b>&", "</svg>", "β"} <= set(texts)
    assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text


def test_a_line_goes_where_its_values_are(tmp_path):
    (path,) = paths(drawn(tmp_path, Lines("", {"y": ([0, 1, 2], [0, 5, 10])})))
    points = [tuple(map(float, point.split(","))) for point in path[1:].split("L")]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x0 < x1 < x2 and y0 > y1 > y2
    assert abs(x1 - (x0 + x2) / 2) <= 0.1 and abs(y1 - (y0 + y2) / 2) <= 0.1


def test_equal_factors_are_equal_distances_on_a_log_axis(tmp_path):
    (path,) = paths(drawn(tmp_path, Lines("", {"y": [1, 100, 10_000]}, log=True)))
    y = [float(point.split(",")[1]) for point in path[1:].split("L")]
    assert abs((y[0] - y[1]) - (y[1] - y[2])) <= 0.11


def test_what_cannot_be_drawn_breaks_the_line(tmp_path):
    (path,) = paths(drawn(tmp_path, Lines("", {"y": [1, 2, math.nan, 2, 1]})))
    assert path.count("M") == 2 and path.count("L") == 2
    (path,) = paths(drawn(tmp_path, Lines("", {"y": [1, 0, 10, 5]}, log=True)))
    assert path.count("M") == 2


def test_bars_are_as_long_as_their_values(tmp_path):
    root = drawn(tmp_path, Bars("", {"a": 1, "b": 4, "none": math.nan}))
    bars = [float(r.get("width")) for r in root.iter(f"{SVG}rect") if r.get("class") == "bar"]
    assert abs(bars[1] / bars[0] - 4) < 0.01 and bars[2] == 0


def test_pictures_keep_their_shape(tmp_path):
    images = {"grey": np.zeros((10, 20)), "colour": np.ones((3, 10, 20)), " hidden": np.eye(20)}
    root = drawn(tmp_path, Pictures("p", images, columns=2), Pictures("s", images, signed=False))
    first, second, third = list(root.iter(f"{SVG}image"))[:3]
    for image in (first, second):
        assert float(image.get("width")) / float(image.get("height")) == pytest.approx(2, rel=0.01)
    assert third.get("width") == third.get("height") and float(third.get("y")) > 100
    assert first.get("href").startswith("data:image/png;base64,")
    assert " hidden" not in [text.text for text in root.iter(f"{SVG}text")]


def test_panels_stand_side_by_side_and_below(tmp_path):
    root = drawn(tmp_path, *[Bars(str(i), {"a": 1}) for i in range(3)])
    places = [g.get("transform") for g in root.findall(f"{SVG}g")]
    x, y = zip(*[place[10:-1].split() for place in places])
    assert x[0] == x[2] != x[1] and y[0] == y[1] != y[2]


def test_errors_name_what_is_wrong(tmp_path):
    with pytest.raises(ArgumentError, match="at least one panel"):
        figure(tmp_path / "a.svg", "none")
    with pytest.raises(ShapeError, match=r"height.*\(3,\).*\(2,\)"):
        drawn(tmp_path, Lines("", {"height": ([1, 2], [1, 2, 3])}))
    with pytest.raises(ArgumentError, match="one value"):
        drawn(tmp_path, Lines("", {"y": [math.nan]}))
    with pytest.raises(ArgumentError, match="not below zero"):
        drawn(tmp_path, Bars("", {"a": -1}))
    assert not list(tmp_path.rglob("*.svg"))
