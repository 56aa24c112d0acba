"""Every vector width: whole training steps are made for each instruction set, and run where they
can; nothing above the emitter knows a processor."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compile import backend
from chainrule.compile.emit.program import ProgramWriter
from chainrule.compile.native import Native
from chainrule.compile.passes import optimize
from chainrule.compile.runtime import CodeError, compile_object, generic, host
from chainrule.compile.schedule.order import make_plan

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")


class Last(nn.Module):
    def forward(self, x):
        return x[0][-1]


NETS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(20, 33), nn.GELU(), nn.Linear(33, 3)), (20,)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 5, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
            nn.Conv2d(5, 6, 3, padding=1, groups=1), nn.Sigmoid(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(24, 3),
        ),
        (2, 7, 8),
    ),
    "lstm": (lambda: nn.Sequential(nn.LSTM(4, 6), Last(), nn.Linear(6, 3)), (3, 4)),
}  # fmt: skip


def step_of(name, n=18):
    cr.manual_seed(0)
    build, shape = NETS[name]
    net, loss_of = build(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(net.parameters(), 1e-2)

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(net(x.transpose(0, 1) if name == "lstm" else x), y)
        loss.backward()
        optimizer.step()
        return loss

    return net, step, cr.randn(n, *shape), cr.randint(0, 3, (n,))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("target", ["avx512", "avx2", "sse2"])
def test_steps_agree_at_every_width(name, target):
    made = generic(target)
    if made.width > host().width:
        pytest.skip(f"this machine has no {target}")
    glass, step, x, y = step_of(name)
    expected = [step(x, y).item() for _ in range(3)]
    state = {k: v.numpy() for k, v in glass.state_dict().items()}
    net, step, x, y = step_of(name)
    program = cr.compile.trace(step, x, y)
    program.executable = Native(program.graph, 2, False, made)
    np.testing.assert_allclose([program(x, y).item() for _ in range(3)], expected, rtol=2e-5)
    for key, value in net.state_dict().items():
        np.testing.assert_allclose(value.numpy(), state[key], rtol=1e-3, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", NETS)
def test_object_code_for_another_architecture(name):
    _, step, x, y = step_of(name)
    target = generic("aarch64")
    plan, planner = make_plan(
        optimize(cr.compile.trace(step, x, y).graph), target.lanes(4), 2, False, 32, optimize
    )
    text = ProgramWriter(plan, target, planner.low.new).text()
    try:
        code = compile_object(text, target)
    except CodeError as error:
        pytest.fail(str(error))
    assert len(code) > 1000 and code[:4] == b"\x7fELF"
