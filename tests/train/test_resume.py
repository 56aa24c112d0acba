"""A run that was cut and resumed has the bits of the one that was not."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from chainrule import data, nn, optim
from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.compile import eager
from chainrule.data import transforms
from chainrule.files import save_checkpoint
from chainrule.ops import functional as ops
from chainrule.ops.arrays import native
from chainrule.ops.random import manual_seed
from chainrule.train import EarlyStopping, LambdaCallback, ModelCheckpoint, Recorder, Trainer

EPOCHS, BATCH = 4, 16
STEPS = 5  # 72 images, so the last batch of an epoch is a small one
CUTS = 5  # for each pair of network and optimiser


@pytest.fixture(scope="module", autouse=True)
def kernels_of_a_new_process():
    """An operation met in very many shapes stays on NumPy for further ones: whatever tests ran
    before, here it is as in the processes that are compared with this one."""
    native.offer(eager.source)


def network(kind):
    if kind == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10)
        )
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, stride=2), nn.BatchNorm2d(3), nn.Sigmoid(), nn.Dropout2d(0.2),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(108, 10),
    )  # fmt: skip


def digits():
    full = data.load("digits28")
    scale = transforms.Normalize(0.1307, 0.3081)
    random = transforms.Compose(
        [transforms.ToFloat(), transforms.RandomAffine(15, (0.05, 0.05)), scale]
    )
    plain = transforms.Compose([transforms.ToFloat(), scale])
    return (
        data.Subset(full.with_transform(random), range(72)),
        data.Subset(full.with_transform(plain), range(100, 200)),  # two batches
    )


def trainer(kind, optimizer, folder, weights, compile=True):
    """A Trainer with schedule, clipping and metrics; its weights are drawn under `weights`."""
    manual_seed(weights)
    model = network(kind)
    options = {"sgd": dict(lr=0.05, momentum=0.9), "adam": dict(lr=0.003, weight_decay=0.01)}
    made = {"sgd": optim.SGD, "adam": optim.Adam}[optimizer]
    return Trainer(
        model, optimizer=made(model.parameters(), **options[optimizer]),
        scheduler=lambda o, n: optim.lr_scheduler.OneCycleLR(o, o.param_groups[0]["lr"], n),
        metrics=["accuracy", "roc_auc"], clip_grad_norm=1.0, seed=5, run_dir=folder,
        compile=compile,
    )  # fmt: skip


def fit(made, stop_at=None, resume=None, callbacks=()):
    train, validation = digits()

    def cut(run):
        if run.step == stop_at:
            signal.raise_signal(signal.SIGINT)

    own = [Recorder(), EarlyStopping(patience=9, restore_best=True), *callbacks]
    if stop_at is not None:
        own.append(LambdaCallback(on_step_end=cut))
    return made.fit(train, validation, EPOCHS, own, batch_size=BATCH, verbose=0, resume=resume)


def record(history):
    """All that a history holds but times."""
    state = json.loads(history.to_json())
    for row in state["epochs"]:
        del row["seconds"]
    return state


@pytest.fixture(scope="module")
def whole():
    """The uninterrupted runs: (kind, optimiser) → (parameters' digest, record)."""
    return {}


def uninterrupted(whole, kind, optimizer, digest, compile=True):
    key = kind, optimizer, compile
    if key not in whole:
        made = trainer(kind, optimizer, None, weights=1, compile=compile)
        history = fit(made)
        assert len(history.step_loss) == EPOCHS * STEPS
        whole[key] = digest(made.model), record(history)
    return whole[key]


@pytest.mark.parametrize("cut", range(CUTS))
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_interrupted_and_resumed(kind, optimizer, cut, whole, digest, tmp_path):
    wanted = uninterrupted(whole, kind, optimizer, digest)
    stop = int(np.random.default_rng([cut, len(kind), len(optimizer)]).integers(1, EPOCHS * STEPS))
    first = trainer(kind, optimizer, tmp_path, weights=1)
    history = fit(first, stop_at=stop)
    assert history.interrupted and len(history.step_loss) == stop
    # Other weights and random numbers than in the run that was cut: the checkpoint has to do.
    second = trainer(kind, optimizer, tmp_path, weights=99)
    resumed = fit(second, resume=tmp_path / "checkpoint")
    assert not resumed.interrupted
    assert (digest(second.model), record(resumed)) == wanted


def test_cut_twice_and_at_the_end_of_an_epoch(whole, digest, tmp_path):
    wanted = uninterrupted(whole, "cnn", "adam", digest)
    fit(trainer("cnn", "adam", tmp_path, weights=1), stop_at=STEPS)
    history = fit(trainer("cnn", "adam", tmp_path, 2), stop_at=2 * STEPS + 1,
                  resume=tmp_path / "checkpoint")  # fmt: skip
    assert history.interrupted and len(history) == 2
    made = trainer("cnn", "adam", tmp_path, 3)
    assert record(fit(made, resume=tmp_path / "checkpoint")) == wanted[1]
    assert digest(made.model) == wanted[0]
    # A run that is finished comes back as it ended.
    again = trainer("cnn", "adam", None, 4)
    assert record(fit(again, resume=tmp_path / "checkpoint")) == wanted[1]
    assert digest(again.model) == wanted[0]


def test_interrupted_while_validating(whole, digest, tmp_path):
    wanted = uninterrupted(whole, "mlp", "adam", digest, compile=False)
    made = trainer("mlp", "adam", tmp_path, weights=1, compile=False)
    forward = made.model.forward

    def interrupting(x):
        if not made.model.training and len(made.history) == 1:
            signal.raise_signal(signal.SIGINT)
        return forward(x)

    made.model.forward = interrupting
    history = fit(made)
    assert history.interrupted and len(history) == 1 and len(history.step_loss) == 2 * STEPS
    again = trainer("mlp", "adam", None, 3, compile=False)
    assert record(fit(again, resume=tmp_path / "checkpoint")) == wanted[1]
    assert digest(again.model) == wanted[0]


def test_saved_within_and_after_epochs_by_a_callback(whole, digest, tmp_path):
    wanted = uninterrupted(whole, "mlp", "sgd", digest)
    keep = ModelCheckpoint(tmp_path / "at-{step}", every_steps=3)
    made = trainer("mlp", "sgd", None, weights=1)
    assert record(fit(made, callbacks=[keep])) == wanted[1]
    for step in (3, 10, 18):  # 10 is the end of an epoch
        again = trainer("mlp", "sgd", None, weights=3)
        assert record(fit(again, resume=tmp_path / f"at-{step}")) == wanted[1]
        assert digest(again.model) == wanted[0]


def test_killed_in_another_process(whole, digest, tmp_path):
    wanted = uninterrupted(whole, "mlp", "adam", digest)
    script = f"""
        import sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        import os, signal
        import test_resume as tests
        from chainrule.train import LambdaCallback
        made = tests.trainer("mlp", "adam", {str(tmp_path)!r}, weights=1)
        train, validation = tests.digits()
        kill = lambda run: run.step == 13 and os.kill(os.getpid(), signal.SIGKILL)
        own = [tests.Recorder(), tests.EarlyStopping(patience=9, restore_best=True)]
        made.fit(train, validation, tests.EPOCHS, [*own, LambdaCallback(on_step_end=kill)],
                 batch_size=tests.BATCH, verbose=0, checkpoint_steps=4)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    made = trainer("mlp", "adam", None, 3)
    assert record(fit(made, resume=tmp_path / "checkpoint")) == wanted[1]
    assert digest(made.model) == wanted[0]


def test_a_loader_of_the_users_goes_on_where_it_was(blobs, mlp, digest, tmp_path):
    def run(folder, stop=None, resume=None):
        manual_seed(0)
        trainer = Trainer(mlp(), run_dir=folder)
        loader = data.DataLoader(data.ArrayDataset(*blobs), 20, shuffle=True, seed=3, num_workers=2)
        loader.set_epoch(4)
        cut = LambdaCallback(
            on_step_end=lambda run: run.step == stop and signal.raise_signal(signal.SIGINT)
        )
        trainer.fit(loader, loader, 3, [cut], verbose=0, resume=resume)
        return digest(trainer.model)

    wanted = run(None)
    run(tmp_path, stop=7)
    assert run(None, resume=tmp_path / "checkpoint") == wanted


def test_a_checkpoint_of_something_else_is_refused(blobs, mlp, tmp_path):
    Trainer(mlp(), run_dir=tmp_path).fit(blobs, epochs=1, batch_size=32, verbose=0)
    path = tmp_path / "checkpoint"

    def resume(trainer, data=blobs, **options):
        fixed = {"epochs": 2, "batch_size": 32, "verbose": 0, "resume": path}
        trainer.fit(data, **fixed | options)

    resume(Trainer(mlp()))
    with pytest.raises(ArgumentError, match="batch_size=32"):
        resume(Trainer(mlp()), batch_size=16)
    with pytest.raises(ArgumentError, match="samples=90"):
        resume(Trainer(mlp()), (blobs[0][:50], blobs[1][:50]))
    with pytest.raises(ArgumentError, match="had no scheduler"):
        resume(Trainer(mlp(), scheduler="cosine"))
    with pytest.raises(Exception, match=r"0\.weight"):
        resume(Trainer(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))))
    with pytest.raises(ArgumentError):
        resume(Trainer(mlp(), optimizer=lambda p: optim.Adam([{"params": q} for q in p])))
    with pytest.raises(FileNotFoundError):
        resume(Trainer(mlp()), resume=tmp_path / "none")
    save_checkpoint(tmp_path / "other", {"a": 1})
    with pytest.raises(FileFormatError, match="not the checkpoint of a run"):
        resume(Trainer(mlp()), resume=tmp_path / "other")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError):
        resume(Trainer(mlp()))


def test_a_schedule_made_for_other_steps_is_refused(blobs, mlp, tmp_path):
    Trainer(mlp(), scheduler="cosine", run_dir=tmp_path).fit(blobs, epochs=2, verbose=0)
    with pytest.raises(ArgumentError, match="4 steps, this run has 6"):
        Trainer(mlp(), scheduler="cosine").fit(
            blobs, epochs=3, verbose=0, resume=tmp_path / "checkpoint"
        )


def test_a_loss_that_is_no_number_never_replaces_a_checkpoint(blobs, mlp, tmp_path):
    trainer = Trainer(mlp(), run_dir=tmp_path)
    trainer.fit(blobs, epochs=1, verbose=0)
    before = (tmp_path / "checkpoint").read_bytes()
    with pytest.warns(UserWarning, match="rows of the batch"):
        trainer.fit((blobs[0] * np.nan, blobs[1]), epochs=1, verbose=0)
    assert (tmp_path / "checkpoint").read_bytes() == before


def test_randomness_of_the_validation_and_a_seed_of_the_user(digest, tmp_path):
    """Random transforms and random numbers while measuring, and a seed set by manual_seed."""

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(784, 10)

        def forward(self, x):
            y = self.fc(x.reshape(len(x), 784))
            return y + 0.1 * ops.rand(y.shape)

    random, _ = digits()

    def run(folder, seed, stop_at=None, resume=None):
        manual_seed(seed)
        made = Trainer(Noisy(), run_dir=folder, compile=False)  # its forward runs each time
        forward, calls = made.model.forward, []

        def interrupting(x):
            calls.append(made.model.training)
            if calls.count(False) == stop_at:
                signal.raise_signal(signal.SIGINT)
            return forward(x)

        made.model.forward = interrupting
        history = made.fit(random, random, 3, batch_size=BATCH, verbose=0, resume=resume)
        return history.interrupted, digest(made.model), record(history)

    wanted = run(None, seed=1)
    # In the validation of epoch 2: the first one has two batches, of 64 and 8.
    assert run(tmp_path, seed=1, stop_at=3)[0]
    assert run(None, seed=2, resume=tmp_path / "checkpoint") == wanted
