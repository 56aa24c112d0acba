"""Views, in-place operations and version counting: PyTorch's values and gradients, or an error."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import AutogradError, ChainruleError

# Programs in x, a leaf (3, 4) of float64; `y` is what the loss is made of.
PROGRAMS = {
    "row of a clone": "y = x.clone(); y[1] *= 3.0",
    "view then base": "y = x * 2; v = y[0]; y *= 3.0; y = v * v",
    "base then view": "y = x * 2; y *= 3.0; v = y[0]; y = v * y[1]",
    "write through a view": "y = x * 2; v = y[0]; v.mul_(5.0); y = y * v",
    "chain of views": "y = x * 2; v = y[1:][0][::2]; v.mul_(x[0, :2]); y = y * y",
    "two views of one base": "y = x * 2; a = y[0]; b = y[0]; a.add_(b * 3.0); y = b * a",
    "overlapping views": "y = x * 2; a = y[0:2]; b = y[1:3]; a.mul_(2.0); b.mul_(x[:2]); y = a * b",
    "view of a view written": "y = x * 2; v = y.t(); w = v[1]; w.add_(x[:, 0]); y = v * 2 + y.t()",
    "base written after a chain": "y = x * 2; v = y.reshape(12)[3:9]; y.mul_(x); y = v * v",
    "transpose written": "y = x * 2; y.t()[0] = x[:, 1] * 7.0; y = y * x",
    "diagonal-like stride": "y = (x * 2).reshape(12); y[::5] = x[:, 0]; y = y * y",
    "setitem of itself": "y = x * 2; y[0] = y[1]; y = y * y",
    "setitem of a view of itself": "y = x * 2; y[0:2] = y[1:3] * 2; y = y * y",
    "fill a view": "y = x * 2; y[:, 1].fill_(3.0); y = y * y",
    "zero a view": "y = x * 2; y[1:].zero_(); y = y * x",
    "copy into a view": "y = x * 2; y[2].copy_(x[0] * x[1]); y = y * y",
    "expand then read": "y = x[:, :1].expand(3, 4) * x",
    "in place of a sum": "y = x * 2; y += x; y -= 1.0; y /= 3.0; y **= 2",
    "in place with itself": "y = x * 2; y.mul_(y)",
    "in place with own view": "y = x * 2; y.mul_(y[0])",
    "relu in place": "y = x - 0.5; y.relu_(); y = y * y",
    "clamp in place": "y = x * 2; y.clamp_(0.5, 2.0); y = y * y",
    "masked fill in place": "y = x * 2; y.masked_fill_(x > 1.0, 0.5); y = y * y",
    "copy from a leaf": "y = x * 2; y.copy_(x); y.add_(1.0); y = y * y",
    "copy from a leaf into zeros": "y = m.zeros(3, 4, dtype=m.float64); y.copy_(x); y = y * y",
    "set everything to a leaf": "y = x * 2; y[...] = x; y = y * y",
    "copy from a view whose base was written": (
        "y = x * 2; v = y[0]; y.mul_(3.0); z = m.zeros(4, dtype=m.float64); z.copy_(v); y = z"
    ),
    "set from a view whose base was written": (
        "y = x * 2; v = y[1]; y.sin_(); z = x.clone(); z[0] = v; z[1:2] = v; y = z * z"
    ),
    "set from a detached view whose base was written": (
        "y = x * 2; v = y[1].detach(); y.sin_(); z = x.clone(); z[0] = v; y = z * z"
    ),
    "detach then write elsewhere": "y = x * 2; d = y.detach().clone(); d += 100.0; y = y * d",
    "not recorded write": "y = x * 2\nwith m.no_grad():\n    y[0] = 7.0\ny = y * 1.5",
    "view made in no_grad": "y = x * 2\nwith m.no_grad():\n    v = y[0]\ny = y * v.detach()",
    "plain base takes a gradient": "y = m.zeros(3, 4, dtype=m.float64); y[1] = x[0]; y = y * y",
    "plain view takes a gradient": (
        "y = m.zeros(3, 4, dtype=m.float64); v = y[1]; v.add_(x[0]); y = y * y + v"
    ),
    "base of plain views": "y = m.zeros(3, 4, dtype=m.float64); v = y[1]; y += x; y = v * v",
    "unsqueeze and squeeze": "y = x * 2; v = y.unsqueeze(0); v.mul_(x); y = v.squeeze(0) * y",
    "flatten view": "y = x * 2; y.flatten()[2:7] *= 3.0; y = y * y",
    "narrow": "y = x * 2; y.narrow(1, 1, 2).mul_(x[:, :2]); y = y * y",
    "unbind": "y = x * 2; y = y.unbind(0)[1] * y.unbind(0)[2]",
    "permute of a view": "y = x * 2; v = y[:2].permute(1, 0); v[0].mul_(4.0); y = y * y",
    "negative step": "y = x.flip(0) * 2; y[1] = x[0]; y = y * y",
    "one element twice": "y = x * 2; y[0].add_(1.0); y[0, 0].mul_(x[0, 1]); y = y * y",
    "in place on a leaf": "x.mul_(2.0); y = x",
    "in place on a view of a leaf": "x[0].mul_(2.0); y = x",
    "setitem on a leaf": "x[0, 0] = 1.0; y = x",
    "leaf under no_grad": "with m.no_grad():\n    x.mul_(2.0)\ny = x * x",
    "saved value changed": "a = x * 2; y = a * a; a.add_(1.0)",
    "saved value changed through a view": "a = x * 2; y = a * a; a[0].add_(1.0)",
    "saved value changed through detach": "a = x * 2; y = a * a; a.detach().add_(1.0)",
    "saved output changed": "y = x.exp(); z = y * 1.0; y.add_(1.0); y = z",
    "saved output of sqrt": "y = (x + 3).sqrt(); y.mul_(2.0)",
    "unsaved value changed": "a = x * 2; y = a + a; a.add_(1.0)",
    "unsaved in multiplication by a number": "a = x * 2; y = a * 3.0; a.mul_(5.0)",
    "write into an expanded tensor": "y = (x[:, :1] * 2).expand(3, 4); y.add_(1.0)",
    "shape change in place": "y = x[0] * 2; y.add_(x)",
    "dtype change in place": "y = (x > 0).long(); y.add_(x)",
    "view of the wrong size": "y = (x * 2).view(5, 2)",
    "view of a transpose": "y = (x * 2).t().view(12)",
    "reshape of a transpose": "y = (x * 2).t().reshape(12); y = y * m.arange(12)",
}  # fmt: skip


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_value_and_gradient_are_pytorchs(source, agree):
    def program(m):
        x = (m.arange(12).reshape(3, 4) * 0.25 - 0.5).to(m.float64).requires_grad_()
        names = {"m": m, "x": x}
        exec(source, names)
        y = names["y"]
        weights = (m.arange(y.numel()).reshape(y.shape) + 1).to(m.float64)
        (y * weights).sum().backward()
        return [y, x.grad]

    agree(program)


def test_a_stale_saved_value_is_explained_and_names_the_operation():
    a = cr.ones(2, 3, requires_grad=True) * 2
    y = a * a
    a.add_(1)
    with pytest.raises(AutogradError, match=r"multiply saved a tensor of shape \(2, 3\).*clone"):
        y.sum().backward()


def test_a_leaf_is_not_written_while_gradients_are_recorded():
    x = cr.ones(3, requires_grad=True)
    for write in (lambda: x.add_(1), lambda: x[0].mul_(2), lambda: x.__setitem__(0, 1.0),
                  lambda: x.zero_(), lambda: x.copy_(cr.zeros(3))):  # fmt: skip
        with pytest.raises(AutogradError, match="leaf that requires a gradient"):
            write()
    assert x.tolist() == [1, 1, 1]
    with cr.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 2, 2] and x.is_leaf and x.requires_grad


def test_an_expanded_tensor_is_not_written():
    x = cr.zeros(3, 1).expand(3, 4)
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0), lambda: x.zero_()):
        with pytest.raises(AutogradError, match="share one place in memory: clone"):
            write()
    assert x.tolist() == [[0] * 4] * 3


def test_an_output_overwritten_in_place_keeps_its_gradient_right_where_it_was_not_lost():
    # PyTorch raises here: exp's output is gone. Ours is kept apart, and the gradient is exp(x).
    x = cr.tensor([0.5, 1.0], dtype=cr.float64, requires_grad=True)
    y = x * 2
    y.exp_()
    y.sqrt_()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.5, 1.0]))


def test_versions_count_writes_to_memory_however_it_is_reached():
    x = cr.zeros(2, 3)
    view, other = x[0], x.detach()
    before = x._version
    x.add_(1)
    view.mul_(2)
    other[1] = 5
    x.zero_()
    assert x._version == view._version == other._version == before + 4
    assert cr.zeros(2)._version == 0
    clone = x.clone()
    clone.add_(1)
    assert x._version == before + 4


def test_a_write_before_the_node_was_made_is_no_harm():
    x = cr.ones(3, requires_grad=True)
    a = x * 2
    a.add_(1)
    (a * a).sum().backward()
    assert x.grad.tolist() == [12, 12, 12]


def test_views_share_memory_and_copies_do_not():
    x = cr.zeros(4, 6)
    views = [x[1:], x.t(), x.reshape(24), x.view(2, 12), x.expand(2, 4, 6), x.unsqueeze(0),
             x[:, 1:3], x.permute(1, 0), x.flatten(), x.narrow(0, 1, 2), x.select(1, 2),
             *x.split(2), x.detach(), x.squeeze(), x.mT, x.view_as(x), x.movedim(0, 1)]  # fmt: skip
    copies = [x.clone(), x[[0, 1]], x.t().reshape(24), x.t().contiguous(), x + 0, x.flip(0),
              x.roll(1, 0), x.repeat(1, 1), cr.cat([x]), x.to(cr.float64), x.tril(),
              cr.tensor(x)]  # fmt: skip
    for view in views:
        assert np.shares_memory(view._data, x._data)
    for copy in copies:
        assert not np.shares_memory(copy._data, x._data)
    assert x.contiguous() is x and x.to(cr.float32) is x


def test_numpy_shares_memory_with_the_tensor():
    x = cr.zeros(3)
    array = x.numpy()
    array[0] = 1
    x[1] = 2
    assert x.tolist() == array.tolist() == [1, 2, 0]


def test_in_place_operations_return_the_tensor_and_keep_its_identity():
    x = cr.ones(2, 2)
    same = x
    x += 1
    x *= cr.tensor(3.0)
    assert x is same and x.add_(1) is x and x[0].mul_(0) is not x
    assert x.tolist() == [[0, 0], [7, 7]]


def test_setting_data_replaces_memory_without_history():
    x = cr.ones(2, requires_grad=True)
    x.data = cr.tensor([5.0, 6.0])
    (x * x).sum().backward()
    assert x.grad.tolist() == [10, 12]
    x.data.add_(1)
    assert x.tolist() == [6, 7]


def test_detach_shares_and_forgets():
    x = cr.ones(2, requires_grad=True)
    y = (x * 2).detach()
    assert not y.requires_grad and y.is_leaf and y.grad_fn is None
    z = x * 3
    z.detach_()
    assert not z.requires_grad
    with pytest.raises(AutogradError, match="view cannot be detached"):
        (x * 2)[0].detach_()


def test_a_write_of_the_wrong_kind_changes_nothing():
    x = cr.zeros(2, dtype=cr.int64)
    for write in (
        lambda: x.add_(1.5),
        lambda: x.mul_(cr.ones(2)),
        lambda: x.add_(cr.ones(3, 2).long()),
    ):
        with pytest.raises(ChainruleError):
            write()
    assert x.tolist() == [0, 0]
