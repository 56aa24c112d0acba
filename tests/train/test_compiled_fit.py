"""`fit` with compiled steps: the bits of glass mode, and a way back where none can be made."""

import numpy as np
import pytest

from chainrule import nn
from chainrule.compile import CompileWarning, backend
from chainrule.ops.random import manual_seed
from chainrule.train import Callback, EarlyStopping, Recorder, Trainer


@pytest.fixture(autouse=True)
def replay(monkeypatch):
    monkeypatch.setattr(backend, "native_available", lambda: True)
    monkeypatch.setattr(backend, "build", lambda graph, *_: backend.Replay(graph))


def deep():
    return nn.Sequential(
        nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)
    )


def fitted(data, callbacks=(), model=None, **options):
    manual_seed(0)
    trainer = Trainer(
        (model or deep)(), metrics=["accuracy"], scheduler="one_cycle", clip_grad_norm=1.0,
        seed=3, lr=0.05, **options,
    )  # fmt: skip
    history = trainer.fit(data, data, epochs=3, batch_size=16, callbacks=list(callbacks), verbose=0)
    return trainer, history


def rows(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.epochs]


def test_a_fit_is_the_same_to_the_bit(blobs, digest):
    glass, expected = fitted(blobs, compile=False)
    trainer, history = fitted(blobs)
    assert digest(trainer.model) == digest(glass.model)
    assert rows(history) == rows(expected)
    assert np.array_equal(trainer.predict(blobs[0]), glass.predict(blobs[0]))
    assert trainer._step._compiled.stats()["compiled"] == 2, "full batches and the last one"
    assert glass._step._compiled is None


def test_without_native_code_the_steps_stay_in_glass_mode(blobs, monkeypatch):
    monkeypatch.setattr(backend, "native_available", lambda: False)
    trainer, _ = fitted(blobs)
    assert trainer._step._compiled is None


def test_steps_that_are_looked_into_run_in_glass_mode(blobs, digest):
    class Norms(Callback):
        def __init__(self):
            self.seen = []

        def on_gradients(self, run):
            self.seen.append(float((next(run.model.parameters()).grad ** 2).sum()))

    glass, expected = fitted(blobs, [Recorder(samples=2)], compile=False)
    trainer, history = fitted(blobs, [Recorder(samples=2), EarlyStopping("loss", patience=9)])
    assert history.layers == expected.layers and digest(trainer.model) == digest(glass.model)
    assert 0 < trainer._step._compiled.stats()["calls"] < 18
    norms = Norms()
    fitted(blobs, [norms])
    assert len(norms.seen) == 18


def test_a_model_that_branches_on_values_trains_in_glass_mode_after_one_warning(blobs, digest):
    class Branching(nn.Sequential):
        def forward(self, x):
            y = super().forward(x)
            return y if y.mean() > 0 else y * 1

    def build():
        return Branching(*deep())

    glass, _ = fitted(blobs, compile=False, model=build)
    with pytest.warns(CompileWarning, match=r"test_compiled_fit\.py:\d+") as caught:
        trainer, _ = fitted(blobs, model=build)
    # One for the steps, one for evaluation: each is a program of its own.
    assert len(caught) == 2
    assert digest(trainer.model) == digest(glass.model)


def test_errors_of_the_data_are_those_of_glass_mode(blobs):
    x, y = blobs
    messages = []
    for compile in (False, True):
        with pytest.raises(Exception) as error:
            fitted((x, y + 1), compile=compile)
        messages.append((type(error.value), str(error.value)))
    assert messages[0] == messages[1]
