"""Mixed precision: the policies, and small networks against PyTorch's, both against float64."""

import copy
import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.dtypes import round_bfloat16
from chainrule.base.errors import ArgumentError
from chainrule.graph import mode
from chainrule.graph.checkpoint import checkpoint
from chainrule.ops.op import REGISTRY
from chainrule.train import Trainer

F = nn.functional
rng = np.random.default_rng(0)


def draw(*shape, **options):
    return cr.tensor(rng.standard_normal(shape).astype(np.float32), **options)


# ---- call forms ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: cr.autocast("bfloat16"),
        lambda: cr.autocast(cr.bfloat16),
        lambda: cr.autocast("cpu"),
        lambda: cr.autocast("cpu", dtype=cr.bfloat16, enabled=True),
        lambda: cr.autocast(device_type="cpu", dtype="bfloat16", cache_enabled=False),
    ],
)
def test_forms_of_the_call(make):
    x, w = draw(2, 3), draw(4, 3)
    with make():
        assert cr.is_autocast_enabled()
        assert F.linear(x, w).dtype is cr.bfloat16
    assert not cr.is_autocast_enabled()
    assert make()(F.linear)(x, w).dtype is cr.bfloat16


@pytest.mark.parametrize("args", [("cuda",), ("cpu", "float16"), ("float64",), ("tpu", "bfloat16")])
def test_other_devices_and_dtypes_are_refused(args):
    with pytest.raises(ArgumentError):
        cr.autocast(*args)


def test_regions_nest_and_end_with_an_error():
    x = draw(2, 2)
    with cr.autocast("bfloat16"):
        with cr.autocast("bfloat16", enabled=False):
            assert (x @ x).dtype is cr.float32
            with cr.autocast("bfloat16"):
                assert (x @ x).dtype is cr.bfloat16
        assert (x @ x).dtype is cr.bfloat16
    with pytest.raises(ZeroDivisionError), cr.autocast("bfloat16"):
        1 / 0  # noqa: B018
    assert not cr.is_autocast_enabled()


def test_each_thread_has_its_own():
    seen = []
    with cr.autocast("bfloat16"):
        thread = threading.Thread(target=lambda: seen.append(cr.is_autocast_enabled()))
        thread.start()
        thread.join()
    assert seen == [False]


# ---- policies --------------------------------------------------------------------------------


def test_products_are_rounded_once():
    x, w, b = draw(5, 7), draw(3, 7), draw(3)
    with cr.autocast("bfloat16"):
        y = F.linear(x, w, b)
    wide = round_bfloat16(x.numpy()).astype(np.float64) @ round_bfloat16(w.numpy()).T + b.numpy()
    assert np.abs(y.float().numpy() - wide).max() <= 2.0**-8 * np.abs(wide).max()
    np.testing.assert_array_equal(y.float().numpy(), round_bfloat16(y.float().numpy()))


def test_policies():
    h, x = draw(2, 3).bfloat16(), draw(2, 3)
    images, kernel = draw(1, 2, 5, 5), draw(3, 2, 3, 3)
    with cr.autocast("bfloat16"):
        lower = [
            cr.matmul(x, h.T), cr.mm(x, x.T), cr.bmm(x[None], x.T[None]),
            cr.einsum("ij,kj->ik", x, h), F.conv2d(images, kernel),
            F.conv_transpose2d(images, kernel.transpose(0, 1)),
        ]  # fmt: skip
        float32 = [
            h.exp(), h.log1p(), h**2, h.sum(), h.mean(0), h.cumsum(0), F.softmax(h, -1),
            F.log_softmax(h, -1), F.mse_loss(h, h),
            F.cross_entropy(h, cr.tensor([0, 2])), h + x, cr.cat([h, x]),
        ]  # fmt: skip
        # Norms compute in float32 and give back the dtype of their input.
        widest = [F.relu(h), h + h, h.tanh(), h.max(), h.T, F.layer_norm(h, (3,))]
    assert {y.dtype for y in lower} == {cr.bfloat16}
    assert {y.dtype for y in float32} == {cr.float32}
    assert {y.dtype for y in widest} == {cr.bfloat16}


def test_float64_and_integers_stay_as_they_are():
    x, i = draw(2, 2).double(), cr.ones(2, 2, dtype="int64")
    with cr.autocast("bfloat16"):
        assert (x @ x).dtype is x.exp().dtype is cr.float64
        assert (i @ i).dtype is cr.int64


def test_policies_name_inputs():
    for name, cls in REGISTRY.items():
        policy = cls.autocast
        assert policy in ("widest", "float32") or set(policy) <= set(cls.inputs), name


# ---- gradients -------------------------------------------------------------------------------


def test_gradients_are_float32_and_see_the_rounded_factors():
    x, w = draw(4, 3, requires_grad=True), draw(2, 3, requires_grad=True)
    g = draw(4, 2)
    with cr.autocast("bfloat16"):
        y = F.linear(x, w)
    y.backward(g.bfloat16())
    assert x.grad.dtype is w.grad.dtype is cr.float32
    low = [round_bfloat16(v.detach().numpy()).astype(np.float64) for v in (g, x, w)]
    np.testing.assert_allclose(w.grad.numpy(), low[0].T @ low[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), low[0] @ low[2], rtol=1e-5, atol=1e-6)


def test_backward_and_checkpoints_do_not_depend_on_where_backward_is_called():
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    x = draw(3, 4, requires_grad=True)

    def gradients(forward, inside):
        with cr.autocast("bfloat16"):
            loss = forward(x).sum()
            if inside:
                return cr.autograd.grad(loss, x, create_graph=True)[0].detach().numpy()
        return cr.autograd.grad(loss, x, create_graph=True)[0].detach().numpy()

    wanted = gradients(net, False)
    np.testing.assert_array_equal(gradients(net, True), wanted)
    np.testing.assert_array_equal(gradients(lambda x: checkpoint(net, x), False), wanted)


def test_einsum_with_and_without_recording_agrees():
    a, b = draw(3, 4, 5), draw(5, 6)
    with cr.autocast("bfloat16"):
        plain = cr.einsum("ijk,kl->ijl", a, b)
        recorded = cr.einsum("ijk,kl->ijl", a, b.requires_grad_())
    np.testing.assert_array_equal(plain.float().numpy(), recorded.detach().float().numpy())


# ---- parameters are rounded once -------------------------------------------------------------


def test_a_parameter_is_rounded_once_in_a_region(monkeypatch):
    w, x = draw(3, 3, requires_grad=True), draw(2, 3)
    with cr.autocast("bfloat16"):
        first = mode.autocast.rounded(w, w._data)
        x @ w
        assert mode.autocast.rounded(w, w._data) is first
        with cr.no_grad():
            w.add_(1.0)
        np.testing.assert_array_equal(
            mode.autocast.rounded(w, w._data), round_bfloat16(w.detach().numpy())
        )
    with cr.autocast("bfloat16", cache_enabled=False):
        assert mode.autocast.rounded(w, w._data) is not mode.autocast.rounded(w, w._data)


# ---- small networks --------------------------------------------------------------------------


class Recurrent:
    """A recurrent layer and a linear one on its last output."""

    def __new__(cls, room, kind):
        class Net(room.Module):
            def __init__(self):
                super().__init__()
                self.layer, self.out = getattr(room, kind)(12, 24), room.Linear(24, 10)

            def forward(self, x):
                return self.out(self.layer(x)[0][-1])

        return Net()


def network(room, kind):
    if kind == "MLP":
        return room.Sequential(
            room.Linear(40, 32), room.Tanh(), room.Linear(32, 32), room.Tanh(), room.Linear(32, 10)
        )
    if kind == "CNN":
        return room.Sequential(
            room.Conv2d(3, 8, 3, padding=1, bias=False), room.BatchNorm2d(8), room.SiLU(),
            room.AvgPool2d(2), room.Conv2d(8, 16, 3, 2, 1, bias=False), room.BatchNorm2d(16),
            room.SiLU(), room.Flatten(), room.Linear(256, 10),
        )  # fmt: skip
    return Recurrent(room, kind)


SIZES = {"MLP": (32, 40), "CNN": (32, 3, 16, 16)}
KINDS = ["MLP", "CNN", "LSTM", "GRU", "RNN"]


def twins(kind):
    ours = network(nn, kind)
    x = rng.standard_normal(SIZES.get(kind, (7, 32, 12))).astype(np.float32)
    return ours, x, rng.integers(0, 10, 32)


def error(a, exact):
    return np.linalg.norm(a - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize("kind", KINDS)
def test_as_near_to_float64_as_pytorch(kind):
    torch = pytest.importorskip("torch")
    if kind == "LSTM" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("PyTorch has no bfloat16 LSTM for this processor")
    ours, x, target = twins(kind)
    theirs = network(torch.nn, kind)
    state = {k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    wide = copy.deepcopy(theirs).double()
    entropy = torch.nn.functional.cross_entropy
    exact = entropy(wide(torch.from_numpy(x).double()), torch.from_numpy(target))
    exact.backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = entropy(theirs(torch.from_numpy(x)), torch.from_numpy(target))
    loss.backward()
    with cr.autocast("bfloat16"):
        output = ours(cr.tensor(x))
        mine = F.cross_entropy(output, cr.tensor(target))
    mine.backward()
    assert output.dtype is cr.bfloat16
    assert mine.dtype is cr.float32
    assert abs(mine.item() - exact.item()) < 2e-3
    for a, b, e in zip(ours.parameters(), theirs.parameters(), wide.parameters(), strict=True):
        assert a.grad.dtype is cr.float32
        e = e.grad.numpy()
        assert error(a.grad.numpy(), e) <= 1.5 * error(b.grad.numpy(), e) + 1e-3


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_compiled_steps_agree_with_glass_mode(kind, around):
    ours, x, target = twins(kind)
    mirror = copy.deepcopy(ours)

    def maker(net):
        optimizer = optim.SGD(net.parameters(), lr=0.1)

        def step(x, target):
            optimizer.zero_grad()
            with cr.autocast("bfloat16", enabled=not around):
                loss = F.cross_entropy(net(x), target)
            loss.backward()
            optimizer.step()
            return loss

        return step

    glass, compiled = maker(mirror), cr.compile(maker(ours))
    if around:

        def plain(net):
            return lambda x, target: F.cross_entropy(net(x), target)

        glass, compiled = plain(mirror), cr.compile(plain(ours))
    for _ in range(3):
        losses = []
        for step in (glass, compiled):
            with cr.autocast("bfloat16", enabled=around):
                losses.append(step(cr.tensor(x), cr.tensor(target)).item())
        # A sum in another order may round to the neighbour: 2⁻⁸ of one activation.
        np.testing.assert_allclose(*losses, rtol=2e-3)


def test_autocast_is_part_of_the_signature():
    step = cr.compile(lambda x: x @ x)
    x = draw(4, 4)
    assert step(x).dtype is cr.float32
    with cr.autocast("bfloat16"):
        assert step(x).dtype is cr.bfloat16
    assert step(x).dtype is cr.float32


def test_trainer_in_mixed_precision():
    x = draw(64, 8)
    target = (x.sum(1) > 0).to("int64")
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    trainer = Trainer(model, precision="bf16", lr=0.02, metrics=["accuracy"], seed=0)
    history = trainer.fit((x, target), epochs=20, batch_size=16, verbose=0)
    assert {p.dtype for p in model.parameters()} == {cr.float32}
    assert trainer.describe()["precision"] == "bf16"
    assert trainer.evaluate((x, target))["accuracy"] > 0.9
    assert len(history) == 20
    values = trainer.predict(x)
    np.testing.assert_array_equal(values, round_bfloat16(values))
