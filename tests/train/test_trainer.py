"""fit, evaluate, predict; names, shapes and data that do not fit."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, ChainruleError, DataError, ShapeError
from chainrule.data import ArrayDataset, DataLoader, IterableDataset, TensorDataset
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.ops.random import manual_seed
from chainrule.train import (
    LambdaCallback,
    Recorder,
    TerminateOnNaN,
    Trainer,
    TrainingWarning,
    decay_groups,
    loss_names,
    metric_names,
    optimizer_names,
)


def test_it_learns_and_records_every_epoch_and_step(blobs, mlp):
    trainer = Trainer(mlp(), optimizer="adam", lr=0.05, metrics=["accuracy", "f1"])
    history = trainer.fit(blobs, validation=blobs, epochs=8, batch_size=20, verbose=0)
    assert history.keys() == [
        "epoch", "loss", "accuracy", "f1", "val_loss", "val_accuracy", "val_f1", "lr", "seconds",
    ]  # fmt: skip
    assert history["epoch"] == list(range(1, 9)) and len(history.step_loss) == 8 * 5
    assert history["val_accuracy"][-1] == 1.0 and history["loss"][-1] < 0.2 < history["loss"][0]
    assert history.config["optimizer"] == "Adam" and history.config["batch_size"] == 20
    assert not trainer.model.training and trainer.history is history


def test_the_epochs_loss_weighs_the_small_last_batch_by_its_size(blobs, mlp):
    losses = []
    trainer = Trainer(mlp(), optimizer="sgd", lr=0.1)
    history = trainer.fit(
        blobs, epochs=1, batch_size=40, verbose=0,
        callbacks=[LambdaCallback(on_step_end=lambda run: losses.append(run.loss))],
    )  # fmt: skip
    assert history.step_loss.tolist() == losses and len(losses) == 3
    mean = (40 * losses[0] + 40 * losses[1] + 10 * losses[2]) / 90
    assert history["loss"] == [pytest.approx(mean)]


def test_it_takes_the_steps_that_a_loop_by_hand_takes(blobs, mlp, digest):
    """The Trainer adds nothing to the arithmetic: the same bits."""
    manual_seed(3)
    ours, theirs = mlp(), mlp()
    theirs.load_state_dict(ours.state_dict())
    Trainer(ours, optimizer="adam", lr=0.01, clip_grad_norm=0.5, seed=7, compile=False).fit(
        blobs, epochs=2, batch_size=32, verbose=0
    )
    loader = DataLoader(ArrayDataset(*blobs), 32, shuffle=True, seed=7)
    optimizer = optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(theirs(x), y).backward()
            nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
            optimizer.step()
    assert digest(ours) == digest(theirs)


def test_a_seed_repeats_a_run_and_a_second_fit_sees_another_order(blobs, digest):
    def run(seed):
        manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 3))
        trainer = Trainer(model, seed=seed)
        first = trainer.fit(blobs, epochs=1, batch_size=32, verbose=0)
        return digest(model), first, trainer

    one, two, other = run(1), run(1), run(2)
    assert one[0] == two[0] != other[0]
    order = []
    watch = LambdaCallback(on_step_begin=lambda run: order.append(run.loader.epoch))
    one[2].fit(blobs, epochs=1, batch_size=90, verbose=0, callbacks=[watch])
    assert order == [2]  # epoch 1 of the loader is in progress, the next is 2


def test_data_come_in_every_form(blobs, mlp, digest):
    x, y = blobs
    forms = [
        (x, y),
        (x.astype(np.float64), y.tolist()),
        (Tensor(x), Tensor(y)),
        ArrayDataset(x, y),
        TensorDataset(Tensor(x), Tensor(y)),
        DataLoader(ArrayDataset(x, y), 30),
        [(a, b) for a, b in zip(x, y, strict=True)],
    ]
    results = set()
    for form in forms[:-1]:
        manual_seed(0)
        trainer = Trainer(mlp(), optimizer="sgd", lr=0.1, metrics="accuracy")
        trainer.fit(form, validation=form, epochs=1, batch_size=30, shuffle=False, verbose=0)
        results.add(digest(trainer.model))
    assert len(results) == 1
    with pytest.raises(ArgumentError, match=r"tuple \(x, y\)"):
        trainer.fit(forms[-1], verbose=0)


def test_a_stream_and_two_inputs(mlp):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([(np.full(2, k, np.float32), np.int64(k % 3)) for k in range(10)])

    history = Trainer(mlp()).fit(Stream(), epochs=2, batch_size=4, verbose=0)
    assert len(history.step_loss) == 6

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 1)

        def forward(self, a, b):
            return self.fc(a) + b

    a, b = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    trainer = Trainer(Sum(), "mse", metrics=["mae", "r2"])
    trainer.fit((a, b, 2 * b), epochs=1, verbose=0)
    assert trainer.predict((a, b, b)).shape == (8, 1)


def test_evaluate_and_predict_agree_and_leave_everything_as_it_was(blobs, digest):
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    trainer = Trainer(model, metrics=["accuracy"])
    model.train()
    model[1].eval()
    before = digest(model)
    loader = DataLoader(ArrayDataset(*blobs), 16, shuffle=True, seed=1)
    loader.set_epoch(5)
    result = trainer.evaluate(loader)
    assert result == trainer.evaluate(loader) and loader.epoch == 5
    assert digest(model) == before and [m.training for m in model] == [True, False, True, True]
    outputs = trainer.predict(blobs[0], batch_size=7)
    assert outputs.shape == (90, 3) and outputs.dtype == np.float32
    assert result["accuracy"] == pytest.approx(np.mean(outputs.argmax(1) == blobs[1]))
    np.testing.assert_array_equal(outputs, trainer.predict(ArrayDataset(*blobs), batch_size=7))


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_precision_converts_model_and_inputs(blobs, precision, mlp):
    trainer = Trainer(mlp(), precision=precision, lr=0.05, metrics=["accuracy"])
    history = trainer.fit(blobs, epochs=4, batch_size=30, verbose=0)
    assert {p.dtype.name for p in trainer.model.parameters()} == {precision}
    assert history.best("accuracy")["accuracy"] > 0.5
    assert np.isfinite(trainer.predict(blobs[0])).all()


@pytest.mark.parametrize("name", loss_names())
def test_every_named_loss_trains(name, blobs):
    x, y = blobs
    layers = {"nll": nn.LogSoftmax(1), "bce": nn.Sigmoid()}
    model = nn.Sequential(nn.Linear(2, 3), layers.get(name, nn.Identity()))
    history = Trainer(model, name, "sgd", lr=0.05).fit((x, y), epochs=3, verbose=0)
    assert history["loss"][-1] < history["loss"][0]  # class indices, one-hot where needed


def test_binary_logits_are_cut_at_zero():
    x = np.array([[0.3], [-0.3]], np.float32)
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    y = np.array([[1], [0]])
    assert Trainer(model, "bce_with_logits", metrics=["accuracy"]).evaluate((x, y))["accuracy"] == 1
    assert Trainer(model, "mse", metrics=["accuracy"]).evaluate((x, y))["accuracy"] == 0.5


def test_clipping_bounds_the_gradients(blobs, mlp):
    seen = {}
    watch = LambdaCallback(
        on_gradients=lambda run: seen.update(before=largest(run.model)),
        on_step_end=lambda run: seen.update(after=largest(run.model)),
    )

    def largest(model):
        return max(float(np.abs(p.grad.numpy()).max()) for p in model.parameters())

    Trainer(mlp(), clip_grad_value=1e-3).fit(blobs, callbacks=[watch], verbose=0)
    assert seen["before"] > 0.01 and seen["after"] == pytest.approx(1e-3)


def test_decay_acts_on_weights_only():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    weights, others = decay_groups(model, 0.1)
    assert [p.ndim for p in weights["params"]] == [4, 2] and others["weight_decay"] == 0
    trainer = Trainer(model, optimizer="adamw", weight_decay=0.1)
    assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [0.1, 0.0]


def test_schedulers_step_when_they_should(blobs, mlp):
    def rates(**options):
        trainer = Trainer(mlp(), optimizer="sgd", lr=0.1, **options)
        return trainer.fit(blobs, validation=blobs, epochs=2, batch_size=45, verbose=0).step_lr

    halving = lambda o: optim.lr_scheduler.StepLR(o, 1, 0.5)  # noqa: E731

    def fixed(scheduler, **more):
        optimizer = optim.SGD((model := mlp()).parameters(), lr=0.1)
        trainer = Trainer(model, optimizer=optimizer, scheduler=scheduler(optimizer), **more)
        return trainer.fit(blobs, validation=blobs, epochs=2, batch_size=45, verbose=0).step_lr

    assert fixed(halving).tolist() == [0.1, 0.1, 0.05, 0.05]
    assert fixed(halving, scheduler_every="step").tolist() == [0.1, 0.05, 0.025, 0.0125]
    assert rates(scheduler=lambda o, n: halving(o)).tolist() == [0.1, 0.05, 0.025, 0.0125]
    assert rates(scheduler="cosine")[2] == pytest.approx(0.05)
    cycle = rates(scheduler="one_cycle")
    assert cycle[0] == pytest.approx(0.1 / 25) and cycle[-1] == pytest.approx(0.1 / 25 / 1e4)
    plateau = lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=10)  # noqa: E731
    assert len(set(fixed(plateau))) <= 2


def test_a_loss_that_is_no_number_warns_once_and_can_end_the_run(blobs, mlp):
    x = blobs[0].copy()
    x[0] = np.nan
    with pytest.warns(TrainingWarning, match="step 1 .epoch 1.*sample 0 of the data") as caught:
        history = Trainer(mlp()).fit((x, blobs[1]), epochs=2, batch_size=90, verbose=0)
    assert len(caught) == 1 and len(history.step_loss) == 1 and "0.weight" in history.stopped
    with pytest.warns(TrainingWarning):
        history = Trainer(mlp()).fit((x, blobs[1]), callbacks=[TerminateOnNaN()], verbose=0)
    assert "nan" in history.stopped and len(history.step_loss) <= 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(loss="crossentropy"), "did you mean 'cross_entropy'"),
        (dict(optimizer="adan"), "did you mean 'adam'"),
        (dict(metrics=["acc"]), "Known: accuracy"),
        (dict(scheduler="onecycle"), "did you mean 'one_cycle'"),
        (dict(optimizer="sgd", momentun=0.9), "momentun"),
        (dict(optimizer="sgd", lr=-1.0), "lr"),
        (dict(precision="float8"), "precision"),
        (dict(clip_grad_norm=0.0), "clip_grad_norm"),
        (dict(loss=3), "not 3"),
        (dict(scheduler="cosine", scheduler_every="day"), "'day'"),
        (dict(optimizer=optim.SGD(nn.Linear(2, 3).parameters(), lr=1.0)), "none of the parameters"),
    ],
)
def test_settings_that_are_not_known(settings, message, blobs, mlp):
    with pytest.raises(ArgumentError, match=message):
        Trainer(mlp(), **settings).fit(blobs, verbose=0)


@pytest.mark.parametrize(
    ("loss", "model", "target", "message"),
    [
        ("mse", nn.Linear(2, 1), np.zeros(90), r"\(64, 1\).*\(64,\).*reshape the targets"),
        (nn.MSELoss(), nn.Linear(2, 1), np.zeros(90), "reshape the targets"),
        ("mse", nn.Linear(2, 3), np.zeros((90, 4)), "last layer"),
        ("cross_entropy", nn.Linear(2, 3), np.zeros((90, 1), int), r"indices of shape \(64,\)"),
        ("nll", nn.Sequential(nn.Linear(2, 3), nn.Flatten(0)), np.zeros(90, int), "classes"),
        (lambda o, y: o, nn.Linear(2, 3), np.zeros(90, int), "must give one number"),
    ],
)
def test_outputs_that_do_not_fit_the_target(loss, model, target, message):
    x = np.zeros((90, 2), np.float32)
    with pytest.raises(ShapeError, match=message):
        Trainer(model, loss).fit((x, target), verbose=0)


@pytest.mark.parametrize("loss", ["cross_entropy", "quadratic"])
@pytest.mark.parametrize("label", [-1, 3])
def test_targets_outside_the_classes_are_refused(mlp, loss, label):
    x = np.zeros((4, 2), np.float32)
    with pytest.raises(ChainruleError, match=str(label)):
        Trainer(mlp(), loss).fit((x, np.array([0, 1, 2, label])), verbose=0)


def test_empty_data_and_batches_without_target(blobs, mlp):
    none = np.zeros((0, 2), np.float32)
    with pytest.raises(DataError, match="training data are empty"):
        Trainer(mlp()).fit((none, np.zeros(0, int)), verbose=0)
    with pytest.raises(DataError, match="validation data are empty"):
        Trainer(mlp()).fit(blobs, (none, np.zeros(0, int)), verbose=0)
    with pytest.raises(DataError, match="empty"):
        Trainer(mlp()).predict(none)
    with pytest.raises(DataError, match="input, target"):
        Trainer(mlp()).fit((blobs[0],), verbose=0)
    with pytest.raises(DataError, match="empty"):
        Trainer(mlp()).fit(DataLoader(ArrayDataset(*blobs), 100, drop_last=True), verbose=0)
    with pytest.raises(ArgumentError, match="nothing to train"):
        Trainer(nn.ReLU())


def test_names_are_listed():
    assert "accuracy" in metric_names() and "adamw" in optimizer_names()
    assert "optimizer" not in optimizer_names()


def test_one_plain_line_an_epoch_elsewhere(blobs, capsys, mlp):
    trainer = Trainer(mlp(), metrics=["accuracy"])
    trainer.fit(blobs, validation=blobs, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Epoch 1/2  loss ")
    assert all(word in lines[1] for word in ("accuracy", "val_loss", "val_accuracy", "lr", " s"))
    trainer.fit(blobs, epochs=1, verbose=0)
    assert capsys.readouterr().out == ""
    with pytest.raises(ArgumentError, match="verbose"):
        trainer.fit(blobs, verbose="loud")


def test_a_terminal_gets_a_bar_and_the_epochs_lines(blobs, mlp):
    from io import StringIO

    from rich.console import Console

    from chainrule.train.progress import Bar

    text = StringIO()
    bar = Bar(Console(file=text, force_terminal=True, width=100))
    Trainer(mlp()).fit(blobs, epochs=2, batch_size=10, verbose=0, callbacks=[bar])
    assert "━" in text.getvalue() and "/9" in text.getvalue()
    assert "Epoch 1/2  loss" in text.getvalue() and "Epoch 2/2  loss" in text.getvalue()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_memory_does_not_grow_with_the_steps(blobs, mlp):
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    seen = []
    watch = LambdaCallback(on_epoch_end=lambda run: seen.append(resident()))
    x, y = np.tile(blobs[0], (10, 1)), np.tile(blobs[1], 10)
    trainer = Trainer(mlp(), metrics=["accuracy", "f1"])
    trainer.fit((x, y), epochs=40, batch_size=9, callbacks=[Recorder(), watch], verbose=0)
    assert seen[-1] - seen[9] < 1_000_000  # over 3,000 steps


def test_progress_numbers():
    from chainrule.train.progress import number

    assert number("loss", 0.12345) == "0.1235" and number("loss", 1e-7) == "1.000e-07"
    assert number("lr", 8e-8) == "8e-08" and number("loss", math.nan) == "nan"


def test_the_warning_is_no_error_elsewhere(blobs, mlp):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trainer(mlp()).fit(blobs, verbose=0)
