"""Callbacks, the recorder, and Ctrl-C."""

import csv
import os
import signal
import threading
import time

import numpy as np
import pytest

from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.files import read_file
from chainrule.graph import Tensor
from chainrule.train import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LRScheduler,
    ModelCheckpoint,
    Recorder,
    Trainer,
)


def scripted(values, monitor="val_loss"):
    """A callback that writes chosen values into the epochs' rows."""

    def write(run):
        run.logs[monitor] = values[run.epoch - 1]

    return LambdaCallback(on_epoch_end=write)


def test_events_come_in_order(blobs, mlp):
    seen = []
    names = (
        "on_train_begin", "on_epoch_begin", "on_step_begin", "on_gradients", "on_step_end",
        "on_epoch_end", "on_train_end",
    )  # fmt: skip
    watch = LambdaCallback(**{name: lambda run, name=name: seen.append(name) for name in names})
    Trainer(mlp()).fit(blobs, epochs=2, batch_size=90, callbacks=[watch], verbose=0)
    assert seen == [names[0], *2 * names[1:6], names[6]]
    with pytest.raises(ArgumentError, match="on_epoch_end"):
        LambdaCallback(on_epoch_stop=print)


def test_close_is_called_after_an_error_too(blobs, mlp):
    class Broken(Callback):
        closed = False

        def on_step_end(self, run):
            raise RuntimeError("broken")

        def close(self):
            self.closed = True

    broken = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        Trainer(mlp()).fit(blobs, callbacks=[broken], verbose=0)
    assert broken.closed and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        ([3, 2, 2, 2, 2, 2], dict(patience=2), 4),
        ([3, 2, 2, 1, 2, 2], dict(patience=2), 6),
        ([3, 2.9, 2.8, 2.7, 2, 2], dict(patience=2, min_delta=0.5), 3),
        ([1, 2, 3, 3, 3, 3], dict(mode="max", patience=1), 4),
        ([np.nan, np.nan, 1, 1, 1, 1], dict(), 1),
    ],
)
def test_early_stopping(values, options, epochs, blobs, mlp):
    history = Trainer(mlp()).fit(
        blobs, epochs=6, callbacks=[scripted(values), EarlyStopping(**options)], verbose=0
    )
    assert len(history) == epochs
    assert (history.stopped is None) == (epochs == 6 and options["patience"] != 2)


def test_early_stopping_restores_the_best_weights(blobs, mlp, digest):
    kept = {}
    watch = LambdaCallback(on_epoch_end=lambda run: kept.update({run.epoch: digest(run.model)}))
    stop = EarlyStopping(patience=2, restore_best=True)
    trainer = Trainer(mlp(), lr=0.1)
    trainer.fit(blobs, epochs=9, callbacks=[scripted([3, 1, 2, 2]), watch, stop], verbose=0)
    assert len(kept) == 4 and digest(trainer.model) == kept[2] != kept[4]


def test_a_monitor_that_is_not_there_is_named(blobs, mlp):
    with pytest.raises(ArgumentError, match="'val_loss'.*epoch, loss, lr, seconds.*validation"):
        Trainer(mlp()).fit(blobs, callbacks=[EarlyStopping()], verbose=0)


def test_model_checkpoint_keeps_the_best_and_fills_in_names(blobs, mlp, digest, tmp_path):
    kept = {}
    watch = LambdaCallback(on_epoch_end=lambda run: kept.update({run.epoch: digest(run.model)}))
    best = ModelCheckpoint(tmp_path / "best.safetensors", save_best_only=True)
    each = ModelCheckpoint(tmp_path / "sub" / "{epoch:02d}-{loss:.1f}.safetensors", every=2)
    trainer = Trainer(mlp(), lr=0.1)
    trainer.fit(blobs, epochs=4, callbacks=[best, each, scripted([3, 1, 2, 2]), watch], verbose=0)
    model = mlp()
    tensors, _ = read_file(tmp_path / "best.safetensors")
    model.load_state_dict(tensors)
    assert digest(model) == kept[2]
    assert [p.name[:3] for p in sorted((tmp_path / "sub").iterdir())] == ["02-", "04-"]
    with pytest.raises(ArgumentError, match="Known: epoch, loss"):
        trainer.fit(blobs, callbacks=[ModelCheckpoint(tmp_path / "{accuracy}")], verbose=0)
    with pytest.raises(ArgumentError, match="every_steps"):
        ModelCheckpoint("a.safetensors", every_steps=3)


def test_csv_logger_writes_what_the_history_has(blobs, mlp, tmp_path):
    path = tmp_path / "logs" / "run.csv"
    history = Trainer(mlp(), metrics=["accuracy"], run_dir=tmp_path).fit(
        blobs, epochs=3, callbacks=[CSVLogger(path)], verbose=0
    )
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [{k: float(v) for k, v in row.items()} for row in rows] == history.epochs
    Trainer(mlp(), metrics=["accuracy"]).fit(
        blobs, epochs=5, callbacks=[CSVLogger(path)], verbose=0, resume=tmp_path / "checkpoint"
    )
    assert len(path.read_text().splitlines()) == 6


def test_lr_scheduler_sets_the_rate_of_every_group(blobs, mlp):
    trainer = Trainer(mlp(), optimizer="sgd", lr=0.8, weight_decay=0.1)
    history = trainer.fit(
        blobs, epochs=3, callbacks=[LRScheduler(lambda epoch, lr: lr / epoch)], verbose=0
    )
    assert history["lr"] == pytest.approx([0.8, 0.4, 0.4 / 3])
    assert len({group["lr"] for group in trainer.optimizer.param_groups}) == 1


def test_the_recorder_by_hand():
    """One step of one layer, every number worked out again."""
    x = np.array([[1.0, -2.0], [0.5, 0.0]], np.float32)
    y = np.array([[1.0], [0.0]], np.float32)
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    model[0].weight.data.copy_(Tensor(np.array([[4.0, 0.0]], np.float32)))
    model[0].bias.data.fill_(0.0)
    history = Trainer(model, "mse", "sgd", lr=0.5).fit(
        (x, y), callbacks=[Recorder()], shuffle=False, verbose=0
    )
    z = np.array([4.0, 2.0])
    h = 1 / (1 + np.exp(-z))
    delta = (h - y[:, 0]) * h * (1 - h)
    gradient = np.array([*(delta @ x), delta.sum()])
    layer, sigma = history.layers["0"][0], history.layers["1"][0]
    assert layer["act_mean"] == pytest.approx(3.0) and layer["act_std"] == pytest.approx(1.0)
    assert layer["grad_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    assert layer["grad_mean_abs"] == pytest.approx(np.abs(gradient).mean(), rel=1e-5)
    assert layer["update_ratio"] == pytest.approx(0.5 * np.linalg.norm(gradient) / 4.0, rel=1e-4)
    assert sigma["saturated"] == 0.5  # σ(4) = 0.98 is within 5 % of 1, σ(2) = 0.88 is not
    assert set(sigma) == {"epoch", "act_mean", "act_std", "saturated"}


def test_the_recorder_looks_at_some_epochs_of_a_long_run(blobs):
    def looked_at(epochs, **options):
        model = nn.Sequential(nn.Linear(2, 3))
        history = Trainer(model, optimizer="sgd").fit(
            blobs, epochs=epochs, callbacks=[Recorder(**options)], verbose=0
        )
        return [row["epoch"] for row in history.layers["0"]]

    assert looked_at(3) == [1, 2, 3]
    assert looked_at(60) == [*range(1, 61, 2), 60]
    assert looked_at(8, every=3) == [1, 4, 7, 8]


def test_the_recorder_sees_dead_units_and_leaves_no_hooks(blobs):
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 3))
    model[0].bias.data.copy_(Tensor(np.array([9.0, -99.0, 9.0, 9.0], np.float32)))
    history = Trainer(model, optimizer="sgd", lr=1e-3).fit(
        blobs, epochs=3, batch_size=30, callbacks=[Recorder(samples=1)], verbose=0
    )
    assert list(history.layers) == ["0", "1", "3"]
    assert [row["dead"] for row in history.layers["1"]] == [0.25] * 3
    hooks = [module._call_hooks for module in model.modules()]
    assert not any(table.forward for table in hooks if table is not None)
    assert History.from_json(history.to_json()).layers == history.layers


def test_the_recorder_changes_no_bit(blobs, mlp, digest):
    def run(callbacks):
        from chainrule.ops.random import manual_seed

        manual_seed(0)
        trainer = Trainer(mlp(), seed=0)
        trainer.fit(blobs, epochs=3, batch_size=16, callbacks=callbacks, verbose=0)
        return digest(trainer.model)

    assert run([]) == run([Recorder(samples=3)])


def test_a_second_interrupt_raises_at_once(blobs, mlp):
    def twice(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    trainer = Trainer(mlp())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(blobs, callbacks=[LambdaCallback(on_step_end=twice)], verbose=0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_from_outside_ends_the_run_and_says_where_to_go_on(
    blobs, mlp, tmp_path, capsys
):
    trainer = Trainer(mlp(), run_dir=tmp_path)
    pause = LambdaCallback(on_step_end=lambda run: time.sleep(0.002))
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    history = trainer.fit(blobs, epochs=10_000, callbacks=[pause])
    assert history.interrupted and len(history) < 10_000
    assert f"resume from {tmp_path / 'checkpoint'}" in capsys.readouterr().out
    assert History.load(tmp_path / "history.json").interrupted


def test_fit_works_in_a_thread(blobs, mlp):
    done = []
    thread = threading.Thread(
        target=lambda: done.append(Trainer(mlp()).fit(blobs, verbose=0)), daemon=True
    )
    thread.start()
    thread.join(20)
    assert len(done) == 1 and len(done[0]) == 1
