"""What tensors and dtypes say of themselves; the one device; grids and windows."""

import numpy as np
import pytest

import chainrule as cr


def test_limits_of_dtypes_are_pytorchs(torch):
    for name in ("float64", "float32", "float16", "bfloat16"):
        mine, theirs = cr.finfo(getattr(cr, name)), torch.finfo(getattr(torch, name))
        for field in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "dtype"):
            assert getattr(mine, field) == getattr(theirs, field), field
    for name in ("int64", "int32", "int16", "int8", "uint8"):
        mine, theirs = cr.iinfo(getattr(cr, name)), torch.iinfo(getattr(torch, name))
        assert (mine.bits, mine.max, mine.min) == (theirs.bits, theirs.max, theirs.min)
    with pytest.raises(cr.ChainruleError, match="use iinfo"):
        cr.finfo(cr.int32)


def test_casts_and_shared_dtypes_are_pytorchs(torch):
    names = ("float32", "float64", "int32", "int64", "int8", "uint8", "bool", "bfloat16")
    for a in names:
        for b in names:
            mine = cr.can_cast(getattr(cr, a), getattr(cr, b))
            assert mine == torch.can_cast(getattr(torch, a), getattr(torch, b)), (a, b)
            left, right = (m.ones(2, dtype=getattr(m, a)) for m in (cr, torch))
            for other in (2, 2.5, True):
                assert cr.result_type(left, other).name == str(
                    torch.result_type(right, other)
                ).removeprefix("torch.")


def test_questions_that_programs_ask():
    x = cr.ones(2, 3)
    assert cr.is_tensor(x) and not cr.is_tensor([1])
    assert cr.is_floating_point(x) and not cr.is_complex(x) and x.is_signed()
    assert cr.numel(x) == x.nelement() == 6 and x.ndimension() == 2
    assert not x.is_cuda and x.is_cpu and not x.is_sparse
    assert cr.is_nonzero(cr.tensor(3)) and not cr.is_nonzero(cr.tensor([0.0]))
    assert x.type() == "chainrule.FloatTensor" and x.type("torch.LongTensor").dtype is cr.int64
    assert cr.broadcast_shapes((2, 1), 3) == (2, 3)
    assert cr.Size([2, 3]).numel() == 6 and cr.Size([2, 3]) == x.shape


def test_there_is_one_device():
    device = cr.device("cuda" if cr.cuda.is_available() else "cpu")
    x = cr.zeros(2, device=device).to(device)
    assert x.device == device == "cpu" and x.device.type == "cpu" and x.cpu() is x
    assert cr.nn.Linear(2, 1, device=device).to(device).weight.device == device
    assert cr.Generator(device="cpu").manual_seed(3).initial_seed() == 3
    calls = (
        lambda: cr.device("cuda:0"), lambda: x.to("cuda"), lambda: x.cuda(),
        lambda: cr.ones(2, device="mps"), lambda: cr.rand(2, device="cuda"),
        lambda: cr.arange(2, device="cuda"), lambda: x.new_zeros(2, device="cuda"),
        lambda: cr.Generator(device="cuda"), lambda: cr.hann_window(3, device="cuda"),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(cr.ChainruleError, match="one device here"):
            call()


def test_asarray_copies_only_when_it_must():
    a = np.ones(3, np.float32)
    assert np.shares_memory(cr.asarray(a).numpy(), a)
    assert not np.shares_memory(cr.asarray(a, copy=True).numpy(), a)
    with pytest.raises(cr.ChainruleError, match="without a copy"):
        cr.asarray(a, dtype=cr.float64, copy=False)


@pytest.mark.parametrize("call", [
    "m.meshgrid(m.arange(3), m.arange(2), m.tensor(5), indexing='ij')",
    "m.meshgrid(m.arange(3), m.arange(2), indexing='xy')",
    "m.cartesian_prod(m.arange(2), m.arange(3))",
    "m.combinations(m.arange(4), 3)",
    "m.combinations(m.arange(3), 2, with_replacement=True)",
    "m.vander(m.tensor([2, 0, 3]))",
    "m.tril_indices(3, 4, -1)",
    "m.triu_indices(4, 2, 1, dtype=m.int32)",
    "m.hann_window(7)", "m.hann_window(7, periodic=False)", "m.hamming_window(6)",
    "m.blackman_window(5)", "m.bartlett_window(6)", "m.bartlett_window(1)",
    "m.kaiser_window(6, False, 8.0)", "m.hann_window(0)",
    "m.zeros(2, 3).new_empty((2, 2)).shape", "m.scalar_tensor(3)", "m.fill(m.ones(2), 3)",
    "m.zeros(5, 3).fill_diagonal_(2.0, wrap=True)", "m.zeros(3, 5).fill_diagonal_(1.0)",
    "m.zeros(2, 2, 2).fill_diagonal_(4.0)",
    "m.meshgrid(m.ones(2, 2), m.ones(2), indexing='ij')", "m.triu_indices(2, 2).new_ones(2)",
])  # fmt: skip
def test_grids_windows_and_triangles_are_pytorchs(call, agree_on):
    agree_on(call)


@pytest.fixture
def agree_on(torch):
    def check(call):
        try:
            theirs = eval(call, {"m": torch})
        except RuntimeError:
            with pytest.raises(cr.ChainruleError):
                eval(call, {"m": cr})
            return
        mine = eval(call, {"m": cr})
        several = isinstance(theirs, tuple) and not isinstance(theirs, torch.Size)
        for a, b in zip(mine, theirs, strict=True) if several else [(mine, theirs)]:
            if isinstance(b, torch.Size):
                assert tuple(a) == tuple(b)
                continue
            assert tuple(a.shape) == tuple(b.shape)
            assert a.dtype.name == str(b.dtype).removeprefix("torch.")
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)

    return check


def test_inference_mode_records_nothing():
    x = cr.ones(2, requires_grad=True)
    with cr.inference_mode():
        assert not (x * 2).requires_grad
    with cr.inference_mode(False):
        assert (x * 2).requires_grad

    @cr.inference_mode()
    def inner():
        return x * 2

    assert not inner().requires_grad and (x * 2).requires_grad


def test_switches_of_programs_can_be_set():
    cr.use_deterministic_algorithms(True)
    cr.backends.cudnn.benchmark = False
    cr.set_default_device("cpu")
    cr.set_float32_matmul_precision("high")
    cr.cuda.manual_seed_all(1)
    assert cr.are_deterministic_algorithms_enabled() and cr.get_default_device() == "cpu"
    assert not cr.cuda.is_available() and not cr.backends.mps.is_available()
    with pytest.raises(cr.ChainruleError, match="write 'highest'"):
        cr.set_float32_matmul_precision("low")


def test_printing_is_as_it_was_asked_for():
    x = cr.tensor([1.23456, 2.0])
    try:
        cr.set_printoptions(precision=2)
        assert repr(x) == "tensor([1.23, 2.00])"
        cr.set_printoptions(sci_mode=True)
        assert repr(x) == "tensor([1.23e+00, 2.00e+00])"
        cr.set_printoptions(threshold=3, edgeitems=1)
        assert "..." in repr(cr.arange(9))
        cr.set_printoptions(profile="full")
        assert "..." not in repr(cr.arange(3000))
        with pytest.raises(cr.ChainruleError, match="precision must be"):
            cr.set_printoptions(precision=-1)
    finally:
        cr.set_printoptions(profile="default")
    assert repr(x) == "tensor([1.2346, 2.0000])"


def test_older_constructors():
    assert cr.LongTensor([1, 2]).dtype is cr.int64 and cr.FloatTensor(2, 3).shape == (2, 3)
    assert isinstance(cr.FloatTensor([1]).dtype, cr.dtype)
    assert cr.ones(2).type(cr.LongTensor).type(cr.float64).dtype is cr.float64
