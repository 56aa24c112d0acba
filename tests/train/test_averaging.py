"""Averages of weights: PyTorch's functions and the callback."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.optim import swa_utils
from chainrule.train import Trainer, WeightAveraging


def net(lib):
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 2))


@pytest.mark.parametrize(
    "choose",
    [
        lambda utils: {},
        lambda utils: {"use_buffers": True},
        lambda utils: {"avg_fn": utils.get_ema_avg_fn(0.8)},
        lambda utils: {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.9)},
        lambda utils: {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
    ],
)
def test_averages_and_batch_statistics_equal_torch(choose):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    mine, theirs = net(cr).double(), net(torch).double()
    state = {k: np.array(v.tolist()) for k, v in mine.state_dict().items()}
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    a = swa_utils.AveragedModel(mine, **choose(swa_utils))
    b = torch.optim.swa_utils.AveragedModel(theirs, **choose(torch.optim.swa_utils))
    for _ in range(4):
        x = rng.normal(size=(6, 3))
        mine(cr.tensor(x))
        theirs(torch.tensor(x))
        for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
            change = rng.normal(size=p.shape)
            with cr.no_grad(), torch.no_grad():
                p += cr.tensor(change)
                q += torch.tensor(change)
        a.update_parameters(mine)
        b.update_parameters(theirs)
    assert a.state_dict().keys() == b.state_dict().keys()
    batches = [rng.normal(size=(n, 3)) for n in (5, 8, 4)]
    for round_ in range(2):
        for k, v in b.state_dict().items():
            np.testing.assert_allclose(a.state_dict()[k].numpy(), v.numpy(), rtol=1e-6)
        if not round_:
            a.eval()
            b.eval()
            swa_utils.update_bn([(cr.tensor(x), 0) for x in batches], a)
            torch.optim.swa_utils.update_bn([(torch.tensor(x), 0) for x in batches], b)
    assert not a.training and a.module[1].momentum == 0.1
    x = rng.normal(size=(3, 3))
    np.testing.assert_allclose(
        a(cr.tensor(x)).detach().numpy(), b(torch.tensor(x)).detach().numpy(), rtol=1e-6
    )


def test_the_callback_averages_epochs_and_steps(blobs, mlp):
    for decay in (None, 0.9):
        cr.manual_seed(0)
        model, seen = mlp(), []

        class Watch(cr.train.Callback):
            def on_step_end(self, run, seen=seen, decay=decay):
                if decay is not None:
                    seen.append(run.model[0].weight.detach().numpy().copy())

            def on_epoch_end(self, run, seen=seen, decay=decay):
                if decay is None:
                    seen.append(run.model[0].weight.detach().numpy().copy())

        averaging = WeightAveraging(decay, start_epoch=2)
        trainer = Trainer(model, lr=0.05)
        trainer.fit(blobs, epochs=3, batch_size=30, callbacks=[Watch(), averaging], verbose=0)
        later = seen[1:] if decay is None else seen[3:]
        wanted = later[0]
        for i, w in enumerate(later[1:], 2):
            wanted = wanted + (w - wanted) / i if decay is None else 0.9 * wanted + 0.1 * w
        np.testing.assert_allclose(model[0].weight.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_a_resumed_run_has_the_same_average(blobs, mlp, tmp_path, digest):
    def run(cut):
        cr.manual_seed(0)
        trainer = Trainer(mlp(), lr=0.05, seed=1)
        options = {"epochs": 4, "batch_size": 30, "verbose": 0}
        if cut:
            stop = cr.train.LambdaCallback(
                on_epoch_end=lambda run: run.stop("cut") if run.epoch == 2 else None
            )
            save = cr.train.LambdaCallback(
                on_epoch_end=lambda run: run.save(tmp_path / "half") if run.epoch == 2 else None
            )
            trainer.fit(blobs, callbacks=[WeightAveraging(0.9), save, stop], **options)
            trainer = Trainer(mlp(), lr=0.05, seed=1)
            averaging = WeightAveraging(0.9)
            none = cr.train.LambdaCallback()
            trainer.fit(
                blobs, callbacks=[averaging, none, none], resume=tmp_path / "half", **options
            )
        else:
            none = cr.train.LambdaCallback()
            trainer.fit(blobs, callbacks=[WeightAveraging(0.9), none, none], **options)
        return digest(trainer.model)

    assert run(False) == run(True)


def test_it_puts_batch_normalisation_right(blobs):
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    trainer = Trainer(model, lr=0.05, metrics=["accuracy"])
    trainer.fit(blobs, epochs=6, batch_size=30, callbacks=[WeightAveraging(None)], verbose=0)
    hidden = model[0](cr.tensor(blobs[0]))
    np.testing.assert_allclose(
        model[1].running_mean.numpy(), hidden.mean(0).detach().numpy(), atol=1e-4
    )
    assert trainer.evaluate(blobs)["accuracy"] > 0.95
