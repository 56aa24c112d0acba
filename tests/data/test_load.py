"""load: digits28, IDX folders, CSV, npy and npz."""

import gzip
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError, FileFormatError
from chainrule.data import DataLoader, available_splits, load, write_idx


def mnist(folder, parts=("train", "t10k"), dash="-", end="", n=6):
    rng = np.random.default_rng(0)
    for part in parts:
        x = rng.integers(0, 256, (n, 5, 4)).astype(np.uint8)
        y = (np.arange(n) % (4 if part == "train" else 3)).astype(np.uint8)
        write_idx(folder / f"{part}-images{dash}idx3-ubyte{end}", x)
        write_idx(folder / f"{part}-labels{dash}idx1-ubyte{end}", y)


# -- digits28 --------------------------------------------------------------------------------


def test_digits28():
    whole, train, test = load("digits28"), load("digits28", "train"), load("digits28", "test")
    assert (len(whole), len(train), len(test)) == (5000, 4000, 1000)
    assert whole.x.shape == (5000, 1, 28, 28) and whole.x.dtype == np.uint8
    assert whole.y.dtype == np.int64 and whole.input_shape == (1, 28, 28)
    assert whole.classes == tuple("0123456789")
    assert np.array_equal(whole.x, np.concatenate([train.x, test.x]))
    assert np.array_equal(whole.y, np.concatenate([train.y, test.y]))
    assert (np.bincount(train.y) > 300).all() and (np.bincount(test.y) > 60).all()
    x, y = next(iter(DataLoader(test, 8)))
    assert x.numpy().dtype == np.float32 and x.numpy().max() <= 1 and y.shape == (8,)
    assert available_splits("digits28") == ("train", "test")
    assert load("digits28", "test", transform=None)[0][0].dtype == np.uint8


# -- IDX folders -----------------------------------------------------------------------------


@pytest.mark.parametrize("dash", "-.")
@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_folder(tmp_path, dash, end):
    mnist(tmp_path, dash=dash, end=end)
    train, test, whole = (load(tmp_path, split) for split in ("train", "test", None))
    assert train.input_shape == (1, 5, 4) and len(whole) == 12
    assert train.y.tolist() == [0, 1, 2, 3, 0, 1] and test.y.tolist() == [0, 1, 2, 0, 1, 2]
    # The test labels alone end at 2; the classes are those of the whole folder.
    assert test.classes == train.classes == ("0", "1", "2", "3")
    assert load(str(tmp_path), "test", classes=10).classes == tuple("0123456789")
    assert load(tmp_path, "test", classes=list("abcd")).classes == tuple("abcd")


def test_idx_folder_with_the_test_pair_alone(tmp_path):
    mnist(tmp_path, ["t10k"])
    assert available_splits(tmp_path) == ("test",)
    assert len(load(tmp_path, "test")) == len(load(tmp_path)) == 6
    with pytest.raises(DataError, match="no split 'train', only test"):
        load(tmp_path, "train")


def test_idx_folder_problems(tmp_path):
    mnist(tmp_path)
    with pytest.raises(DataError, match="label 3 of row 3.*up to 2"):
        load(tmp_path, "train", classes=3)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte is missing"):
        load(tmp_path, "test")
    assert len(load(tmp_path, "train", classes=4)) == 6
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(5, np.uint8))
    with pytest.raises(FileFormatError, match="6 pictures.*5 labels"):
        load(tmp_path, "train", classes=4)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros((6, 1, 1), np.uint8))
    with pytest.raises(FileFormatError, match="3 axes.*expected 1"):
        load(tmp_path, "train", classes=4)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match="train-images-idx3-ubyte: cut off"):
        load(tmp_path, "train", classes=4)


def test_idx_folder_with_float_pictures(tmp_path):
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(2, np.uint8))
    x = np.zeros((2, 3, 3), np.float32)
    write_idx(tmp_path / "train-images-idx3-ubyte", x)
    assert load(tmp_path).x.shape == (2, 1, 3, 3)
    x[1, 0, 2] = np.inf
    write_idx(tmp_path / "train-images-idx3-ubyte", x)
    with pytest.raises(DataError, match=r"row 1, column \(0, 0, 2\).*inf"):
        load(tmp_path)


def test_idx_labels_below_zero(tmp_path):
    mnist(tmp_path, ["train"])
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([0, 1, -2, 0, 0, 0], np.int8))
    with pytest.raises(DataError, match="label -2 of row 2.*from 0"):
        load(tmp_path)


# -- CSV -------------------------------------------------------------------------------------


def csv(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1,0.5,2\n0,3,-4e0\n",
        "label,a,b\n1,.5,2\n0,3,-4",
        "a,label,b\n0.5,1,2\n3,0,-4\n",
        "a,b,TARGET\r\n0.5,2,1\r\n3,-4,0\r\n",
        '"class","a","b"\n"1","0.5","2"\n"0","3","-4"\n',
        "\ufeff1,0.5,2\n\n0,3,-4\n\n",
        "label,0,1\n1, 0.5 ,2\n0,3,-4\n",
    ],
)
def test_csv(tmp_path, text):
    data = load(csv(tmp_path, text))
    assert data.x.tolist() == [[0.5, 2], [3, -4]] and data.x.dtype == np.float32
    assert data.y.tolist() == [1, 0] and data.classes == ("0", "1") and data.input_shape == (2,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("\n\n", "no rows"),
        ("label,a\n", "no rows"),
        ("0\n1\n", "one column only"),
        ("0,1\n1,nan\n", "row 2, column 2: nan"),
        ("label,a\n0,1\n1,-inf\n", "row 3, column 2: -inf"),
        ("0,1\nNaN,2\n", "row 2, column 1: NaN"),
        ("0,1\n1,x7\n", "row 2, column 2: 'x7' is not a number"),
        ("0,1\n1,\n", "row 2, column 2: an empty cell"),
        ("0,1\n1,2,3\n", "row 2: 3 cells.*has 2"),
        ("0,1\n1\n", "row 2: 1 cells"),
        ("0,abc\n1,2\n", "row 1, column 2: 'abc'"),
        ("label,target,a\n0,1,2\n", "columns 1, 2"),
        ("0,1\n1,1_0\n", "'1_0' is not a number"),
        ("0,1\n1.5,2\n", "label 1.5 of row 1.*whole"),
        ("0,1\n-1,2\n", "label -1 of row 1"),
        ("0,1\n2000000000,2\n", "label 2000000000.*give classes="),
        ("0,1\n1,1e300\n", "row 2, column 2: 1e300 is too large"),
        ("0,1\0\n", "zero bytes"),
        ("0,1\n1,# 2\n", "'# 2' is not a number"),
    ],
)
def test_csv_problems(tmp_path, text, words):
    path = csv(tmp_path, text)
    with pytest.raises(DataError, match=words) as e:
        load(path)
    assert str(path) in str(e.value)


def test_csv_that_is_no_text(tmp_path):
    with pytest.raises(FileFormatError, match="UTF-8"):
        load(csv(tmp_path, "0,ÿ\n", "latin-1"))


def test_csv_of_pixels(tmp_path):
    path = csv(tmp_path, "1,0,255,7,1,2,3\n0,0,0,0,0,0,9\n")
    data = load(path, input_shape=(1, 2, 3))
    assert data.x.dtype == np.uint8 and data.input_shape == (1, 2, 3)
    assert data[0][0].max() == 1.0
    assert load(path).x.max() == 255 and load(path).x.dtype == np.float32
    with pytest.raises(DataError, match=r"6 values; it cannot become \(1, 2, 2\)"):
        load(path, input_shape=(1, 2, 2))
    # Values 0 and 1 are not taken for nearly black pixels.
    data = load(csv(tmp_path, "0,0,1,0,1\n"), input_shape=(1, 2, 2))
    assert data[0][0].max() == 1.0


def test_regression(tmp_path):
    data = load(csv(tmp_path, "a,target\n1,-2.5\n2,7\n"), task="regression")
    assert data.y.dtype == np.float32 and data.y.tolist() == [-2.5, 7] and data.classes == ()


def test_whole_files_have_no_splits(tmp_path):
    path = csv(tmp_path, "0,1\n")
    assert available_splits(path) == ()
    with pytest.raises(DataError, match="random_split"):
        load(path, "test")


# -- npy and npz -----------------------------------------------------------------------------


def test_npy(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.asfortranarray([[1, 5.5, 6], [0, 7, 8]]))
    assert load(path).x.tolist() == [[5.5, 6], [7, 8]] and load(path).y.tolist() == [1, 0]
    np.save(path, np.array([[1, 2.0], [3, np.nan]], ">f4"))
    with pytest.raises(DataError, match="row 1, column 1.*nan"):
        load(path)
    np.save(path, np.zeros((2, 3, 4)))
    with pytest.raises(DataError, match=r"\(2, 3, 4\) is no table"):
        load(path)


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("X", "y")])
def test_npz(tmp_path, names):
    path = tmp_path / "a.npz"
    x, y = np.arange(24, dtype=np.uint8).reshape(2, 4, 3), np.array([1, 0], np.uint8)
    for save in (np.savez, np.savez_compressed):
        save(path, **dict(zip(names, (x, y), strict=True)))
        data = load(path)
        assert np.array_equal(data.x, x[:, None]) and data.y.tolist() == [1, 0]


def test_npz_with_splits(tmp_path):
    path = tmp_path / "a.npz"
    arrays = dict(
        x_train=np.ones((3, 2)), y_train=[0, 1, 4], x_test=np.zeros((2, 2)), y_test=[0, 1]
    )
    np.savez(path, **arrays)
    assert len(load(path)) == 5 and len(load(path, "train")) == 3
    assert load(path, "test").classes == tuple("01234") and load(path).x.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((3, 2)), [0, 1], "2 labels for 3 inputs"),
        (np.zeros((2, 2)), [[0, 1], [1, 0]], "argmax"),
        (np.zeros((0, 2)), np.zeros(0), "no samples"),
        (np.zeros(2), [0, 1], r"shape \(2,\)"),
        (np.zeros((2, 2), np.complex64), [0, 1], "complex64"),
        (np.zeros((2, 2)), [0.0, np.nan], "label nan of row 1"),
        (np.full((1, 2), 2**40 + 1), [0], "too large for float32"),
        (np.array([["a"]]), [0], "only numbers"),
        (np.array([[0, 0], [0, 1e300]]), [0, 1], r"row 1, column 1 .*1e\+300 is too large for"),
        (np.zeros((3, 2)), [0, 1, 1000], "label is 1000.*1001 classes.*only 3 samples"),
    ],
)
def test_npz_problems(tmp_path, x, y, words):
    np.savez(tmp_path / "a.npz", x=x, y=np.array(y))
    with pytest.raises(DataError, match=words) as e:
        load(tmp_path / "a.npz")
    assert str(tmp_path) in str(e.value)


def test_npz_layouts(tmp_path):
    path = tmp_path / "a.npz"
    for shape, expected in [
        ((2, 8, 9, 3), (3, 8, 9)),
        ((2, 3, 8, 9), (3, 8, 9)),
        ((2, 1, 8, 1), (1, 8, 1)),
    ]:
        np.savez(path, images=np.zeros(shape, np.float32), labels=[0, 1])
        assert load(path).input_shape == expected
    np.savez(path, x=np.zeros((2, 8, 9), np.float32), y=[0, 1])
    assert load(path).input_shape == (8, 9)
    np.savez(path, a=np.zeros(2), b=np.zeros(2))
    with pytest.raises(DataError, match="expected the arrays.*holds a, b"):
        load(path)


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y")])
def test_pixels_mean_the_same_in_every_dtype(tmp_path, names):
    path = tmp_path / "a.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)
    pixels[0, 0, :2] = 0, 255
    wide = pixels.astype(np.uint16) * 257
    for x in (pixels, pixels.astype(np.int64), pixels.astype(np.float32), wide,
              pixels[:, None] / 255):  # fmt: skip
        np.savez(path, **dict(zip(names, (x, [0, 1, 0]), strict=True)))
        data = load(path)
        assert data.input_shape == (1, 4, 5)
        assert np.array_equal(data[:][0], load_pixels(pixels)), x.dtype


def load_pixels(pixels):
    return (pixels[:, None] / np.float64(255)).astype(np.float32)


def test_values_that_are_no_pixels_stay(tmp_path):
    path = tmp_path / "a.npz"
    for low, high in ((-1, 200), (0, 70_000), (0, 1), (0.5, 300)):
        x = np.full((2, 1, 3, 3), low, np.float32)
        x[0, 0, 0, 0] = high
        np.savez(path, images=x, labels=[0, 1])
        assert np.array_equal(load(path).x, x)
    np.savez(path, images=np.full((2, 3, 3), 127.5), labels=[0, 1])
    assert (load(path).x == 0.5).all()


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code from the file ran')",))


def test_pickles_never_run(tmp_path):
    for array in (np.array([Bomb()], dtype=object), np.array([[None]])):
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
        with pytest.raises(FileFormatError, match="run code"):
            load(tmp_path / "a.npy")
        np.savez(tmp_path / "a.npz", x=array, y=array)
        with pytest.raises(FileFormatError, match="run code"):
            load(tmp_path / "a.npz")
    for name in ("b.npy", "b.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(FileFormatError, match="not an"):
            load(tmp_path / name)


def npy(shape="(2, 3)", descr="'<f8'", body=b"\0" * 48, magic=b"\x93NUMPY\1\0"):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + len(magic) + 3) % 64) + b"\n"
    return magic + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUM",
        npy(magic=b"\x93NUMPY\3\0"),
        npy(magic=b"\x93NUMPY\x09\0"),
        npy(body=b"\0" * 47),
        npy(body=b"\0" * 49),
        npy("(1000000000000, 1000000)"),
        npy("(-2, -3)"),
        npy("(2, 'a')"),
        npy("(True, 48)", "'|b1'"),
        npy("(0, 99999999999999999999999)", body=b""),
        npy("__import__('os').getcwd()"),
        npy(descr="'|O'", shape="(6,)"),
        npy(descr="[('a', '<f8'), ('b', '<f8')]", shape="(3,)"),
        npy("(" * 3000),
        npy()[:9] + b"\xff" + npy()[10:],
    ],
)
def test_hostile_npy(tmp_path, memory_below, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with memory_below(4 << 20), pytest.raises(DataError, match=r"a\.npy"):
        load(path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", npy("(2,)", body=b"\0" * 16))
    with pytest.raises(DataError, match=r"a\.npz"):
        load(tmp_path / "a.npz")


def test_hostile_npz(tmp_path):
    path = tmp_path / "a.npz"
    content = io.BytesIO()
    np.savez_compressed(content, x=np.random.default_rng(0).random((50, 4)), y=np.zeros(50))
    whole = content.getvalue()
    for bad in (whole[:-30], whole[:200], whole[:300] + b"\0" * 50 + whole[350:], b"PK\3\4"):
        path.write_bytes(bad)
        with pytest.raises(FileFormatError, match=r"a\.npz"):
            load(path)


def test_npz_bomb(tmp_path, memory_below):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros((1000, 10_000), np.uint8), y=np.zeros(1000))
    with memory_below(4 << 20), pytest.raises(FileFormatError, match="1000000 at most"):
        load(path, max_bytes=1_000_000)


def test_npz_of_one_value_over_and_over(tmp_path, memory_below):
    path = tmp_path / "a.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        file.write(npy("(70, 1048576)", "'|u1'", b""))
        for _ in range(70):
            file.write(bytes(1 << 20))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", npy("(70,)", "'|u1'", bytes(70)))
    with memory_below(4 << 20), pytest.raises(FileFormatError, match="900 times"):
        load(path)


def test_no_parser_objects_in_messages(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy("__import__('os').getcwd()"))
    with pytest.raises(FileFormatError) as e:
        load(tmp_path / "a.npy")
    assert "ast" not in str(e.value).removeprefix(str(tmp_path))


# -- the call itself -------------------------------------------------------------------------


def test_bad_calls(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        load(tmp_path / "none")
    with pytest.raises(DataError, match="neither IDX files"):
        load(tmp_path)
    (tmp_path / "a.txt").write_text("0,1")
    with pytest.raises(DataError, match="'.txt' cannot be read"):
        load(tmp_path / "a.txt")
    with pytest.raises(ArgumentError, match="split must be"):
        load("digits28", "validation")
    with pytest.raises(ArgumentError, match="task must be"):
        load("digits28", task="guess")
    for classes in (0, "abc", ["a", "a"], [], [1, 2]):
        with pytest.raises(ArgumentError, match="classes"):
            load("digits28", classes=classes)


def test_gzipped_name_with_plain_content(tmp_path):
    mnist(tmp_path, ["train"], end=".gz")
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert len(load(tmp_path)) == 6
