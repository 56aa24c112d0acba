"""Watched runs: what the buttons do, and that watching changes nothing."""

import importlib
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.explain.watch import Watch, callback
from chainrule.train import Recorder, Trainer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
watching = importlib.import_module("watching")
sys.path.remove(str(HERE))
Watched, wait_for = watching.Watched, watching.wait_for
data, network = watching.data, watching.network


@pytest.fixture
def watched(capsys):
    run = Watched()
    yield run
    run.end()


# ---- what the buttons do -----------------------------------------------------------------------


def test_pause_step_and_resume(watched):
    watched.press("pause")
    wait_for(lambda: watched.watch._holding)
    before = watched.step
    time.sleep(0.05)
    assert watched.step == before
    for step in (before + 1, before + 2):
        watched.press("step")
        wait_for(lambda step=step: watched.step == step and watched.watch._holding)
        assert watched.watch._record.snapshot().content["last"]["step"] == step
    watched.press("resume")
    wait_for(lambda: watched.step > before + 20)
    assert not watched.watch.control.paused
    # In the middle of a run, a step is a pause.
    watched.press("step")
    wait_for(lambda: watched.watch._holding)


@pytest.mark.parametrize("paused", [False, True])
def test_stop_saves_the_checkpoint_as_ctrl_c_does(tmp_path, capsys, paused):
    run = Watched(run_dir=tmp_path)
    wait_for(lambda: run.step > 3)
    if paused:
        run.press("pause")
        wait_for(lambda: run.watch._holding)
    step = run.step
    run.end()
    assert run.history.interrupted and run.history.stopped is None
    assert not paused or run.step == step
    history = run.trainer.history
    again = Trainer(network(), metrics=["accuracy"], lr=1e-3, compile=False, seed=1)
    epochs = len(history) + 2
    resumed = again.fit(
        data(), data(20), epochs, batch_size=32, verbose=0, resume=tmp_path / "checkpoint"
    )
    assert len(resumed) == epochs and not resumed.interrupted
    assert resumed.step_loss[: len(history.step_loss)] == history.step_loss


def test_a_resumed_run_shows_what_was_before(tmp_path, capsys):
    run = Watched(run_dir=tmp_path)
    wait_for(lambda: len(run.trainer.history) > 2)
    run.end()
    before = run.trainer.history
    watch = Watch()
    again = Trainer(network(), metrics=["accuracy"], lr=1e-3, compile=False, seed=1)
    again.fit(data(), data(20), len(before) + 1, [watch], batch_size=32, verbose=0,
              resume=tmp_path / "checkpoint")  # fmt: skip
    content = watch._record.snapshot().content
    assert content["epochs"][0]["epoch"] == 1
    assert content["epochs"][-1]["epoch"] == len(before) + 1
    assert content["points"][0][0] <= 2


# ---- watching changes nothing ------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_watching_changes_no_bit(capsys, monkeypatch, compiled):
    # So that each step is looked at.
    monkeypatch.setattr(callback, "_SHARE", 1e9)
    monkeypatch.setattr(Watch, "_interval", lambda self: 0.0)
    looks = []

    def trained(watch):
        model = network()
        trainer = Trainer(model, metrics=["accuracy"], lr=1e-3, compile=compiled, seed=1)
        callbacks = [Recorder()]
        if watch:
            callbacks.insert(0, Watch())
        history = trainer.fit(data(), data(20), 4, callbacks, batch_size=24, verbose=0)
        looks.append(getattr(callbacks[0], "looks", 0))
        state = {name: value.numpy().copy() for name, value in model.state_dict().items()}
        return state, list(history.step_loss), history.layers

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, watched = trained(False), trained(True)
    assert looks == [0, 12]
    assert plain[1] == watched[1] and plain[2] == watched[2]
    for name, value in plain[0].items():
        np.testing.assert_array_equal(value, watched[0][name])


def test_a_network_that_cannot_be_looked_into_trains_all_the_same(capsys):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.calls = network(), 0

        def forward(self, x):
            self.calls += 1
            if self.training and self.calls == 1:
                raise RuntimeError("only here")
            return self.inner(x)

    watch = Watch()
    history = Trainer(Odd(), compile=False).fit(data(), epochs=2, callbacks=[watch], verbose=0)
    assert len(history) == 2 and watch._broken == "RuntimeError: only here"


def test_fit_watches_by_name(capsys):
    Trainer(network(), compile=False).fit(data(), watch=True, verbose=0)
    assert "http://127.0.0.1:" in capsys.readouterr().err
    with pytest.raises(ArgumentError):
        Trainer(network(), compile=False).fit(data(), watch="yes", verbose=0)
