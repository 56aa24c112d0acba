"""Programs in mixed precision: which kernels they get, and that every shape agrees with glass."""

import dataclasses

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compile.native import Native
from chainrule.compile.passes import optimize
from chainrule.compile.runtime.target import host

pytestmark = pytest.mark.skipif(not host().bf16, reason="needs the bfloat16 dot product")
rng = np.random.default_rng(0)


def draw(*shape):
    return cr.tensor(rng.standard_normal(shape).astype(np.float32))


def step_of(model):
    def step(x):
        with cr.autocast("bfloat16"):
            y = model(x)
            y = y[0] if isinstance(y, tuple) else y
            loss = (y.float() ** 2).mean()
        loss.backward()
        return y.float(), loss

    return step


def traced(model, x):
    model.zero_grad()
    return cr.compile.trace(step_of(model), x)


def kinds(program, **options):
    """The kinds of kernels, and whether their operands are in pairs; those of scans too."""
    target = dataclasses.replace(host(), **options)
    plan = Native(program.graph, 2, True, target).design().plan
    nests = [*plan.nests, *(n for outer in plan.nests if outer.body for n in outer.body.plan.nests)]
    return {(n.contraction.kind, n.contraction.pairs) for n in nests if n.contraction}


NETWORKS = {
    "linear": (lambda: nn.Sequential(nn.Linear(33, 17), nn.GELU(), nn.Linear(17, 5)), (33,)),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 12, 3, stride=2, groups=4), nn.Tanh(), nn.Conv2d(12, 12, 3, groups=12),
            nn.Flatten(), nn.Linear(108, 7),
        ),
        (3, 11, 11),
    ),
    "one dimension": (lambda: nn.Sequential(nn.Conv1d(3, 5, 4), nn.ReLU(), nn.Flatten()), (3, 14)),
    "long batch": (lambda: nn.Sequential(nn.Linear(7, 9, bias=False), nn.Sigmoid()), (7,)),
}  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 3, 16, 33, 64])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_batch_agrees_with_glass_mode(name, batch, threads):
    make, shape = NETWORKS[name]
    model, x = make(), draw(5 * batch if name == "long batch" else batch, *shape)
    y, loss = step_of(model)(x)
    wanted = [p.grad.numpy().copy() for p in model.parameters()]
    program = traced(model, x)
    program.executable = Native(program.graph, threads, True)
    found, again = program(x)
    np.testing.assert_allclose(again.item(), loss.item(), rtol=1e-3)
    scale = np.abs(y.detach().numpy()).max()
    np.testing.assert_allclose(found.detach().numpy(), y.detach().numpy(), atol=0.01 * scale)
    for p, w in zip(model.parameters(), wanted, strict=True):
        # A sum in another order may round to the neighbour: 2⁻⁸ of a few elements.
        np.testing.assert_allclose(p.grad.numpy(), w, atol=0.01 * np.abs(w).max())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_agree_with_glass_mode(kind, threads):
    model, x = getattr(nn, kind)(12, 24), draw(9, 32, 12)
    _, loss = step_of(model)(x)
    wanted = [p.grad.numpy().copy() for p in model.parameters()]
    program = traced(model, x)
    program.executable = Native(program.graph, threads, True)
    _, again = program(x)
    np.testing.assert_allclose(again.item(), loss.item(), rtol=1e-3)
    for p, w in zip(model.parameters(), wanted, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), w, atol=0.01 * np.abs(w).max())


def test_products_get_native_kernels():
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(72, 3)
    )
    found = kinds(traced(model, draw(64, 4, 7, 7)))
    wanted = {("conv", True), ("conv_input", True), ("conv_weight_part", True), ("linear", True)}
    assert wanted <= found
    assert not {(kind, False) for kind, _ in wanted} & found
    assert not any(pairs for _, pairs in kinds(traced(model, draw(64, 4, 7, 7)), bf16=False))


def test_recurrent_products_get_native_kernels():
    found = kinds(traced(nn.LSTM(8, 16), draw(5, 32, 8)))
    assert ("matmul", True) in found
    assert ("matmul", False) not in found


def test_float32_programs_have_no_pairs():
    model, x = nn.Linear(8, 8), draw(32, 8)
    assert not any(pairs for _, pairs in kinds(cr.compile.trace(lambda x: model(x), x)))


def test_operands_are_not_stored_twice():
    """A product takes what is rounded for it alone before it is rounded."""
    model, x = nn.Linear(8, 8), draw(32, 8)
    plan = Native(traced(model, x).graph, 1, True).design().plan
    paired = [n.contraction.operands[0][0] for n in plan.nests if n.contraction
              and n.contraction.kind == "pair"]  # fmt: skip
    assert any(buffer.kind == "state" for buffer in paired)  # the weight itself


def test_roundings_stand_last_and_once():
    w = draw(4, 6)

    def product(x):
        low = x.bfloat16().T.bfloat16().float().relu().bfloat16()
        with cr.autocast("bfloat16"):
            return (low @ w.T).float()

    steps = optimize(cr.compile.trace(product, draw(6, 3)).graph).instructions
    names = [i.primitive for i in steps]
    assert names.count("astype") == 3  # x, w and the result
    assert names.index("permute_dims") < names.index("astype")
