"""Native programs compute what glass mode computes: whole steps, at any number of threads."""

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compile import backend
from chainrule.compile.native import Native

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")

MODELS = {
    "mlp": lambda: nn.Sequential(nn.Linear(12, 33), nn.Tanh(), nn.Linear(33, 3)),
    "cnn": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5),
        nn.ReLU(), nn.MaxPool2d((1, 2)), nn.Conv2d(5, 4, (2, 1)), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(4, 3),
    ),
    "lstm": lambda: nn.Sequential(
        nn.Unflatten(1, (4, 3)), nn.LSTM(3, 6), First(), nn.Linear(24, 3)
    ),
}  # fmt: skip
RULES = {
    "sgd": lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, 1e-2, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, 1e-2),
}


class First(nn.Module):
    def forward(self, x):
        return x[0].flatten(1)


def train(model, optimizer, batches, compiled):
    loss_of = nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = cr.compile(step) if compiled else step
    cr.manual_seed(1)
    losses = [run(x, y).item() for x, y in batches]
    if compiled:
        assert run.stats()["backend"] == "native"
    return losses


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("n", [32, 19, 5, 1])
def test_twenty_steps_equal_glass(build, rule, n):
    if build == "cnn" and n == 1:
        pytest.skip("batch norm has no variance of one sample")
    rng = np.random.default_rng(0)
    batches = [
        (cr.tensor(rng.standard_normal((n, 12)).astype(np.float32)),
         cr.tensor(rng.integers(0, 3, n)))
        for _ in range(20)
    ]  # fmt: skip
    cr.manual_seed(0)
    models = [MODELS[build]()]
    models.append(copy.deepcopy(models[0]))
    optimizers = [RULES[rule](list(m.parameters())) for m in models]
    losses = [
        train(m, o, batches, i == 1)
        for i, (m, o) in enumerate(zip(models, optimizers, strict=True))
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-5)
    for (key, a), b in zip(
        models[0].state_dict().items(), models[1].state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-4, atol=2e-5, err_msg=key)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_nothing_but_rounding(threads):
    x = cr.randn(50, 1, 9, 9)
    net = nn.Sequential(nn.Conv2d(1, 7, 3), nn.ReLU(), nn.Flatten(), nn.Linear(343, 3))
    program = cr.compile.trace(lambda x: net(x).sum(), x)
    native = Native(program.graph, threads, True)
    np.testing.assert_allclose(native([x.numpy()])[0], net(x).sum().item(), rtol=1e-4)


def test_every_stage_can_be_read():
    run = cr.compile(lambda x: (x * 2).exp().sum(1))
    run(cr.randn(40, 5))
    assert "exp" in run.inspect("graph") and "exp" in run.inspect("passes")
    assert "for" in run.inspect("schedule") and "sum[" in run.inspect("schedule")
    assert "define" in run.inspect("llvm") and "ret" in run.inspect("asm")
    with pytest.raises(cr.ChainruleError, match="schedule"):
        run.inspect("assembler")


def test_positions_that_are_read_from_memory():
    # Where the windows begin depends on the place by more than a formula: a table says it.
    x = cr.randn(2, 3, 23, 21, requires_grad=True)

    def step(x):
        y = nn.functional.adaptive_max_pool2d(x, (9, 8))
        (dx,) = cr.autograd.grad(y.square().sum(), x)
        return y, dx

    program = cr.compile.trace(step, x)
    program.executable = Native(program.graph, 2, False)
    for mine, theirs in zip(program(x), step(x), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-6)
