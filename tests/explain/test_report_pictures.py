"""PNG files, colours and axes of the report."""

import math
import struct
import zlib

import numpy as np
import pytest

from chainrule.explain.report.pictures import diverging, photograph, png, strip
from chainrule.explain.report.scales import Scale, axis_range, linear_ticks, log_ticks, tick_label


def read_png(data: bytes) -> np.ndarray:
    """The pixels of an unfiltered PNG, with every checksum verified."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", data[at + 8 + size : at + 12 + size])
        assert check == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8 and b"IEND" in chunks
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (5, 7, 3), (3, 2, 4)])
def test_png_holds_the_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(read_png(png(pixels)).reshape(shape), pixels)


def test_diverging_is_blue_below_and_orange_above():
    low, zero, high, lost = diverging(np.array([-1.0, 0.0, 1.0, np.nan]), 1.0).astype(int)
    assert low[2] > low[0] and high[0] > high[2]
    assert min(zero) > 240
    assert lost.tolist() == [214, 0, 214]
    assert np.array_equal(diverging(np.array([9.0]), 1.0)[0], high)
    assert np.array_equal(diverging(np.zeros(1), 0.0)[0], zero)


def test_both_signs_are_equally_dark():
    values = np.linspace(0, 1, 9)
    weights = np.array([0.2126, 0.7152, 0.0722])
    light = [(diverging(s * values, 1.0) / 255.0) ** 2.2 @ weights for s in (1, -1)]
    assert np.all(np.diff(light[0]) < 0) and np.all(np.diff(light[1]) < 0)
    assert np.allclose(light[0], light[1], atol=0.1)


def test_strip_separates_slices():
    pixels = strip(np.ones((3, 2, 2)), 1.0)
    assert pixels.shape == (2, 8, 4)
    assert pixels[0, :, 3].tolist() == [255, 255, 0, 255, 255, 0, 255, 255]


def test_photograph_keeps_what_is_a_picture_and_stretches_the_rest():
    grey = np.array([[0, 200]], np.uint8)
    assert np.array_equal(photograph(grey), grey)
    assert np.array_equal(photograph(grey[None]), grey)
    assert photograph(np.array([[0.0, 0.5]])).tolist() == [[0, 128]]
    assert photograph(np.array([[-1.0, 3.0]])).tolist() == [[0, 255]]
    assert photograph(np.ones((3, 4, 5), np.uint8)).shape == (4, 5, 3)
    assert photograph(np.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]
    marked = photograph(np.array([[0.0, np.nan, 1.0]]))
    assert marked.tolist() == [[[0, 0, 0], [214, 0, 214], [255, 255, 255]]]
    colour = np.zeros((3, 1, 2))
    colour[1, 0, 1] = np.inf
    assert photograph(colour).tolist() == [[[0, 0, 0], [214, 0, 214]]]


def test_scale_maps_ends_and_refuses_what_has_no_place():
    scale = Scale(0.01, 100.0, 200.0, 0.0, log=True)
    assert [scale(v) for v in (0.01, 1.0, 100.0)] == pytest.approx([200, 100, 0])
    assert [scale(v) for v in (0.0, -1.0, math.nan, math.inf)] == [None] * 4


@pytest.mark.parametrize("low", [0.0, -3.0, 1e-9, 0.97, 1234.0])
@pytest.mark.parametrize("span", [1e-6, 0.013, 1.0, 7e5])
def test_linear_ticks_are_few_round_and_inside(low, span):
    ticks = linear_ticks(low, low + span, 5)
    assert 2 <= len(ticks) <= 7
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0], rtol=1e-6)
    assert low - span * 1e-3 <= ticks[0] and ticks[-1] <= low + span * 1.001


@pytest.mark.parametrize("ratio", [1.5, 7.9, 20.0, 500.0, 1e4, 1e9, 1e30])
def test_log_ticks_are_few_and_inside(ratio):
    ticks = log_ticks(0.0123, 0.0123 * ratio, 5)
    assert 1 <= len(ticks) <= 8 and min(ticks) >= 0.0123 and max(ticks) <= 0.0123 * ratio * 1.001


def test_axis_holds_its_values():
    assert axis_range([0.31, 0.97, math.nan]) == pytest.approx((0.2, 1.0))
    assert axis_range([math.nan, 0.0], log=True) is None
    assert axis_range([0.0, 0.0], share=True) == (0.0, 0.1)
    low, high = axis_range([5.0])
    assert low < 5 < high
    low, high = axis_range([1e-12, 1e12], log=True)
    assert low <= 1e-12 and high >= 1e12


def test_tick_labels_are_short():
    values = (0, 0.5, 20, 1e-5, 3e-7, 15000, 2e6, -0.25)
    labels = ["0", "0.5", "20", "10⁻⁵", "3·10⁻⁷", "15k", "2·10⁶", "-0.25"]
    assert [tick_label(v) for v in values] == labels
