"""A model trained in glass mode beside its twin trained by a compiled step."""

import copy

import numpy as np

import chainrule as cr
from chainrule import nn, optim


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def cnn():
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, (2, 2)), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(8, 3),
    )  # fmt: skip


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 5)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        return self.out(self.table((x.abs() * 2).long().clamp(0, 6)).mean(1))


MODELS = {"mlp": mlp, "cnn": cnn, "embedding": Words}
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, 0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True),
    "average": lambda p: optim.SGD(p, 0.1, 0.9, momentum_form="average"),
    "adam": lambda p: optim.Adam(p, 1e-2),
    "amsgrad": lambda p: optim.Adam(p, 1e-2, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, 1e-2, weight_decay=0.1),
}


class Pair:
    """A model trained in glass mode, and its twin trained by a compiled step."""

    def __init__(self, build=mlp, rule=OPTIMIZERS["adam"], body=None, **options):
        cr.manual_seed(0)
        self.models = [build()]
        self.models.append(copy.deepcopy(self.models[0]))
        self.optimizers = [rule(list(m.parameters())) for m in self.models]
        self.steps = [
            (body or training_step)(m, o) for m, o in zip(self.models, self.optimizers, strict=True)
        ]
        self.compiled = self.steps[1] = cr.compile(self.steps[1], **options)
        self.random = np.random.default_rng(0)
        self.place = cr.get_rng_state()

    def batch(self, n=5):
        x = self.random.standard_normal((n, 6)).astype(np.float32)
        return cr.tensor(x), cr.tensor(self.random.integers(0, 3, n))

    def run(self, times=1, n=5, prepare=None):
        for _ in range(times):
            batch, results = self.batch(n), []
            start = self.place
            for step, model, optimizer in zip(
                self.steps, self.models, self.optimizers, strict=True
            ):
                cr.set_rng_state(start)
                if prepare is not None:
                    prepare(model, optimizer)
                results.append(step(*batch))
                self.place, before = cr.get_rng_state(), self.place
                if step is self.compiled:
                    assert self.place == before, "as many random numbers are drawn"
            glass, other = (np.asarray(r.detach()._data) for r in results)
            assert np.array_equal(glass, other)
            self.check()

    def check(self):
        one, two = self.models
        for (key, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
            assert cr.equal(a, b), key
        first, second = (o.state_dict() for o in self.optimizers)
        assert first["param_groups"] == second["param_groups"]
        for i, state in first["state"].items():
            for name, value in state.items():
                assert cr.equal(value, second["state"][i][name]), name


def training_step(model, optimizer):
    loss_of = nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
