"""Small promises that programs written for PyTorch rely on."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import AutogradError, DTypeError, IndexRangeError, ShapeError


def test_reducing_over_no_axes_reduces_all():
    x = cr.ones(2, 3)
    for reduced in (x.sum([]), x.sum(()), x.mean([]), x.amax(()), x.std([])):
        assert reduced.shape == ()


def test_numpy_numbers_do_not_promote():
    x = cr.ones(2, requires_grad=True)
    for y in (x * np.float64(2), np.float64(2) * x, x / np.sqrt(2), x + np.int64(1)):
        assert y.dtype is cr.float32
    (x * np.float64(2)).sum().backward()
    assert x.grad.dtype is cr.float32


def test_creation_takes_size_by_name_and_refuses_unknown_names():
    assert cr.zeros(size=(2, 3)).shape == cr.rand(size=(2, 3)).shape == (2, 3)
    with pytest.raises(TypeError):
        cr.ones(2, dtpye=cr.float64)


def test_the_constructor_gives_floats_and_tensor_infers():
    assert cr.Tensor([1, 2]).dtype is cr.float32
    assert cr.tensor([1, 2]).dtype is cr.int64


def test_a_uint8_index_is_a_mask():
    x = cr.arange(3)
    assert x[cr.tensor([1, 0, 1], dtype=cr.uint8)].tolist() == [0, 2]


def test_products_of_different_dtypes_are_refused():
    with pytest.raises(DTypeError, match="float64"):
        cr.ones(2, 3) @ cr.ones(3, 2, dtype=cr.float64)
    with pytest.raises(DTypeError, match="weight float32"):
        cr.nn.Linear(3, 2)(cr.ones(2, 3, dtype=cr.float64))


def test_embedding_refuses_indices_outside():
    for i in (-1, 3):
        with pytest.raises(IndexRangeError, match=str(i)):
            cr.nn.functional.embedding(cr.tensor([i]), cr.ones(3, 2))


def test_a_gradient_of_the_wrong_shape_is_refused():
    class Wrong(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return cr.ones(3)

    with pytest.raises(AutogradError, match=r"shape \(3,\) for argument 0 of shape \(2,\)"):
        Wrong.apply(cr.ones(2, requires_grad=True)).sum().backward()
    x = cr.ones(2, requires_grad=True)
    x.register_hook(lambda g: cr.ones(5))
    with pytest.raises(ShapeError):
        (x * 1).sum().backward()


def test_a_copied_parameter_starts_without_a_gradient():
    import copy

    p = cr.nn.Parameter(cr.ones(2))
    (p * 2).sum().backward()
    assert copy.deepcopy(p).grad is None and p.grad is not None


def test_argument_names_of_pytorch_and_numpy():
    x = cr.ones(2, 3)
    assert cr.add(input=x, other=x).tolist() == cr.mul(x, other=2).tolist()
    assert cr.pow(x, exponent=2).shape == (2, 3)
    assert x.sum(axis=1, keepdims=True).shape == (2, 1)


def test_an_expansion_that_stretches_nothing_can_be_written():
    x = cr.zeros(2, 3)
    x.expand(2, 3).add_(1)
    assert x.sum().item() == 6


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.5, -1, 4])
def test_powers_by_numbers(exponent):
    x = cr.tensor([0.5, 2.0, 3.0], dtype=cr.float64, requires_grad=True)
    assert cr.autograd.gradcheck(lambda x: x**exponent, x)
    np.testing.assert_allclose((x**exponent).tolist(), np.array([0.5, 2.0, 3.0]) ** exponent)
