"""Sparse gradients of embeddings: what is in them, how they add up, scale and print."""

import copy
import math
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, AutogradError, ShapeError
from chainrule.graph.sparse import SparseTensor

F = nn.functional
INDEX = [[1, 3], [1, 0]]


def table(dtype="float64", rows=5, size=2):
    values = np.random.default_rng(0).standard_normal((rows, size))
    return nn.Parameter(cr.tensor(values).to(getattr(cr, dtype)))


def loss(w, index=INDEX, sparse=True, **options):
    return (F.embedding(cr.tensor(index), w, sparse=sparse, **options) ** 2).sum()


def dense_of(run):
    """The gradient that `run` leaves in a table when its embeddings are dense."""
    w = table()
    run(w, False)
    return w.grad


@pytest.mark.parametrize(
    "options", [{}, {"padding_idx": 1}, {"padding_idx": -2}, {"scale_grad_by_freq": True}]
)
def test_values_are_those_of_the_dense_gradient(options):
    w = table()
    loss(w, **options).backward()
    assert w.grad.is_sparse
    want = dense_of(lambda v, sparse: loss(v, sparse=sparse, **options).backward())
    assert not want.is_sparse
    np.testing.assert_allclose(w.grad.to_dense().numpy(), want.numpy(), rtol=1e-14)
    padding = options.get("padding_idx")
    assert padding is None or padding % 5 not in w.grad._indices().tolist()[0]


def test_layout_and_print_are_those_of_torch():
    torch = pytest.importorskip("torch")
    w = table()
    v = torch.nn.Parameter(torch.tensor(w.detach().numpy()))
    loss(w).backward()
    (torch.nn.functional.embedding(torch.tensor(INDEX), v, sparse=True) ** 2).sum().backward()
    for mine, its in ((w.grad, v.grad), (w.grad.coalesce(), v.grad.coalesce())):
        assert mine._nnz() == its._nnz()
        assert mine.is_coalesced() == its.is_coalesced()
        assert mine._indices().tolist() == its._indices().tolist()
        np.testing.assert_allclose(mine._values().numpy(), its._values().numpy(), rtol=1e-14)
        theirs = repr(its).replace("torch.", "").replace(", dtype=float64", "")
        ours = repr(mine).replace("chainrule.", "").replace(", dtype=float64", "")
        assert ours == theirs
    assert w.grad.shape == (5, 2) == w.grad.size()
    assert (w.grad.numel(), w.grad.dim(), len(w.grad)) == (10, 2, 5)
    assert (w.grad.sparse_dim(), w.grad.dense_dim(), w.grad.dtype) == (1, 1, cr.float64)
    with pytest.raises(AutogradError, match="coalesce"):
        w.grad.indices()


def test_several_uses_and_calls_add_up():
    def twice(w, sparse):
        (loss(w, sparse=sparse) + loss(w, [2, 2, 1], sparse=sparse)).backward()
        loss(w, [4], sparse=sparse).backward()

    w = table()
    twice(w, True)
    assert w.grad.is_sparse
    np.testing.assert_allclose(w.grad.to_dense().numpy(), dense_of(twice).numpy(), rtol=1e-14)


@pytest.mark.parametrize("order", ["sparse first", "dense first", "one walk"])
def test_a_dense_use_makes_the_sum_dense(order):
    def both(w, sparse):
        parts = [loss(w, sparse=sparse), (w**2).sum()]
        if order == "one walk":
            (parts[0] + parts[1]).backward()
            return
        for part in parts if order == "sparse first" else parts[::-1]:
            part.backward()

    w = table()
    both(w, True)
    assert not w.grad.is_sparse
    np.testing.assert_allclose(w.grad.numpy(), dense_of(both).numpy(), rtol=1e-14)


def test_a_table_that_was_computed_gets_a_dense_gradient():
    w = table()
    (F.embedding(cr.tensor(INDEX), w * 2, sparse=True) ** 2).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 4 * dense_of(loss_of).numpy(), rtol=1e-14)


def loss_of(w, sparse):
    loss(w, sparse=sparse).backward()


def test_autograd_grad_hooks_and_recorded_gradients():
    w = table()
    want = dense_of(loss_of).numpy()
    (g,) = cr.autograd.grad(loss(w), w)
    assert g.is_sparse
    np.testing.assert_allclose(g.to_dense().numpy(), want, rtol=1e-14)
    seen = []
    handle = w.register_hook(lambda g: seen.append(g.is_sparse) or g * 3)
    loss(w).backward()
    handle.remove()
    assert seen == [True]
    np.testing.assert_allclose(w.grad.to_dense().numpy(), 3 * want, rtol=1e-14)
    # A gradient of the gradient needs it recorded: there it is dense.
    (g,) = cr.autograd.grad(loss(w), w, create_graph=True)
    assert not g.is_sparse
    (again,) = cr.autograd.grad(g.sum(), w)
    times = np.array([1, 2, 0, 1, 0])[:, None] * np.ones(2)
    np.testing.assert_allclose(again.to_dense().numpy(), 2 * times, rtol=1e-14)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(set_to_none):
    layer = nn.Embedding(5, 2, sparse=True)
    (layer(cr.tensor(INDEX)) ** 2).sum().backward()
    layer.zero_grad(set_to_none)
    assert layer.weight.grad is None if set_to_none else layer.weight.grad._nnz() == 0
    (layer(cr.tensor(INDEX)) ** 2).sum().backward()
    assert layer.weight.grad._nnz() == 4


@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf])
def test_clipping_by_norm(norm_type):
    bias = cr.ones(3, dtype=cr.float64, requires_grad=True)
    norms, grads = [], []
    for sparse in (True, False):
        w = table()
        (loss(w, sparse=sparse) + (3 * bias).sum()).backward()
        norms.append(nn.utils.clip_grad_norm_([w, bias], 1.0, norm_type).item())
        grads.append(w.grad.to_dense().numpy())
        bias.grad = None
    assert norms[0] == pytest.approx(norms[1], rel=1e-14)
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-14)


def test_clipping_by_value():
    w, v = table(), table()
    loss(w).backward()
    loss(v, sparse=False).backward()
    for x in (w, v):
        nn.utils.clip_grad_value_(x, 0.5)
    assert w.grad.is_sparse
    assert w.grad.to_dense().tolist() == v.grad.tolist()


def test_arithmetic_equals_that_of_dense_tensors():
    a = SparseTensor(np.array([1, 1, 3]), np.arange(1.0, 7).reshape(3, 2), (5, 2))
    b = SparseTensor(np.array([0, 3]), -np.ones((2, 2)), (5, 2))
    x, y = a.to_dense(), b.to_dense()
    full = cr.tensor(np.arange(10.0).reshape(5, 2))
    for mine, want in [
        (a + b, x + y), (a - b, x - y), (-a, -x), (a * 2, x * 2), (2 * a, x * 2), (a / 4, x / 4),
        (a * full, x * full), (a.abs(), x.abs()), (abs(b), abs(y)), (b**2, y**2),
        (a * cr.tensor(3.0), x * 3), (a.clone().mul_(2), x * 2), (a.to(cr.float32), x.float()),
        (copy.deepcopy(a), x), (pickle.loads(pickle.dumps(a)), x), (a.detach(), x),
    ]:  # fmt: skip
        assert mine.is_sparse
        assert mine.dtype is want.dtype
        assert mine.to_dense().tolist() == want.tolist()
    for mine, want in [(a + full, x + full), (full + a, full + x), (full - a, full - x),
                       (a - full, x - full)]:  # fmt: skip
        assert not mine.is_sparse
        assert mine.tolist() == want.tolist()
    assert a.norm().item() == pytest.approx(x.norm().item())
    assert a.norm(math.inf).item() == 6
    assert a.sum().item() == x.sum().item()
    a *= 2
    a /= 4
    assert a.to_dense().tolist() == (x / 2).tolist()
    with pytest.raises(ShapeError, match=r"\(3, 2\)"):
        a + cr.ones(3, 2)
    with pytest.raises(ShapeError, match="needs values of shape"):
        SparseTensor(np.array([1]), np.ones((2, 2)), (5, 2))


@pytest.mark.parametrize(
    "use",
    [lambda g: g.numpy(), lambda g: g.tolist(), cr.exp, lambda g: g[0], lambda g: cr.ones(2, 5) @ g,
     lambda g: cr.zeros(5, 2).add_(g)],
)  # fmt: skip
def test_other_uses_say_what_to_write(use):
    w = table()
    loss(w).backward()
    with pytest.raises(AutogradError, match="to_dense"):
        use(w.grad)


def test_layers_and_state_dicts():
    layer = nn.EmbeddingBag(5, 2, mode="sum", sparse=True)
    layer(cr.tensor([1, 3, 1, 0]), cr.tensor([0, 2])).sum().backward()
    assert layer.weight.grad.coalesce()._indices().tolist() == [[0, 1, 3]]
    before = layer.state_dict()
    assert not before["weight"].is_sparse
    layer.double()
    assert layer.weight.grad.dtype is cr.float64
    copied = copy.deepcopy(layer)
    copied.load_state_dict(before)
    with pytest.raises(ArgumentError, match="max"):
        nn.EmbeddingBag(5, 2, mode="max", sparse=True)(cr.tensor([[1, 2]]))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_gradient_has_the_dtype_of_the_table(dtype):
    w = table(dtype)
    loss(w).backward()
    assert w.grad.dtype is w.dtype is w.grad.to_dense().dtype
