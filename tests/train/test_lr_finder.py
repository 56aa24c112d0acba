"""The finder for the learning rate: what it reports, and that it leaves nothing behind."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.train import Trainer, lr_range_test


def test_it_finds_a_rate_that_trains(blobs, mlp):
    trainer = Trainer(mlp(), optimizer="sgd", momentum=0.9, metrics=["accuracy"])
    found = lr_range_test(trainer, blobs, steps=60, batch_size=30)
    ratios = np.diff(np.log(found.rates))
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-6)
    assert found.rates[0] == 1e-7
    assert 1e-4 < found.suggestion <= 1 and 1e-4 < found.steepest < 10
    rows = found.rows()
    assert rows[0].keys() == {"step", "lr", "loss", "smoothed"} and len(rows) == len(found.rates)
    assert rows[0]["smoothed"] == pytest.approx(rows[0]["loss"])
    assert "suggested learning rate" in str(found)
    for group in trainer.optimizer.param_groups:
        group["lr"] = found.suggestion
    trainer.fit(blobs, epochs=30, batch_size=30, verbose=0)
    assert trainer.evaluate(blobs)["accuracy"] > 0.95


def test_it_ends_where_the_loss_diverges(blobs):
    x = 10 * blobs[0]
    trainer = Trainer(nn.Linear(2, 1), loss="mse", optimizer="sgd")
    found = lr_range_test(trainer, (x, x[:, :1]), steps=80)
    assert found.diverged and len(found.rates) < 80
    # The largest rate at which gradient descent can be stable is 2 over the curvature's largest.
    edge = 1 / np.linalg.eigvalsh(x.T @ x / len(x)).max()
    assert found.suggestion < edge < found.rates[-1]


def test_model_optimiser_and_random_numbers_are_as_before(blobs, mlp, digest):
    results = []
    for looked in (False, True):
        cr.manual_seed(0)
        trainer = Trainer(mlp(), lr=0.01, seed=3)
        trainer.fit(blobs, epochs=1, batch_size=30, verbose=0)
        if looked:
            before = digest(trainer.model)
            lr_range_test(trainer, blobs, steps=5)
            assert digest(trainer.model) == before
            assert trainer.optimizer.param_groups[0]["lr"] == 0.01
        trainer.fit(blobs, epochs=2, batch_size=30, verbose=0)
        results.append(digest(trainer.model))
    assert results[0] == results[1]


def test_refusals(blobs, mlp):
    trainer = Trainer(mlp())
    with pytest.raises(ArgumentError, match="start"):
        lr_range_test(trainer, blobs, start=1.0, end=0.1)
    with pytest.raises(ArgumentError, match="steps"):
        lr_range_test(trainer, blobs, steps=1)
    x, y = blobs
    with pytest.raises(ArgumentError, match="no number"):
        lr_range_test(trainer, (np.full_like(x, np.nan), y))
