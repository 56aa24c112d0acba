"""IDX files: round trips, and files that lie."""

import gzip
import struct

import numpy as np
import pytest

from chainrule.base.errors import DTypeError, FileFormatError
from chainrule.data import read_idx, write_idx

U8, I16, F64 = 0x08, 0x0B, 0x0E


def header(code, *shape, rank=None):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape) if rank is None else rank, *shape)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(), (5,), (0,), (2, 3, 4), (1, 2, 0, 3), (1, 2, 1, 2, 1, 2)])
@pytest.mark.parametrize("name", ["a-ubyte", "a-ubyte.gz"])
def test_round_trip(tmp_path, dtype, shape, name):
    array = (np.random.default_rng(0).random(shape) * 100 - 20).astype(dtype)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == array.dtype and back.dtype.isnative and back.shape == shape
    assert np.array_equal(back, array)
    first = (tmp_path / name).read_bytes()
    write_idx(tmp_path / name, array)
    assert (tmp_path / name).read_bytes() == first


def test_known_bytes(tmp_path):
    path = tmp_path / "known"
    path.write_bytes(header(I16, 2, 2) + bytes([0, 1, 255, 255, 1, 0, 128, 0]))
    assert read_idx(path).tolist() == [[1, -1], [256, -32768]]
    write_idx(path, np.array([[1, -1]], ">i2"))
    assert path.read_bytes() == header(I16, 1, 2) + b"\0\1\xff\xff"


def test_a_result_can_be_changed(tmp_path):
    write_idx(tmp_path / "a", np.zeros(3, np.uint8))
    read_idx(tmp_path / "a")[0] = 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "nothing"),
        (b"\0\0", "00 00"),
        (b"\x89PNG....", "89 50 4e 47"),
        (header(0x0A, 1) + b"a", "not an IDX file"),
        (b"\1" + header(U8, 1)[1:] + b"a", "not an IDX file"),
        (header(U8, 3, rank=2), "cut off within the header: 2 axes need 12 bytes, found 8"),
        (header(U8, 2, 3) + b"abcde", r"cut off: .*\(2, 3\) of uint8, 18 bytes.*there are 17"),
        (header(F64, 2) + b"a" * 15, "cut off"),
        (header(U8, 2, 3) + b"abcdefg", "too long|bytes follow"),
        (header(U8, rank=255) + b"\0" * 1020, "255 axes"),
        (header(U8, 0, 2**32 - 1, 2**32 - 1, 2**32 - 1), "impossible shape"),
    ],
)
def test_bad_content(tmp_path, pack, content, words):
    path = tmp_path / "bad"
    path.write_bytes(pack(content))
    with pytest.raises(FileFormatError, match=words) as e:
        read_idx(path)
    assert str(path) in str(e.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(2**32 - 1,), (60_000, 2**31, 2**31), (2**32 - 1,) * 60])
def test_an_absurd_size_allocates_nothing(tmp_path, memory_below, pack, shape):
    path = tmp_path / "huge"
    path.write_bytes(pack(header(F64, *shape) + b"x" * 100))
    with memory_below(1 << 20), pytest.raises(FileFormatError, match="header announces"):
        read_idx(path)


def test_gzip_bomb(tmp_path, memory_below):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(U8, 10) + bytes(100_000_000), 9))
    with memory_below(4 << 20), pytest.raises(FileFormatError, match="bytes follow"):
        read_idx(path)


def test_max_bytes(tmp_path):
    path = tmp_path / "zeros.gz"
    write_idx(path, np.zeros(1_000_000, np.uint8))
    assert read_idx(path).shape == (1_000_000,)
    with pytest.raises(FileFormatError, match="1000 at most"):
        read_idx(path, max_bytes=1000)


def test_damaged_gzip(tmp_path):
    path = tmp_path / "a.gz"
    noise = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8)
    write_idx(path, noise)
    whole = path.read_bytes()
    damages = {
        "cut": whole[:-200],
        "cut in the check sum": whole[:-6],
        "check sum": whole[:-8] + b"\0\0\0\0" + whole[-4:],
        "middle": whole[:2000] + bytes([whole[2000] ^ 0x55]) + whole[2001:],
        "header": whole[:5],
        "tail": whole + b"rubbish",
    }
    for name, content in damages.items():
        path.write_bytes(content)
        with pytest.raises(FileFormatError) as e:
            read_idx(path)
        assert str(path) in str(e.value), name


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "a"
    whole = header(U8, 3, 4) + bytes(range(12))
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(FileFormatError):
            read_idx(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


@pytest.mark.parametrize("dtype", ["i8", "u2", "f2", "?", "c8"])
def test_types_that_idx_lacks(tmp_path, dtype):
    with pytest.raises(DTypeError, match="astype"):
        write_idx(tmp_path / "a", np.zeros(2, dtype))
    assert not list(tmp_path.iterdir())
