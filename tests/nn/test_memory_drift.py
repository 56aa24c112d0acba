"""Training does not grow: 1,000 steps with the collector off, 10,000 with CHAINRULE_SLOW=1."""

import os
import subprocess
import sys

import pytest

STEPS = 10_000 if os.environ.get("CHAINRULE_SLOW") else 1_000
PROGRAM = """
import gc, sys
import chainrule as cr
from chainrule import nn, optim

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

cr.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2),
                      nn.Flatten(), nn.Dropout(0.1), nn.Linear(864, 10))
optimizer = optim.Adam(model.parameters())
loss_of = nn.CrossEntropyLoss()
x, y = cr.randn(8, 1, 28, 28), cr.randint(0, 10, (8,))
gc.disable()

def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model(x), y).backward()
        optimizer.step()

steps = int(sys.argv[1])
train(steps // 4)
before = resident()
train(steps)
print(resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_training_steps_do_not_grow():
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(STEPS)], capture_output=True, text=True, check=True
    )
    assert int(out.stdout) < 1_000_000
