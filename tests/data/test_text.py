"""Texts as numbers: alphabets, streams and windows, lines in classes, and what is refused."""

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError
from chainrule.data import DataLoader
from chainrule.data.lines import AUTHORS, encode_lines, line_dataset, load_lines
from chainrule.data.text import (
    TEXTS,
    Characters,
    TextStreams,
    TextWindows,
    load_text,
    split_text,
)


@pytest.mark.parametrize(("name", "size"), [("shakespeare", 610_844), ("milton", 454_471)])
def test_the_embedded_texts(name, size):
    text = load_text(name)
    assert len(text) == size and text.isascii()
    train, held_out = split_text(text)
    assert train + held_out == text and len(held_out) == round(size / 10)


def test_files_in_utf8_with_any_line_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffä\r\nb\rc\n字".encode())
    assert load_text(path) == "ä\nb\nc\n字"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"ab\n\xff\xfe", "line 2 holds the byte 0xff"),
        (b"ab\0cd", "binary"),
    ],
)
def test_files_that_are_no_text(tmp_path, content, message):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_text(path)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="shakespeare, milton"):
        load_text(tmp_path / "missing.txt")
    with pytest.raises(DataError, match="no file"):
        load_text(tmp_path)


def test_an_alphabet_there_and_back():
    text = "être 字\n\U0001f600 be"
    known = Characters.of(text)
    assert len(known) == len(set(text)) and "字" in known
    assert known.decode(known.encode(text)) == text
    # In any order, as a file may have it.
    turned = Characters(reversed(known.characters))
    assert turned.decode(turned.encode(text)) == text and turned != known
    np.testing.assert_array_equal(Characters("abc").encode("cx", unknown=-1), [2, -1])


def test_a_strange_character_is_named_with_its_place():
    with pytest.raises(DataError, match=r"'é' \(number 3 of line 2\).*the 4 known ones: abc$"):
        Characters("abc\n").encode("abc\nabé")
    with pytest.raises(DataError, match="udc80"):
        Characters("abc").encode("a\udc80")


@pytest.mark.parametrize("wrong", ["", ["ab"], "aa", [3]])
def test_no_alphabet(wrong):
    with pytest.raises(ArgumentError, match="Characters"):
        Characters(wrong)


def test_streams_go_on_from_batch_to_batch():
    ids = np.arange(1000)
    streams = TextStreams(ids, 3, 16)
    assert streams.continues and len(streams) == 999 // 3 // 16
    batches = [[part.numpy() for part in batch] for batch in DataLoader(streams, None)]
    assert batches[0][0].shape == (3, 16)
    whole = np.concatenate([x for x, _ in batches], axis=1)
    for row, start in zip(whole, (0, 333, 666), strict=True):
        np.testing.assert_array_equal(row, start + np.arange(len(streams) * 16))
    for x, y in batches:
        np.testing.assert_array_equal(y, x + 1)


def test_a_short_text_has_fewer_streams():
    assert TextStreams(np.arange(100), 32, 8).streams == 3
    assert len(TextStreams(np.arange(9), 32, 8)) == 1
    for kind in (lambda ids: TextStreams(ids, 1, 8), lambda ids: TextWindows(ids, 8)):
        with pytest.raises(DataError, match="8 characters.*need 9"):
            kind(np.arange(8))


def test_windows_cover_the_text():
    windows = TextWindows(np.arange(20), 4, 3)
    assert len(windows) == 6
    x, y = windows[-1]
    np.testing.assert_array_equal(x, [15, 16, 17, 18])
    np.testing.assert_array_equal(y, [16, 17, 18, 19])
    with pytest.raises(IndexError):
        windows[6]


def test_whose_line():
    lines = load_lines(AUTHORS)
    assert lines.classes == TEXTS
    for part, targets in (
        (lines.train, lines.train_targets),
        (lines.held_out, lines.held_out_targets),
    ):
        assert len(part) == len(targets) and set(targets) == {0, 1}
    assert len(lines.held_out) == pytest.approx(len(lines.train) / 9, rel=0.01)


def test_lines_of_a_folder(tmp_path):
    for name, words in (("en", "the quick brown fox jumps"), ("de", "der schnelle braune Fuchs")):
        (tmp_path / name).mkdir()
        for k in range(2):
            content = "\n".join(f"{words} {k} {i}" for i in range(10)) + "\n\nshort\n"
            (tmp_path / name / f"{k}.txt").write_text(content)
    (tmp_path / "empty").mkdir()
    lines = load_lines(tmp_path)
    assert lines.classes == ("de", "en") and len(lines.train) == 36 and len(lines.held_out) == 4
    assert lines.held_out[-1] == "the quick brown fox jumps 1 9"
    (tmp_path / "en" / "0.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        load_lines(tmp_path)


def test_folders_without_classes(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_lines(tmp_path / "missing")
    with pytest.raises(DataError, match="0 folders"):
        load_lines(tmp_path)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text("one line that is long enough to count\n")
    with pytest.raises(DataError, match="class a has 1 lines"):
        load_lines(tmp_path)
    with pytest.raises(DataError, match="is a file"):
        load_lines(tmp_path / "a" / "1.txt")


def test_lines_are_filled_up_and_cut():
    ids, sizes = encode_lines(["ab", "abcab", "", "xb"], Characters("abc"), 4)
    np.testing.assert_array_equal(ids, [[1, 2, 0, 0], [1, 2, 3, 1], [0, 0, 0, 0], [0, 2, 0, 0]])
    np.testing.assert_array_equal(sizes, [2, 4, 1, 2])
    sample = line_dataset(["ab"], np.array([1]), Characters("abc"), 4)[0]
    assert [part.numpy().tolist() for part in sample] == [[1, 2, 0, 0], 2, 1]
