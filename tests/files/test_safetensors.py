"""The file format: round trips, exchange with the safetensors package, hostile files."""

import json
import random
from contextlib import suppress

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import DTypeError, FileFormatError
from chainrule.files import read_file, save_file

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]


def example():
    rng = np.random.default_rng(0)
    tensors = {n: cr.tensor(99 * rng.random((3, 5))).to(getattr(cr, n)) for n in DTYPES}
    tensors |= {
        "bool": cr.tensor([True, False]),
        "0-d": cr.tensor(3.5),
        "empty": cr.zeros(0, 7),
        "strided": cr.Tensor(np.arange(12.0).reshape(3, 4)[::2, ::-1].T),
        "array": np.arange(3),
        "big endian": np.arange(3, dtype=">i4"),
        "ä “quoted” \\ \n": cr.ones(1),
        "special": cr.tensor([np.inf, -np.inf, np.nan, -0.0]).to(cr.bfloat16),
    }
    return tensors


def bits(x):
    return np.asarray(x._data if isinstance(x, cr.Tensor) else x).astype("=" + _kind(x)).tobytes()


def _kind(x):
    return (x._data if isinstance(x, cr.Tensor) else x).dtype.str[1:]


def test_round_trip_bit_by_bit(tmp_path):
    tensors = example()
    save_file(tensors, tmp_path / "f", {"note": "α\n", "empty": ""})
    loaded, metadata = read_file(tmp_path / "f")
    assert metadata == {"note": "α\n", "empty": ""}
    assert loaded.keys() == tensors.keys()
    for name, x in tensors.items():
        y = loaded[name]
        assert y.shape == x.shape and bits(x) == bits(y), name
        if isinstance(x, cr.Tensor):
            assert y.dtype is x.dtype
        assert y._data.flags.writeable


def test_the_package_reads_it_and_is_read(tmp_path):
    package = pytest.importorskip("safetensors")
    numpy = pytest.importorskip("safetensors.numpy")
    tensors = {n: x for n, x in example().items() if n not in ("bfloat16", "special")}
    save_file(tensors, tmp_path / "ours", {"a": "b"})
    theirs = numpy.load_file(tmp_path / "ours")
    assert theirs.keys() == tensors.keys()
    for name, x in tensors.items():
        assert bits(x) == theirs[name].tobytes()
    with package.safe_open(tmp_path / "ours", "numpy") as file:
        assert file.metadata() == {"a": "b"}
    more = {"u2": np.array([65535], "u2"), "u4": np.array([2**32 - 1], "u4"), "f": np.ones(3)}
    numpy.save_file(more, tmp_path / "theirs", {"x": "y"})
    loaded, metadata = read_file(tmp_path / "theirs")
    assert metadata == {"x": "y"}
    assert {k: v.tolist() for k, v in loaded.items()} == {k: v.tolist() for k, v in more.items()}


def test_torch_reads_our_bfloat16(tmp_path):
    torch = pytest.importorskip("torch")
    other = pytest.importorskip("safetensors.torch")
    save_file(example(), tmp_path / "f")
    theirs = other.load_file(tmp_path / "f")
    for name in ("bfloat16", "special"):
        assert theirs[name].dtype is torch.bfloat16
        np.testing.assert_array_equal(theirs[name].float().numpy(), example()[name].float().numpy())
    other.save_file(theirs, tmp_path / "g")
    loaded, _ = read_file(tmp_path / "g")
    assert all(bits(loaded[n]) == bits(x) for n, x in example().items())


def test_what_cannot_be_saved(tmp_path):
    bad = [
        ({"a": [1, 2]}, None, DTypeError, "list"),
        ({"a": np.ones(2, complex)}, None, DTypeError, "complex128"),
        ({"a": np.array(["x"])}, None, DTypeError, "U1"),
        ({1: np.ones(2)}, None, ValueError, "1"),
        ({"__metadata__": np.ones(2)}, None, ValueError, "__metadata__"),
        ({"a": np.ones(2)}, {"epoch": 3}, ValueError, "strings"),
        ({"\ud800": np.ones(2)}, None, ValueError, "Unicode"),
    ]
    for tensors, metadata, kind, says in bad:
        with pytest.raises(kind, match=says):
            save_file(tensors, tmp_path / "f", metadata)
    assert list(tmp_path.iterdir()) == []


# ---- hostile files --------------------------------------------------------------------------


def build(header, data=b"", n=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if n is None else n).to_bytes(8, "little") + text + data


def entry(shape=(2,), offsets=(0, 8), dtype="F32", **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)} | more


EIGHT = bytes(8)
HOSTILE = {
    "empty": b"",
    "short": b"\x02\0\0",
    "length over the file": build(b"{}", n=3),
    "length negative": build(b"{}", n=2**64 - 1),
    "header over the limit": build(b"{}", n=100_000_001),
    "not JSON": build(b"{nope}"),
    "not UTF-8": build(b'{"\xff": 1}'),
    "a list": build([1]),
    "a number": build(b"7"),
    "deep": build(b"[" * 10**6),
    "long number": build(b'{"a": ' + b"9" * 10**5 + b"}"),
    "NaN": build(b'{"__metadata__": {"a": NaN}}'),
    "bytes after the end": build({}, b"x"),
    "truncated": build({"a": entry()}, bytes(7)),
    "too long": build({"a": entry()}, bytes(9)),
    "a gap": build({"a": entry(offsets=(4, 12))}, bytes(12)),
    "overlap": build({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
    "the same place": build({"a": entry(), "b": entry()}, EIGHT),
    "a backward range": build({"a": entry(offsets=(8, 0))}, EIGHT),
    "shape and size": build({"a": entry((3,))}, EIGHT),
    "huge shape": build({"a": entry((2**40, 2**40))}, EIGHT),
    "overflowing shape": build({"a": entry((2**32, 2**32), (0, 0))}),
    "huge and empty": build({"a": entry((0, 2**63 - 1, 2**63 - 1), (0, 0))}),
    "beyond 64 bits": build({"a": entry((0, 2**70), (0, 0))}),
    "many axes": build({"a": entry((1,) * 65, (0, 4))}, bytes(4)),
    "negative size": build({"a": entry((-1, -2))}, EIGHT),
    "size as float": build({"a": entry((2.0,))}, EIGHT),
    "size as bool": build({"a": entry((True, 2))}, EIGHT),
    "shape as text": build({"a": entry() | {"shape": "2"}}, EIGHT),
    "three offsets": build({"a": entry(offsets=(0, 4, 8))}, EIGHT),
    "unknown dtype": build({"a": entry((8,), dtype="F8_E4M3")}, EIGHT),
    "dtype as list": build({"a": entry(dtype=["F32"])}, EIGHT),
    "another key": build({"a": entry(extra=1)}, EIGHT),
    "a missing key": build({"a": {"dtype": "F32", "shape": [2]}}, EIGHT),
    "no object": build({"a": 3}),
    "bad metadata": build({"__metadata__": {"a": 1}}),
    "metadata as list": build({"__metadata__": ["a"]}),
    "bad truth": build({"a": entry((8,), dtype="BOOL")}, b"\0\1\2\0\0\0\0\0"),
    "twice": build(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2), EIGHT),
    "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x08builtins\x94.",
    "zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused(kind, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(FileFormatError, match=r"model\.safetensors is no intact"):
        read_file(path)


def test_a_valid_file_built_by_hand(tmp_path):
    content = {"a": entry((1,), (8, 12)), "b": entry(), "__metadata__": {}}
    (tmp_path / "f").write_bytes(build(content, np.arange(3, dtype="<f4").tobytes()))
    loaded, _ = read_file(tmp_path / "f")
    assert loaded["a"].tolist() == [2] and loaded["b"].tolist() == [0, 1]


def test_a_header_that_promises_much_allocates_nothing(tmp_path, memory_below):
    path = tmp_path / "f"
    path.write_bytes(build({"a": entry((2**34,), (0, 2**36))}, EIGHT))
    with memory_below(10**6), pytest.raises(FileFormatError):
        read_file(path)


def test_random_damage_never_escapes(tmp_path):
    # Without a checksum a changed value cannot be noticed; anything else must be refused cleanly.
    save_file(example(), tmp_path / "f", {"a": "b"})
    whole = (tmp_path / "f").read_bytes()
    draw = random.Random(0)
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            damaged[draw.randrange(1500)] = draw.randrange(256)
        (tmp_path / "g").write_bytes(damaged)
        with suppress(FileFormatError):
            read_file(tmp_path / "g")


def test_big_tensors_are_streamed(tmp_path, memory_below):
    big = np.ones(5_000_000, np.float32)
    half = cr.Tensor(big, cr.bfloat16)
    with memory_below(15 * 10**6):
        save_file({"a": big, "b": half}, tmp_path / "f")
    assert (tmp_path / "f").stat().st_size == pytest.approx(30_000_000, abs=999)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        save_file({}, tmp_path / "none" / "f")
    save_file({}, tmp_path / "f")
    assert read_file(tmp_path / "f") == ({}, {})
