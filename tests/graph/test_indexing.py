"""x[key], its gradient, and x[key] = value: PyTorch's rules, also where NumPy differs."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ChainruleError

# Expressions in x (2, 3, 4), a vector v (6), indices i, j, masks k (2,), kk (2, 3), kkk.
KEYS = [
    "0", "-1", "1:", ":, 1", "..., 2", "0, ..., 1", "None", ":, None, 1", "::1, ::2", "1, 2, 3",
    "...", "()", "0:0", "5:9", "-2:, 0:2",
    "i", ":, i", "..., i", "i, j", "i, :, j", ":, i, j", "0, i", "0, :, i", "i, 0", ":, 0, i",
    "i, 0, j", "i, None, j", "0, i, j", "i, 1:, j", "i2", "i2, :, i2", "i[:, None], j", "i, ..., 1",
    "k", "kk", "kkk", ":, k3", "k, :, 0", "0, k3", "k, j", "kk, 1", "k, None",
    "[0, 1]", "[0, 1], [1, 2]", "i, ::2", "1:, i", "..., i, 0", "i, i, i",
    "m.tensor(1)", "m.tensor(1), i", "i.int()", "k & k", "i - 2", "None, i, None",
]  # fmt: skip
BAD = ["2", "-3", ":, 3", "0, 0, 0, 0", "i + 5", "k3", "1.0", "m.tensor(1.0)", "i, k3b"]


def space(m):
    x = m.arange(24).reshape(2, 3, 4).to(m.float64)
    return {
        "m": m, "x": x.requires_grad_(),
        "i": m.tensor([1, 0, 1]), "j": m.tensor([2, 0, 1]), "i2": m.tensor([[0, 1], [1, 1]]),
        "k": m.tensor([True, False]), "k3": m.tensor([True, False, True]),
        "k3b": m.tensor([True, False, True, True]),
        "kk": m.tensor([[True, False, True], [False, False, True]]),
        "kkk": (m.arange(24).reshape(2, 3, 4) % 3 == 0),
    }  # fmt: skip


@pytest.mark.parametrize("key", KEYS + BAD)
def test_getitem_and_its_gradient(key, agree):
    def program(m):
        names = space(m)
        y = eval(f"x[{key}]", names)
        weights = m.arange(y.numel()).reshape(y.shape).to(m.float64) + 1
        (y * weights * y).sum().backward()
        return [y, names["x"].grad]

    agree(program)


@pytest.mark.parametrize("value", ["7.0", "row", "same"])
@pytest.mark.parametrize("key", KEYS)
def test_setitem_and_its_gradients(key, value, agree):
    def program(m):
        names = space(m)
        y = names["y"] = (names["x"] * 2).clone()
        shape = eval(f"y[{key}]", names).shape
        new = {"7.0": 7.0, "row": m.tensor(3.5, dtype=m.float64, requires_grad=True),
               "same": (m.arange(int(np.prod(shape))).reshape(shape) * 0.5).to(m.float64)
               .requires_grad_()}[value]  # fmt: skip
        names["new"] = new
        exec(f"y[{key}] = new", names)
        weights = m.arange(24).reshape(2, 3, 4).to(m.float64) + 1
        (y * weights).sum().backward()
        # Which of several writes to one place counts is PyTorch's own secret: so is the gradient.
        repeated = value == "same" and any(
            word in key for word in ("i", "[0, 1]")
        ) and key not in ("i, j", "0, i, j", ":, i, j")  # fmt: skip
        if repeated:
            return names["x"].grad
        return [y, names["x"].grad, getattr(new, "grad", None)]

    agree(program)


def test_repeated_indices_add_their_gradients():
    x = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[cr.tensor([0, 2, 0, 0])].sum().backward()
    assert x.grad.tolist() == [3, 0, 1]


def test_basic_indexing_is_a_view_and_advanced_is_a_copy():
    x = cr.zeros(3, 4)
    x[1][2] = 5
    x[0:1][:, 1] = 7
    x[cr.tensor([2])][0] = 9
    assert x[1].tolist() == [0, 0, 5, 0] and x[0].tolist() == [0, 7, 0, 0]
    assert x[2].tolist() == [0, 0, 0, 0]


def test_a_mask_selects_in_order_and_takes_values():
    x = cr.tensor([3.0, -1.0, 2.0, -5.0], requires_grad=True)
    y = x[x > 0]
    assert y.tolist() == [3, 2]
    (y * cr.tensor([10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [10, 0, 100, 0]
    z = cr.zeros(4)
    z[x > 0] = cr.tensor([1.0, 2.0])
    assert z.tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (5, "Index 5 is out of range for axis 0 of size 2"),
        ((0, 0, 0, 0), "Too many indices: 4 for a tensor of 3 dimensions"),
        ("a", "str cannot index a tensor"),
        (1.5, "float cannot index a tensor"),
        (cr.tensor([0, 4]), "Index 4 is out of range for axis 0 of size 2"),
        (cr.tensor([True, False, True]), "mask has shape"),
        ((..., ...), "one ellipsis"),
    ],
)
def test_a_bad_index_is_explained(key, words):
    with pytest.raises(ChainruleError, match=words.replace("(", r"\(")):
        cr.zeros(2, 3, 4)[key]


def test_a_write_that_does_not_fit_is_explained():
    x = cr.zeros(2, 3)
    with pytest.raises(ChainruleError, match="expand|broadcast"):
        x[0] = cr.zeros(4)
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_writing_floats_into_integers_truncates(agree):
    def program(m):
        x = m.zeros(3, dtype=m.int64)
        x[0], x[1] = 2.7, m.tensor(-1.5)
        return x

    agree(program)


@pytest.mark.parametrize(
    "source",
    [
        "m.gather(x, 1, m.tensor([[[0, 2, 1, 0]], [[1, 1, 0, 2]]]))",
        "m.index_select(x, 2, m.tensor([3, 0, 3]))",
        "m.take_along_dim(x, m.tensor([[[0], [1], [2]], [[3], [3], [0]]]), 2)",
        "x.scatter_add(0, m.tensor([[[0, 1, 0, 1]]]), m.ones(1, 1, 4, dtype=m.float64))",
        "x.masked_fill(kk[..., None], -1.0)",
        "m.masked_select(x, kkk)",
        "m.where(kkk, x, -x)",
        "m.where(kkk, x, 0.0)",
        "m.tril(x)", "m.triu(x, 1)", "m.roll(x, 1, 2)", "m.roll(x, (1, -1), (0, 1))",
        "x.flip(0, 2)", "x.sort(dim=1, descending=True)[0]", "x.topk(2, dim=2)[0]",
        "x.max(dim=1)[0]", "x.min(dim=2)[0]", "x.unbind(1)[1]", "x.split(2, dim=2)[1]",
        "x.chunk(2, dim=2)[1]", "x.narrow(1, 1, 2)", "x.select(2, 3)", "x.movedim(0, 2)",
        "x.repeat(1, 2, 1)", "x.tile(2)", "x.expand(5, 2, 3, 4)", "x.transpose(0, 2)", "x.mT",
        "x.squeeze()", "x.unsqueeze(1)", "x.flatten(1)", "x.unflatten(2, (2, 2))",
        "x.index_select(1, m.tensor([0, 0]))", "x[..., 0].t()", "m.stack([x, 2 * x], 1)",
        "m.cat([x, 2 * x], 1)", "m.einsum('bij,bkj->bik', x, x)", "x @ x.mT",
    ],
)  # fmt: skip
def test_functions_that_move_elements_and_their_gradients(source, agree):
    def program(m):
        names = space(m)
        y = eval(source, names)
        weights = m.arange(y.numel()).reshape(y.shape).to(m.float64) + 1
        (y * weights).sum().backward()
        return [y, names["x"].grad]

    agree(program)
