"""Pictures and folders of them."""

import builtins
import struct
import zlib

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError, FileFormatError
from chainrule.data import available_splits, load, read_image

Image = pytest.importorskip("PIL.Image")


def save(path, value=0, size=(4, 5), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size[1], size[0]), value).save(path)


def test_read_image(tmp_path):
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels.transpose(2, 0, 1))
    assert read_image(tmp_path / "a.png", channels=1).shape == (1, 4, 5)
    assert read_image(tmp_path / "a.png", channels=4, size=(8, 6)).shape == (4, 8, 6)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "g.bmp")
    assert np.array_equal(read_image(tmp_path / "g.bmp"), pixels[None, ..., 0])
    assert read_image(tmp_path / "g.bmp", channels=3).shape == (3, 4, 5)
    with pytest.raises(ArgumentError, match="channels"):
        read_image(tmp_path / "a.png", channels=2)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")


def test_sixteen_bits_are_scaled(tmp_path):
    Image.fromarray(np.array([[0, 65535, 32896]], np.uint16)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[0, 255, 128]]]


@pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint16, 255), (np.int32, 255), (np.float32, 1), (np.int32, 65535)]
)
def test_wide_values_are_scaled_by_their_range(tmp_path, dtype, white):
    Image.fromarray(np.array([[0, white]], dtype)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").tolist() == [[[0, 255]]]
    Image.fromarray(np.array([[-3, 9]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(FileFormatError, match="from -3 to 9"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("ink", "ground"), [(0, 255), (255, 0)])
def test_drawings_on_transparent_ground_stay_visible(tmp_path, ink, ground):
    pixels = np.array([[[ink, 255], [ink, 0]]], np.uint8)
    Image.fromarray(pixels, "LA").save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[ink, ground]]]
    assert read_image(tmp_path / "a.png", channels=3)[:, 0, 1].tolist() == [ground] * 3
    assert read_image(tmp_path / "a.png", channels=4)[3].tolist() == [[255, 0]]


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(FileFormatError, match=r"readable picture \(it is a folder\)"):
        read_image(tmp_path)


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def test_broken_and_huge_pictures(tmp_path):
    path = tmp_path / "a.png"
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    save(path, 7)
    whole = path.read_bytes()
    for content, words in [
        (b"", "not a readable picture"),
        (b"GIF89a" + b"\0" * 5, "not a readable picture"),
        (whole[: len(whole) - 20], "not a readable picture"),
        (b"\x89PNG\r\n\x1a\n" + huge + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
         "60000 x 60000|not a readable"),
    ]:  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=words) as e:
            read_image(path)
        assert str(path) in str(e.value)


def test_folder(tmp_path):
    for name, value in (("cat", 10), ("dog", 20)):
        for i in range(3):
            save(tmp_path / name / f"{i}.png", value + i)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    data = load(tmp_path)
    assert data.classes == ("cat", "dog") and data.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.x[:, 0, 0, 0].tolist() == [10, 11, 12, 20, 21, 22]
    assert data.input_shape == (1, 4, 5) and data.x.dtype == np.uint8
    assert load(tmp_path, channels=3, size=(6, 6)).input_shape == (3, 6, 6)
    assert load(tmp_path, classes=["dog", "cow", "cat"]).y.tolist() == [0, 0, 0, 2, 2, 2]
    with pytest.raises(DataError, match="'dog' is none of those given: cat"):
        load(tmp_path, classes=["cat"])
    with pytest.raises(DataError, match="without a split"):
        load(tmp_path, "train")


def test_folder_with_splits(tmp_path):
    save(tmp_path / "train" / "a" / "1.png")
    save(tmp_path / "train" / "b" / "1.png")
    save(tmp_path / "test" / "b" / "1.png")
    assert available_splits(tmp_path) == ("train", "test")
    assert load(tmp_path, "test").y.tolist() == [1], "the classes of both parts count"
    assert load(tmp_path).y.tolist() == [0, 1, 1]


def test_folder_problems(tmp_path):
    save(tmp_path / "a" / "1.png", size=(4, 5))
    save(tmp_path / "b" / "2.png", size=(6, 5))
    with pytest.raises(DataError, match=r"2\.png is 5 x 6.*1\.png is 5 x 4.*size="):
        load(tmp_path)
    assert load(tmp_path, size=(4, 4)).x.shape == (2, 1, 4, 4)
    (tmp_path / "b" / "2.png").write_bytes(b"nonsense")
    with pytest.raises(FileFormatError, match=r"2\.png"):
        load(tmp_path)


def test_links_out_of_the_folder_are_refused(tmp_path):
    save(tmp_path / "secret.png")
    save(tmp_path / "data" / "a" / "1.png")
    (tmp_path / "data" / "a" / "2.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="link out"):
        load(tmp_path / "data")
    (tmp_path / "data" / "a" / "2.png").unlink()
    (tmp_path / "data" / "a" / "3.png").symlink_to(tmp_path / "data" / "a" / "1.png")
    assert len(load(tmp_path / "data")) == 2


def test_a_whole_class_linked_out_is_refused(tmp_path):
    save(tmp_path / "other" / "1.png")
    save(tmp_path / "data" / "a" / "1.png")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match="link out"):
        load(tmp_path / "data")


def test_without_pillow(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.split(".")[0] == "PIL":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'pip install "chainrule\[images\]"'):
        read_image(tmp_path / "a.png")
