"""PyTorch's files: everything that torch.save writes of plain data, and everything else refused."""

import io
import pickle
import random
import re
import struct
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import FileFormatError
from chainrule.files import is_torch_file, load_torch

KINDS = ["zip", "legacy"]


@pytest.fixture(params=KINDS)
def written(request, torch, tmp_path):
    """`written(obj)`: the path of a file that PyTorch saved it in, one kind after the other."""

    def write(obj, **options):
        path = tmp_path / "f.pt"
        torch.save(
            obj, path, _use_new_zipfile_serialization=request.param == "zip", **options
        )  # fmt: skip
        assert is_torch_file(path)
        return path

    return write


def bits(x):
    return x.detach()._data.tobytes()


# ---- what PyTorch writes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
     "bool"],
)  # fmt: skip
def test_every_dtype_bit_by_bit(written, torch, name):
    x = torch.arange(12).reshape(3, 4).sub(5).to(getattr(torch, name))
    y = load_torch(written({"x": x, "0-d": x[1, 2], "empty": x[:0]}))
    assert y["x"].dtype.name == name and y["x"].shape == (3, 4) and y["empty"].shape == (0, 4)
    assert y["x"].tolist() == x.tolist() and y["0-d"].tolist() == x[1, 2].tolist()
    assert y["x"]._data.flags.writeable


def test_unsigned_integers_become_the_next_wider(written, torch):
    y = load_torch(written([torch.tensor([65535], dtype=torch.uint16),
                            torch.tensor([2**32 - 1], dtype=torch.uint32)]))  # fmt: skip
    assert [x.tolist() for x in y] == [[65535], [2**32 - 1]]
    assert [x.dtype for x in y] == [cr.int32, cr.int64]


def test_strides_offsets_and_shared_storages(written, torch):
    base = torch.arange(60.0).reshape(3, 4, 5)
    views = {
        "base": base, "transposed": base.permute(2, 0, 1), "slice": base[1:, ::2, 3],
        "channels last": torch.arange(24.0).reshape(1, 2, 3, 4).to(
            memory_format=torch.channels_last),
        "expanded": torch.tensor([[7.0]]).expand(2, 3), "parameter": torch.nn.Parameter(base[0]),
    }  # fmt: skip
    ours = load_torch(written(views))
    for name, x in views.items():
        np.testing.assert_array_equal(ours[name].detach().numpy(), x.detach().numpy())
        assert ours[name].stride() == x.stride(), name
        assert ours[name].requires_grad == x.requires_grad
    ours["base"]._data[1, 2, 3] = -1
    assert ours["slice"][0, 1].item() == -1  # still one memory, as in PyTorch


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nested_data_comes_back(written, torch, protocol):
    shared = [1, 2]
    obj = OrderedDict(
        a=[1, -(10**30), 2.5, float("inf"), True, None, "ü\n", ()], b={"x": (3, (4,)), 5: "6"},
        size=torch.Size([2, 3]), dtype=torch.bfloat16, one=shared, two=shared, t=torch.ones(2),
    )  # fmt: skip
    ours = load_torch(written(obj, pickle_protocol=protocol))
    tensor, dtype = ours.pop("t"), ours.pop("dtype")
    del obj["t"], obj["dtype"]
    assert ours == obj and type(ours) is OrderedDict
    assert ours["one"] is ours["two"] and isinstance(ours["size"], cr.Size)
    assert tensor.tolist() == [1, 1] and dtype is cr.bfloat16


def test_checkpoints_of_a_training_move_over(written, torch):
    theirs = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 4)).double()
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.1)
    x = torch.randn(5, 3).double()
    theirs(x).square().sum().backward()
    optimizer.step()
    state = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    ours = load_torch(written(state))
    model = cr.nn.Sequential(cr.nn.BatchNorm1d(3), cr.nn.Linear(3, 4)).double()
    assert ours["model"]._metadata["0"] == {"version": 2}
    model.load_state_dict(ours["model"])
    again = cr.optim.Adam(model.parameters(), lr=0.5)
    again.load_state_dict(ours["optimizer"])
    assert ours["epoch"] == 3 and again.param_groups[0]["lr"] == 0.1
    for _ in range(2):
        for m, o in ((theirs, optimizer), (model, again)):
            o.zero_grad()
            m(x if m is theirs else cr.tensor(x.numpy())).square().sum().backward()
            o.step()
    for p, q in zip(model.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-9)


# ---- what is refused --------------------------------------------------------------------------


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


def foreign(torch):
    return {
        "builtins.print|__builtin__.print": Evil(),
        "collections.Counter": Counter("ab"),
        "torch.nn.modules.linear.Linear": torch.nn.Linear(1, 1),
        "_codecs.encode": b"bytes",
        "torch.complex64|ComplexFloatStorage": torch.ones(1, dtype=torch.complex64),
        "uint64": torch.ones(1, dtype=torch.uint64),
        "_rebuild_sparse_tensor": torch.eye(2).to_sparse(),
        "torch.device": torch.device("cpu"),
        "builtins.set|__builtin__.set": {1, 2},
        "numpy": np.float64(1.0),
    }


def test_anything_else_is_refused_by_name(written, torch, capsys):
    for name, obj in foreign(torch).items():
        path = written({"x": obj})
        with pytest.raises(FileFormatError, match=f"f.pt cannot be read.*({name})") as caught:
            load_torch(path)
        assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def archive(data, members=(), byteorder=b"little", compression=zipfile.ZIP_STORED):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", compression) as z:
        for name, content in [("data.pkl", data), ("byteorder", byteorder), *members]:
            z.writestr("a/" + name, content)
    return raw.getvalue()


def described(
    count=4, offset=0, shape=(4,), strides=(1,), kind="FloatStorage", key="0", part=None
):  # fmt: skip
    """The pickle of one tensor, by hand; `part` of its storage: (name, begin, elements)."""
    head = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
    part = b"" if part is None else pickle.dumps(part, 2)[2:-1]
    storage = pickle.dumps(key, 2)[2:-1] + pickle.dumps("cpu", 2)[2:-1]
    rest = b"".join(pickle.dumps(x, 2)[2:-1] for x in (offset, shape, strides, False))
    return (
        head + kind.encode() + b"\n" + storage + pickle.dumps(count, 2)[2:-1] + part + b"tQ" + rest
        + b"ccollections\nOrderedDict\n)RtR."
    )  # fmt: skip


def legacy(data, numbers=(4,), keys=("0",), content=bytes(16), little=True):
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {}}
    parts = [0x1950A86A20F9469CFC6C, 1001, system]
    out = b"".join(pickle.dumps(p, 2) for p in parts) + data + pickle.dumps(list(keys), 2)
    return out + b"".join(struct.pack("<Q", n) for n in numbers) + content


FLOATS = np.arange(4, dtype="<f4").tobytes()
MEMBER = [("data/0", FLOATS)]


def test_files_by_hand(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(archive(described(), MEMBER))
    assert load_torch(path).tolist() == [0, 1, 2, 3]
    path.write_bytes(legacy(described(offset=1, shape=(2,), strides=(2,)), content=FLOATS))
    assert load_torch(path).tolist() == [1, 3]
    path.write_bytes(legacy(described(shape=(2,), part=("v", 2, 2)), content=FLOATS))
    assert load_torch(path).tolist() == [2, 3]


HUGE = 2**62
HOSTILE = {
    "empty": (b"", "does not begin"),
    "text": (b"hello", "does not begin"),
    "tar": (bytes(257) + b"ustar" + bytes(300), "tar format"),
    "an ordinary pickle": (pickle.dumps({"a": 1}), "does not begin"),
    "big-endian zip": (archive(described(), MEMBER, b"big"), "big-endian"),
    "big-endian": (legacy(described(), little=False), "big-endian"),
    "not zip": (b"PK\x03\x04" + bytes(100), "archive is damaged"),
    "no object": (archive(described())[:40], "archive is damaged"),
    "no storage": (archive(described()), "lacks 'data/0'"),
    "short storage": (archive(described(), [("data/0", b"abc")]), "needs 16 bytes.*has 3"),
    "bomb": (archive(described(), [("data/0", bytes(16))], compression=zipfile.ZIP_DEFLATED),
             "compressed"),
    "a path": (archive(described(key="../0"), MEMBER), "lacks 'data/../0'"),
    "claimed elements": (archive(described(HUGE), MEMBER), "needs"),
    "claimed elements, legacy": (legacy(described(), numbers=(HUGE,)), "of which the file holds"),
    "storage not there": (legacy(described(), numbers=(), keys=()), "is missing"),
    "storage of nothing": (legacy(described(), keys=("0", "1")), "belongs to no tensor"),
    "shape": (archive(described(shape=(5,)), MEMBER), "reaches element 4"),
    "stride": (archive(described(strides=(2,)), MEMBER), "reaches element 6"),
    "part": (legacy(described(shape=(2,), part=("v", 3, 2)), content=FLOATS), "needs 20 bytes"),
    "offset": (archive(described(offset=HUGE), MEMBER), "reaches"),
    "overflow": (archive(described(shape=(HUGE,) * 2, strides=(HUGE,) * 2), MEMBER), "reaches"),
    "expanded": (archive(described(shape=(HUGE,) * 3, strides=(0,) * 3), MEMBER), "no tensor can"),
    "axes": (archive(described(shape=(1,) * 65, strides=(0,) * 65), MEMBER), "at most 64"),
    "negative stride": (archive(described(offset=3, strides=(-1,)), MEMBER), "natural numbers"),
    "float shape": (archive(described(shape=(4.0,)), MEMBER), "natural numbers"),
    "more strides": (archive(described(strides=(1, 1)), MEMBER), "not described"),
    "truth values": (archive(described(shape=(4,), kind="BoolStorage"), [("data/0", b"\0\1\2\0")]),
                     "truth values"),
    "dtype": (archive(described(kind="ComplexFloatStorage"), MEMBER), "ComplexFloatStorage"),
    "call": (archive(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."), "os.system"),
    "stack global": (archive(b"\x80\x04\x8c\x02os\x8c\x06system\x93."), "os.system"),
    "object": (archive(b"\x80\x02cmain\nNet\n)\x81."), "main.Net"),
    "instance": (archive(b"(ios\nsystem\n."), "INST"),
    "extension": (archive(b"\x80\x02\x82\x01."), "EXT1"),
    "a name": (archive(b"ctorch\nFloatStorage\n."), "by itself"),
    "persistent": (archive(b"X\x01\0\0\0aQ."), "outside the pickle"),
    "module": (archive(b"(X\x06\0\0\0moduleNNNtQ."), "'module' outside"),
    "call of a text": (archive(b"X\x01\0\0\0a)R."), "calls str"),
    "build": (archive(b"]}X\x01\0\0\0aNsb."), "attributes to list"),
    "attributes": (archive(b"ccollections\nOrderedDict\n)R}X\x01\0\0\0aNsb."), "only _metadata"),
    "nothing": (archive(b"."), "nothing to work on"),
    "no end": (archive(b"]"), "damaged"),
    "no mark": (archive(b"]e."), "damaged"),
    "memo": (archive(b"h\x07."), "damaged"),
    "append": (archive(b"}Na."), "appends to dict"),
    "list as key": (archive(b"}]Ns."), "key of a dict is list"),
    "deep key": (archive(b"})" + b"\x85" * 9 + b"Ns."), "key of a dict is tuple"),
    "odd items": (archive(b"}(Nu."), "sets items"),
    "long text": (archive(b"\x8d" + struct.pack("<Q", HUGE) + b"a."), "damaged"),
    "long number": (archive(b"\x8b\xff\xff\xff\x7f1."), "damaged"),
    "long line": (archive(b"I" + b"9" * 5000 + b"\n."), "damaged"),
    "deep": (archive(b"]" * 20_000 + b"a" * 19_999 + b"."), "nested more than 100"),
    "deep tuples": (archive(b")" + b"\x85" * 20_000 + b"."), "nested more than 100"),
    "long key": (archive(b"}(" + b"N" * 99 + b"tNs."), "key of a dict is tuple"),
    "large key": (archive(b"}\x8a\x20" + bytes(31) + b"\1Ns."), "key of a dict is int"),
    "cycle": (archive(b"]q\0h\0a."), "contains itself"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_words(tmp_path, memory_below, name):
    content, message = HOSTILE[name]
    path = tmp_path / "f"
    path.write_bytes(content)
    with memory_below(200 * len(content) + 2_000_000), pytest.raises(FileFormatError) as caught:
        load_torch(path)
    assert "f cannot be read as a PyTorch file" in str(caught.value)
    assert re.search(message, str(caught.value)), str(caught.value)


def test_laughs_in_their_billions_stay_small(tmp_path):
    data = b"](NNNNNNNNNNe"
    for i in range(60):  # each list holds the one before ten times
        data += b"q%c](" % i + b"h%c" % i * 10 + b"e"
    path = tmp_path / "f"
    path.write_bytes(archive(data + b"."))
    x = load_torch(path)
    for _ in range(60):
        assert len(x) == 10 and x[0] is x[9]
        x = x[0]


def test_one_storage_with_two_counts_is_not_overrun(tmp_path):
    small = described(count=1, shape=(1,))[2:-1]
    for data in (
        b"(" + small + described()[2:-1] + b"t.",
        b"(" + described()[2:-1] + small + b"t.",
    ):
        path = tmp_path / "f"
        path.write_bytes(archive(data, [("data/0", FLOATS[:4])]))
        with pytest.raises(FileFormatError, match="needs"):
            load_torch(path)


@pytest.mark.parametrize("make", [archive, legacy], ids=KINDS)
def test_damaged_files_never_do_anything_but_refuse(tmp_path, make):
    whole = make(described(), MEMBER) if make is archive else make(described(), content=FLOATS)
    path = tmp_path / "f"
    draw = random.Random(0)
    refused = 0
    for i in range(600):
        damaged = bytearray(whole[: i % len(whole)] if i < len(whole) else whole)
        for _ in range(draw.randrange(1, 4) if i >= len(whole) // 2 else 0):
            if damaged:
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            load_torch(path)
        except FileFormatError:
            refused += 1
    assert refused > 300


# ---- chainrule.save and chainrule.load --------------------------------------------------------


def test_programs_save_and_load_as_with_pytorch(tmp_path, written, torch):
    model = cr.nn.Linear(2, 3)
    cr.save({"model": model.state_dict(), "epoch": 2}, tmp_path / "ours.pt")
    state = cr.load(tmp_path / "ours.pt", map_location="cpu", weights_only=True)
    assert state["epoch"] == 2
    again = cr.nn.Linear(2, 3)
    again.load_state_dict(state["model"])
    assert (again.weight == model.weight).all()
    theirs = torch.nn.Linear(2, 3)
    again.load_state_dict(cr.load(written(theirs.state_dict())))
    np.testing.assert_array_equal(again.weight.detach().numpy(), theirs.weight.detach().numpy())
    with pytest.raises(cr.ChainruleError, match="Linear, which a checkpoint cannot hold"):
        cr.save(model, tmp_path / "model.pt")


def test_a_short_pickle_cannot_copy_a_long_list(tmp_path, memory_below):
    pairs = b"](" + b"NN\x86" * 2000 + b"e"  # keys may be None
    data = b"(" + b"ccollections\nOrderedDict\nq\0" + pairs + b"\x85q\1" + b"h\0h\1R" * 5000 + b"t."
    path = tmp_path / "f"
    path.write_bytes(archive(data))
    with memory_below(20_000_000), pytest.raises(FileFormatError, match="copies more"):
        load_torch(path)
    path.write_bytes(archive(b"ccollections\nOrderedDict\n](NN\x86e\x85R."))
    assert load_torch(path) == {None: None}  # as Python 2 wrote them
    shared = b"](" + b"N" * 50_000 + b"eq\0"  # every visit of it must not look at all of it
    path.write_bytes(archive(b"(" + shared + b"h\0" * 50_000 + b"t."))
    assert len(load_torch(path)) == 50_001
