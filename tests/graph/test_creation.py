"""Creation, the dtypes it chooses, and promotion: PyTorch's rules."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.dtypes import ALL
from chainrule.base.errors import ChainruleError, DTypeError, ShapeError

NAMES = [d.name for d in ALL]

DATA = {
    "int": "m.tensor(3)",
    "float": "m.tensor(3.5)",
    "bool": "m.tensor(True)",
    "list of ints": "m.tensor([1, 2])",
    "ints and floats": "m.tensor([1, 2.5])",
    "bools and ints": "m.tensor([True, 2])",
    "nested": "m.tensor([[1.0, 2.0], [3.0, 4.0]])",
    "empty": "m.tensor([])",
    "empty rows": "m.tensor([[], []])",
    "tuple": "m.tensor((1, 2, 3))",
    "array float64": "m.tensor(np.array([1.0, 2.0]))",
    "array float32": "m.tensor(np.array([1, 2], np.float32))",
    "array int16": "m.tensor(np.array([1, 2], np.int16))",
    "numpy number": "m.tensor(np.float64(1.5))",
    "dtype given": "m.tensor([1.7, -1.7], dtype=m.int64)",
    "to bool": "m.tensor([0.0, 0.5], dtype=m.bool)",
    "zeros": "m.zeros(2, 3)",
    "zeros of a tuple": "m.zeros((2, 3))",
    "zeros of nothing": "m.zeros(())",
    "ones int": "m.ones(2, dtype=m.int32)",
    "full int": "m.full((2,), 7)",
    "full float": "m.full((2,), 7.0)",
    "full bool": "m.full((2,), True)",
    "arange": "m.arange(5)",
    "arange float": "m.arange(0.0, 1.0, 0.25)",
    "arange step": "m.arange(5, 0, -2)",
    "arange mixed": "m.arange(0, 2, 0.5)",
    "linspace": "m.linspace(0, 1, 5)",
    "linspace of one": "m.linspace(2, 3, 1)",
    "logspace": "m.logspace(0, 2, 3)",
    "eye": "m.eye(2, 3)",
    "zeros_like": "m.zeros_like(m.ones(2, dtype=m.int8))",
    "full_like": "m.full_like(m.ones(2), 3)",
    "full_like dtype": "m.full_like(m.ones(2), 3, dtype=m.int64)",
    "new_zeros": "m.ones(2, dtype=m.float64).new_zeros(3)",
    "new_tensor": "m.ones(2, dtype=m.float64).new_tensor([1])",
    "half": "m.tensor([1.0, 65519.0, 1e-8]).half()",
    "bfloat16": "m.tensor([1.0, 3.14159265, 1e38]).bfloat16().float()",
    "long": "m.tensor([1.9, -1.9]).long()",
    "byte": "m.tensor([3.0, 250.0]).byte()",
    "to": "m.tensor([1, 2]).to(m.float64)",
    "ragged": "m.tensor([[1, 2], [3]])",
    "text": "m.tensor('three')",
    "none": "m.tensor(None)",
    "negative size": "m.zeros(-1)",
    "arange away": "m.arange(0, 5, -1)",
}


@pytest.mark.parametrize("source", DATA.values(), ids=DATA.keys())
def test_creation_is_pytorchs(source, agree):
    agree(lambda m: eval(source, {"m": m, "np": np}))


def test_the_defaults_without_asking_pytorch():
    assert cr.tensor([1.5]).dtype is cr.float32
    assert cr.tensor([1]).dtype is cr.int64
    assert cr.tensor([True]).dtype is cr.bool
    assert cr.tensor(np.zeros(2)).dtype is cr.float64
    assert cr.zeros(2).dtype is cr.float32 and cr.arange(3).dtype is cr.int64


def test_the_default_dtype_can_be_chosen():
    cr.set_default_dtype(cr.float64)
    try:
        assert cr.tensor(1.5).dtype is cr.float64 and cr.zeros(1).dtype is cr.float64
        assert (cr.tensor(1) * 1.5).dtype is cr.float64
        with pytest.raises(DTypeError, match="floating point"):
            cr.set_default_dtype(cr.int64)
    finally:
        cr.set_default_dtype(cr.float32)


def test_tensor_copies_and_from_numpy_shares():
    array = np.zeros(3, np.float32)
    copy, shared, wrapped = cr.tensor(array), cr.from_numpy(array), cr.as_tensor(array)
    array[0] = 5
    assert copy.tolist() == [0, 0, 0]
    assert shared.tolist() == wrapped.tolist() == [5, 0, 0]
    shared[1] = 7
    assert array.tolist() == [5, 7, 0]
    assert np.shares_memory(shared.numpy(), array)


def test_a_dtype_without_counterpart_is_refused_by_name():
    with pytest.raises(DTypeError, match="complex128"):
        cr.tensor(np.zeros(2, np.complex128))
    with pytest.raises(DTypeError, match="Unknown dtype 'float31'"):
        cr.zeros(2, dtype="float31")
    with pytest.raises(ShapeError, match="equal lengths"):
        cr.tensor([[1, 2], [3]])


# ---- promotion ------------------------------------------------------------------------------


def operands(m, a, b):
    """A tensor of dtype a with dims, without dims, against b as tensor, 0-d tensor."""
    full, number = m.ones(2, dtype=getattr(m, a)), m.ones((), dtype=getattr(m, a))
    other, point = m.ones(2, dtype=getattr(m, b)), m.ones((), dtype=getattr(m, b))
    return [(full, other), (full, point), (number, other), (number, point)]


def dtype_of(f, m):
    try:
        return str(getattr(f().dtype, "name", f().dtype)).removeprefix("torch.")
    except (RuntimeError, TypeError):
        return "raises"


@pytest.mark.parametrize("a", NAMES)
def test_promotion_of_every_pair_of_dtypes(a, torch):
    for b in NAMES:
        for i, (mine, theirs) in enumerate(
            zip(operands(cr, a, b), operands(torch, a, b), strict=True)
        ):
            for op in ("__add__", "__mul__", "__truediv__", "__eq__"):
                got = dtype_of(lambda: getattr(mine[0], op)(mine[1]), cr)  # noqa: B023
                want = dtype_of(lambda: getattr(theirs[0], op)(theirs[1]), torch)  # noqa: B023
                assert got == want, f"{a} {op} {b}, form {i}: {got}, PyTorch {want}"


@pytest.mark.parametrize("a", NAMES)
def test_promotion_with_python_numbers(a, torch):
    for number in (True, 3, 2.5):
        for shape in ((), (2,)):
            for op in ("__add__", "__radd__", "__mul__", "__truediv__", "__rtruediv__",
                       "__rsub__", "__lt__"):  # fmt: skip
                x, y = (m.ones(shape, dtype=getattr(m, a)) for m in (cr, torch))
                got = dtype_of(lambda: getattr(x, op)(number), cr)  # noqa: B023
                want = dtype_of(lambda: getattr(y, op)(number), torch)  # noqa: B023
                # PyTorch refuses to subtract booleans.
                assert want in (got, "raises"), f"{a}{shape} {op} {number!r}: {got}, PyTorch {want}"


def test_promote_types_is_the_table(torch):
    for a in NAMES:
        for b in NAMES:
            mine = cr.promote_types(getattr(cr, a), getattr(cr, b)).name
            theirs = torch.promote_types(getattr(torch, a), getattr(torch, b))
            assert mine == str(theirs).removeprefix("torch."), (a, b)


def test_a_number_does_not_widen_a_tensor():
    assert (cr.ones(2, dtype=cr.float16) * 2.5).dtype is cr.float16
    assert (cr.ones(2, dtype=cr.uint8) + 300).dtype is cr.uint8
    assert (cr.ones(2, dtype=cr.int64) * 2.5).dtype is cr.float32
    assert (cr.ones(2, dtype=cr.bfloat16) + cr.ones(2, dtype=cr.float16)).dtype is cr.float32


def test_gradients_come_back_in_the_dtype_of_each_input():
    x = cr.ones(2, dtype=cr.float16, requires_grad=True)
    y = cr.ones(2, dtype=cr.float64, requires_grad=True)
    b = cr.ones(2, dtype=cr.bfloat16, requires_grad=True)
    (x * y * b).sum().backward()
    assert (x.grad.dtype, y.grad.dtype, b.grad.dtype) == (cr.float16, cr.float64, cr.bfloat16)


def test_bfloat16_rounds_as_pytorch_does(torch):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    edge = np.array([0x3F808000, 0x3F818000, 0x7F7FFFFF, 0x00000001, 0x80000001, 0x7F800000,
                     0xFF800000, 0x3F7FFFFF, 0x007FFFFF, 0x3F80FFFF], np.uint32)  # fmt: skip
    values = np.concatenate([bits, edge]).view(np.float32)
    mine = cr.tensor(values).bfloat16().float().numpy()
    theirs = torch.from_numpy(values).bfloat16().float().numpy()
    same = (mine.view(np.uint32) == theirs.view(np.uint32)) | (np.isnan(mine) & np.isnan(theirs))
    assert same.all(), values[~same][:5]


def test_a_bfloat16_tensor_holds_only_bfloat16_values():
    x = cr.tensor([1.0, 2.0], dtype=cr.bfloat16)
    grown = [x + 0.001, x.clone().add_(0.001), x.exp(), x.sum(), x.reshape(2, 1) @ x.reshape(1, 2)]
    x[0] = 3.14159
    for y in (*grown, x, x.clone(), x[cr.tensor([0])], cr.cat([x, x]), cr.stack([x, x])):
        assert y.dtype is cr.bfloat16
        assert y.float().bfloat16().tolist() == y.tolist()
        assert not (y._data.view(np.uint32) & 0xFFFF).any()


# ---- numbers in and out ---------------------------------------------------------------------


def test_numpy_and_tensors_mix_in_either_order():
    array, x = np.array([1.0, 2.0]), cr.tensor([10.0, 20.0], dtype=cr.float64, requires_grad=True)
    for y in (array + x, x + array, array * x, x - array, array @ x, np.float64(2.0) * x):
        assert isinstance(y, cr.Tensor) and y.requires_grad
    assert (array - x).tolist() == [-9, -18]
    assert np.asarray(x.detach()).tolist() == [10, 20]
    assert np.add(array, 1).sum() == 5
    with pytest.raises(ChainruleError, match="detach"):
        np.asarray(x)


def test_item_bool_len_index_and_format(agree):
    agree(
        lambda m: [
            m.tensor(3).item(),
            m.tensor([2.5]).item(),
            float(m.tensor(2.5)),
            int(m.tensor(7)),
        ]
    )
    agree(lambda m: bool(m.tensor([1, 2])))
    agree(lambda m: m.tensor([1, 2]).item())
    agree(lambda m: len(m.tensor(1)))
    agree(lambda m: [len(m.zeros(3, 2)), [v.item() for v in m.tensor([1, 2])]])
    agree(lambda m: [10, 20, 30][m.tensor(1)])
    agree(lambda m: [10, 20, 30][m.tensor(1.0)])
    agree(lambda m: f"{m.tensor(3.14159):.2f}")
    agree(lambda m: list(m.tensor(1)))
    agree(lambda m: [m.tensor([1, 2]) == m.tensor([1, 3]), 2 in m.tensor([1, 2])])
