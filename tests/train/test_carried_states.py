"""Truncated backpropagation through time: states that go from step to step."""

import numpy as np
import pytest

from chainrule import models, train
from chainrule.data.text import TextStreams
from chainrule.files import save_checkpoint
from chainrule.graph import Tensor, no_grad
from chainrule.nn import functional as F
from chainrule.nn.utils.rnn import detach_states
from chainrule.ops.random import manual_seed
from chainrule.train.run import read_checkpoint

KINDS = ("char-rnn", "char-lstm", "char-gru")


def streams(seed=0, n=400):
    ids = np.random.default_rng(seed).integers(0, 6, n)
    return TextStreams(ids, 4, 8)


def trainer(kind, folder=None, **options):
    manual_seed(0)
    model = models.build(kind, (8,), 6, embedding=4, hidden=8, dropout=0.2)
    options = {"lr": 0.1, "seed": 3, "clip_grad_norm": 1.0} | options
    return train.Trainer(
        model, "cross_entropy", "sgd", ["perplexity"], "one_cycle", run_dir=folder, **options
    )


def weights(model):
    return {name: np.array(x._data) for name, x in model.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_loop_written_by_hand(kind):
    made = trainer(kind, compile=False, clip_grad_norm=None)
    made.model.dropout.p = 0.0
    manual_seed(0)
    other = models.build(kind, (8,), 6, embedding=4, hidden=8)
    made.scheduler = None
    made.fit(streams(), epochs=2, verbose=0)
    for _ in range(2):
        states = other.initial_state(4)
        for x, y in streams():
            other.zero_grad()
            logits, states = other(Tensor(x), detach_states(states))
            F.cross_entropy(logits, Tensor(y)).backward()
            with no_grad():
                for p in other.parameters():
                    p -= 0.1 * p.grad
    for name, value in weights(other).items():
        np.testing.assert_allclose(weights(made.model)[name], value, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_is_glass(kind):
    rows = []
    for compile in (True, False):
        made = trainer(kind, compile=compile)
        history = made.fit(streams(), streams(1), epochs=2, verbose=0)
        rows.append([row["val_perplexity"] for row in history.epochs])
    np.testing.assert_allclose(*rows, rtol=1e-5)


class Stop(train.Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, run):
        if run.step == self.step:
            run.stop("enough")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [12, 17])  # an epoch has 12
def test_a_resumed_run_has_the_same_bits(kind, step, tmp_path):
    whole = trainer(kind)
    whole.fit(streams(), streams(1), epochs=3, verbose=0)
    cut = trainer(kind, tmp_path)
    cut.fit(streams(), streams(1), epochs=3, callbacks=[Stop(step)], verbose=0)
    saved = read_checkpoint(tmp_path / "checkpoint")
    assert (saved["state"] is None) == (saved["run"]["batch"] == 0)
    # The reason to stop is part of what was saved, and would end the resumed run as well.
    saved["history"]["stopped"] = None
    save_checkpoint(tmp_path / "checkpoint", saved)
    again = trainer(kind, tmp_path)
    again.fit(streams(), streams(1), epochs=3, verbose=0, resume=tmp_path / "checkpoint")
    assert len(again.history) == 3
    assert_same(weights(whole.model), weights(again.model))
    assert again.history["val_perplexity"] == whole.history["val_perplexity"]


def test_evaluation_and_prediction_read_each_stretch_as_a_whole():
    made = trainer("char-lstm")
    made.fit(streams(), epochs=1, verbose=0)
    data = streams(2)
    x = np.concatenate([x for x, _ in data], axis=1)
    y = np.concatenate([y for _, y in data], axis=1)
    with no_grad():
        logits = made.model(Tensor(x))
    expected = F.cross_entropy(logits, Tensor(y)).item()
    assert made.evaluate(data)["loss"] == pytest.approx(expected, rel=1e-5)
    pieces = made.predict(data).reshape(len(data), 4, 6, 8)
    np.testing.assert_allclose(
        np.concatenate(list(pieces), axis=2), np.asarray(logits._data), atol=1e-5
    )


def test_mixed_precision_keeps_the_state_in_the_models_dtype():
    made = trainer("char-lstm", precision="bf16")
    history = made.fit(streams(), epochs=2, verbose=0)
    assert np.isfinite(history["loss"]).all()
    assert {x.dtype.name for x in made._run.state} == {"float32"}
    assert made._step._compiled.stats()["compiled"] == 1


def test_a_perplexity_too_large_for_a_float_is_infinite():
    made = trainer("char-gru", lr=1e8, clip_grad_norm=None)
    history = made.fit(streams(), streams(1), epochs=2, verbose=0)
    assert history["val_perplexity"][-1] == np.inf and np.isfinite(history["val_loss"][-1])


def test_gradients_end_at_the_piece():
    """What the state was computed from is not kept, however long the text."""
    made = trainer("char-gru", compile=False)
    state = made.model.initial_state(4)
    for x, y in streams():
        _, _, state = made.train_step((Tensor(x),), Tensor(y), state)
        assert state._node is None and not state.requires_grad
