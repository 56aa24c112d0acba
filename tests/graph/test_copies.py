"""Copies, pickles in memory, printing: what a tensor is besides its numbers."""

import copy
import pickle

import pytest

import chainrule as cr
from chainrule.base.errors import AutogradError


def test_a_deep_copy_is_a_leaf_with_memory_and_gradient_of_its_own():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    assert twin.requires_grad and twin.is_leaf and twin.grad.tolist() == [2, 4]
    with cr.no_grad():
        twin.add_(1)
        twin.grad.add_(1)
    assert x.tolist() == [1, 2] and x.grad.tolist() == [2, 4]
    with pytest.raises(AutogradError, match=r"detach\(\)\.clone\(\)"):
        copy.deepcopy(x * 2)


def test_a_deep_copy_keeps_what_is_shared_shared():
    x = cr.ones(2)
    a, b = copy.deepcopy([x, x])
    assert a is b and a is not x


def test_a_pickle_in_memory_keeps_dtype_and_requires_grad():
    for dtype in (cr.float32, cr.bfloat16, cr.int8, cr.bool):
        x = cr.tensor([1.0, 0.0]).to(dtype)
        twin = pickle.loads(pickle.dumps(x))
        assert twin.dtype is dtype and twin.tolist() == x.tolist()
    leaf = pickle.loads(pickle.dumps(cr.ones(2, requires_grad=True)))
    assert leaf.requires_grad
    assert pickle.loads(pickle.dumps(cr.bfloat16)) is cr.bfloat16


@pytest.mark.parametrize(
    "source",
    [
        "m.tensor(1.5)", "m.tensor([1, 2, 3])", "m.tensor([1.0, 2.5])", "m.tensor([])",
        "m.tensor([[1.0, -2.0], [3.25, 4.0]])", "m.tensor([True, False])", "m.zeros(2, 0)",
        "m.tensor([1e-9, 1.0])", "m.tensor([1e9, 1.0])", "m.tensor([float('nan'), float('inf')])",
        "m.tensor([1.0, 2.0], requires_grad=True)",
    ],
)  # fmt: skip
def test_numbers_print_as_in_pytorch(source, torch):
    assert repr(eval(source, {"m": cr})) == repr(eval(source, {"m": torch}))


def test_a_large_tensor_prints_its_ends():
    text = repr(cr.arange(10_000))
    assert len(text) < 200 and "..." in text and "9999" in text


def test_shape_words(agree):
    agree(lambda m: [m.zeros(2, 3).dim(), m.zeros(2, 3).numel(), m.zeros(2, 3).size(1),
                     tuple(m.zeros(2, 3).size()), m.zeros(2, 3).t().is_contiguous(),
                     m.zeros(2, 3).t().stride(), m.zeros(2).element_size(), m.zeros(2).is_leaf,
                     m.zeros(3, dtype=m.int8).nbytes, m.zeros(2).is_floating_point()])  # fmt: skip
