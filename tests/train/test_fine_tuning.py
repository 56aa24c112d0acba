"""Penalties, freezing, new heads, rates by layer; one optimiser after another."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError
from chainrule.train import (
    Trainer,
    decay_groups,
    freeze,
    l1_penalty,
    l2_penalty,
    layered_groups,
    replace_head,
    unfreeze,
)


def test_penalties_act_on_weights_and_not_on_biases(mlp):
    model = mlp()
    weights = [p.detach().numpy() for p in model.parameters() if p.ndim > 1]
    total = l1_penalty(model, 0.1) + l2_penalty(model, 0.2)
    wanted = sum(0.1 * np.abs(w).sum() + 0.2 * (w**2).sum() for w in weights)
    assert total.item() == pytest.approx(wanted, rel=1e-5)
    total.backward()
    assert model[0].bias.grad is None
    w = model[0].weight
    np.testing.assert_allclose(
        w.grad.numpy(), 0.1 * np.sign(weights[0]) + 0.4 * weights[0], rtol=1e-5
    )
    with pytest.raises(ArgumentError, match="no weights"):
        l1_penalty(nn.ReLU(), 0.1)
    with pytest.raises(ArgumentError, match="strength"):
        l2_penalty(model, -1)


def test_the_l2_penalty_is_weight_decay(blobs, mlp):
    models = []
    x, y = cr.tensor(blobs[0]), cr.tensor(blobs[1])
    for penalty in (True, False):
        cr.manual_seed(0)
        model = mlp()
        groups = model.parameters() if penalty else decay_groups(model, 0.02)
        optimizer = optim.SGD(groups, lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            (loss + l2_penalty(model, 0.01) if penalty else loss).backward()
            optimizer.step()
        models.append(model[0].weight.detach().numpy())
    np.testing.assert_allclose(*models, rtol=1e-5, atol=1e-7)


def test_l1_makes_weights_small(blobs, mlp):
    sizes = []
    for strength in (0.0, 0.01):
        cr.manual_seed(0)
        model = mlp()

        def loss(output, target, model=model, strength=strength):
            return nn.functional.cross_entropy(output, target) + l1_penalty(model, strength)

        Trainer(model, loss=loss, lr=0.01).fit(blobs, epochs=20, verbose=0)
        sizes.append(model[0].weight.abs().mean().item())
    assert sizes[1] < 0.9 * sizes[0]


def test_a_frozen_body_stays_and_the_new_head_learns(blobs, mlp):
    model = mlp(classes=5)
    Trainer(model, lr=0.05).fit(blobs, epochs=3, verbose=0)
    body = model[0].weight.tolist()
    assert freeze(model) is model
    head = replace_head(model, 3)
    assert model[2] is head and head.out_features == 3 and head.weight.requires_grad
    trainer = Trainer(model, lr=0.05, metrics=["accuracy"])
    trainer.fit(blobs, epochs=20, verbose=0)
    assert model[0].weight.tolist() == body
    assert trainer.evaluate(blobs)["accuracy"] > 0.9
    unfreeze(model)
    assert all(p.requires_grad for p in model.parameters())
    other = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    assert replace_head(model, other) is other and model[2] is other
    with pytest.raises(ArgumentError, match="no Linear"):
        replace_head(nn.ReLU(), 2)


def test_rates_by_layer(mlp):
    model = mlp()
    low, high = layered_groups(model, 0.1, 0.01)
    assert low["lr"] == pytest.approx(0.001) and high["lr"] == 0.1
    assert {id(p) for p in high["params"]} == {id(p) for p in model[2].parameters()}
    assert len(low["params"]) == 2
    freeze(model[0])
    assert len(layered_groups(model, 0.1)) == 1


# ---- one optimiser after another ------------------------------------------------------------


def switched(params):
    return optim.SwitchOptimizer(
        optim.Adam(params, lr=0.1), optim.SGD(params, lr=0.05, momentum=0.5), after=3
    )


@pytest.mark.parametrize("mode", ["glass", "trace", "compile"])
def test_adam_first_then_gradient_descent(mode):
    rng = np.random.default_rng(0)
    value = rng.standard_normal((4, 3))
    x = cr.tensor(rng.standard_normal((5, 4)))
    results = []
    for joined in (False, True):
        w = cr.tensor(value, requires_grad=True)
        pair = optim.Adam([w], lr=0.1), optim.SGD([w], lr=0.05, momentum=0.5)
        one = switched([w])

        def step(x, w=w, one=one):
            one.zero_grad()
            loss = ((x @ w) ** 2).mean()
            loss.backward()
            one.step()
            return loss

        run = step
        if joined and mode != "glass":
            # A trace is of one of the two: `compile` traces again where it no longer holds.
            run = cr.compile(step)
        for i in range(7):
            if joined:
                run(x)
                continue
            ((x @ w) ** 2).mean().backward()
            pair[i >= 3].step()
            w.grad = None
        results.append(w.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-10)


def test_a_schedule_moves_both_rates_and_a_state_resumes():
    values = []
    for cut in (False, True):
        w = cr.tensor([1.0, -2.0], dtype=cr.float64, requires_grad=True)
        one = switched([w])
        schedule = optim.lr_scheduler.ExponentialLR(one, 0.5)
        for i in range(6):
            if cut and i == 4:
                state = one.state_dict()
                one = switched([w])
                one.load_state_dict(state)
                later = optim.lr_scheduler.ExponentialLR(one, 0.5)
                later.load_state_dict(schedule.state_dict())
                schedule = later
            w.grad = 2 * w.detach()
            one.step()
            schedule.step()
        assert one.active is one.second
        assert one.second.param_groups[0]["lr"] == pytest.approx(0.05 * 0.5**5)
        values.append(w.tolist())
    assert values[0] == values[1]


def test_the_trainer_takes_it_and_refuses_lbfgs(blobs, mlp):
    model = mlp()
    trainer = Trainer(model, optimizer=switched(list(model.parameters())), metrics=["accuracy"])
    history = trainer.fit(blobs, epochs=20, batch_size=30, verbose=0)
    assert history.epochs[-1]["accuracy"] > 0.9
    with pytest.raises(ArgumentError, match="closure"):
        Trainer(model, optimizer=optim.LBFGS)
    assert not {"lbfgs", "switchoptimizer"} & set(cr.train.optimizer_names())


def test_different_parameters_are_refused():
    a, b = (cr.ones(2, requires_grad=True) for _ in range(2))
    with pytest.raises(ArgumentError, match="same parameters"):
        optim.SwitchOptimizer(optim.Adam([a]), optim.SGD([b]), 3)


def test_a_run_resumes_across_the_switch(blobs, mlp, tmp_path, digest):
    def trainer():
        cr.manual_seed(0)
        model = mlp()
        params = list(model.parameters())
        both = optim.NAdam(params, lr=0.02), optim.SGD(params, lr=0.05, momentum=0.9)
        return Trainer(model, optimizer=optim.SwitchOptimizer(*both, after=8), seed=1)

    options = {"epochs": 5, "batch_size": 30, "verbose": 0}
    whole = trainer()
    whole.fit(blobs, callbacks=[cr.train.LambdaCallback()], **options)
    for epoch in (2, 4):
        path = tmp_path / str(epoch)

        def save(run, epoch=epoch, path=path):
            if run.epoch == epoch:
                run.save(path)
                run.stop("cut")

        trainer().fit(blobs, callbacks=[cr.train.LambdaCallback(on_epoch_end=save)], **options)
        second = trainer()
        second.fit(blobs, callbacks=[cr.train.LambdaCallback()], resume=path, **options)
        assert digest(second.model) == digest(whole.model)
