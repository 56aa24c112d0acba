"""What a run says when its loss is no number: the sample, or the operation and the step."""

import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.data import ArrayDataset, DataLoader, IterableDataset
from chainrule.graph.modes import mode
from chainrule.train import LambdaCallback, TerminateOnNaN, Trainer, TrainingWarning
from chainrule.train.kept import Kept


def told(trainer, data, **settings):
    """The one warning of a run, and its history."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = trainer.fit(data, verbose=0, **settings)
    (text,) = [str(w.message) for w in caught if w.category is TrainingWarning]
    assert "\n" not in text and text == history.config["not_finite"]
    assert mode.anomaly is None
    return text, history


def steep(output, target):
    """A loss that takes the logarithm of probabilities which become 0."""
    p = cr.softmax(output * 50, dim=-1)
    return -p.log()[cr.arange(len(target)), target].mean()


# ---- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_sample_that_is_no_number(blobs, mlp, shuffle):
    x, y = blobs
    x[40, 1] = np.nan
    text, _ = told(Trainer(mlp(), seed=3), (x, y), batch_size=16, shuffle=shuffle)
    assert "sample 40 of the data (from 0)," in text and "is nan at [1]" in text
    assert shuffle or "step 3 (epoch 1). The input in row 8 of the batch" in text


def test_targets_streams_and_samplers(blobs, mlp):
    x, y = blobs
    target = np.zeros((90, 3), np.float32)
    target[5:7] = np.inf
    text, _ = told(Trainer(mlp(), "mse"), (x, target), shuffle=False)
    assert "The target in row 5 of the batch, sample 5 of the data" in text
    assert "in 2 rows of the batch" in text
    x[3] = np.nan
    loader = DataLoader(ArrayDataset(x, y), 8, sampler=range(90))
    assert loader.indices_of(0, 0) is None
    text, _ = told(Trainer(mlp()), loader)
    assert "in row 3 of the batch is nan" in text

    class Stream(IterableDataset):
        def __iter__(self):
            return zip(x, y, strict=True)

    text, _ = told(Trainer(mlp()), DataLoader(Stream(), 8))
    assert "in row 3 of the batch is nan" in text


# ---- operations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("compile", [True, False])
def test_the_step_before_that_broke_the_parameters(blobs, mlp, compile):
    trainer = Trainer(mlp(), steep, lr=0.05, compile=compile)
    text, history = told(trainer, blobs, epochs=30, batch_size=16)
    step = len(history.step_loss)
    assert f"It began with step {step - 1}, whose update made the parameters nan." in text
    assert "First cause: the backward of log gave nan at x[" in text and " = 0.0" in text
    assert "test_not_finite.py line" in text and "x.clamp(min=1e-12).log()" in text
    assert f"With a rate of 0.005 steps 1 to {step - 1} stay finite" in text
    assert "no later step could have a loss" in history.stopped


def test_the_search_leaves_the_run_as_it_was(blobs, mlp, digest, monkeypatch):
    """As long as parameters are finite the run goes on, with the bits of one without a search."""

    def once(step):
        # Infinite without a gradient: a loss that no update hears of.
        def loss(output, target):
            seen.append(0)
            extra = cr.tensor(0.0).log() if mode.anomaly is not None or len(seen) == step else 0
            return nn.functional.cross_entropy(output, target) + extra

        return loss

    results = []
    for find in (True, False):
        seen = []
        cr.manual_seed(5)
        model = nn.Sequential(mlp(), nn.Dropout(0.5), nn.BatchNorm1d(3))
        trainer = Trainer(model, once(3), lr=0.01, seed=1, compile=False)
        if not find:
            monkeypatch.setattr("chainrule.train.not_finite.Causes.find", lambda self: None)
        text, history = told(trainer, blobs, epochs=2, batch_size=16)
        assert ("log at x = 0.0 gave -inf" in text) == find
        assert history.stopped is None and len(history) == 2
        results.append((digest(model), history.step_loss.tolist()))
    np.testing.assert_equal(*results)


def test_a_rate_that_is_too_large(blobs, mlp):
    trainer = Trainer(mlp(), lambda o, _: (o**2).mean(), "sgd", lr=1e3)
    text, history = told(trainer, blobs, epochs=50, batch_size=16)
    assert "The loss had grown from " in text and "rate of 100 " in text and "tried" in text
    assert "trainer.fit" not in text  # the line of the call says nothing


def test_without_a_copy_of_the_state_it_says_so(blobs, mlp, monkeypatch):
    monkeypatch.setattr("chainrule.train.not_finite._LARGEST", 10)
    text, _ = told(Trainer(mlp(), steep, lr=0.05), blobs, epochs=30, batch_size=16)
    assert "The parameters hold nan (first: 0.weight) after this step at the latest." in text


def test_a_callback_may_mend_the_parameters(blobs, mlp):
    trainer = Trainer(mlp(), steep, lr=0.05)
    good = Kept(trainer.model, trainer.optimizer)
    mend = LambdaCallback(on_step_end=lambda run: np.isnan(run.loss) and good.restore())
    _, history = told(trainer, blobs, epochs=5, batch_size=16, callbacks=[mend])
    assert history.stopped is None and len(history) == 5


def test_terminate_on_nan_names_the_cause(blobs, mlp):
    settings = dict(epochs=30, batch_size=16, callbacks=[TerminateOnNaN()])
    _, history = told(Trainer(mlp(), steep, lr=0.05), blobs, **settings)
    assert history.stopped.startswith("The loss is nan at step ")
    assert "First cause: the backward of log" in history.stopped


def test_the_search_that_fails_is_silent(blobs, mlp, monkeypatch):
    def fails(self, now):
        raise RuntimeError

    monkeypatch.setattr("chainrule.train.not_finite.Causes._in_steps", fails)
    text, _ = told(Trainer(mlp(), steep, lr=0.05), blobs, epochs=30, batch_size=16)
    assert "training has diverged. Try a smaller learning rate than 0.05" in text
