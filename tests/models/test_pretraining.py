"""Layer-wise training: the learning rules against their definitions, and what they are for."""

from itertools import product

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, models, train
from chainrule.base.errors import ArgumentError, DataError, ShapeError


def machine(visible=4, hidden=3, steps=1):
    cr.manual_seed(0)
    rbm = models.RestrictedBoltzmannMachine(visible, hidden, steps).to(cr.float64)
    with cr.no_grad():
        for p in rbm.parameters():
            p.copy_(cr.randn(*p.shape, dtype=cr.float64))
    return rbm


def states(n):
    return np.array(list(product([0.0, 1.0], repeat=n)))


def test_free_energy_sums_over_all_hidden_states():
    rbm = machine()
    w, b, c = (p.detach().numpy() for p in (rbm.weight, rbm.bias_visible, rbm.bias))
    v, h = states(4), states(3)
    energy = -(v @ b)[:, None] - (h @ c)[None] - v @ w.T @ h.T
    expected = -np.log(np.exp(-energy).sum(1))
    np.testing.assert_allclose(rbm.free_energy(cr.tensor(v)).detach().numpy(), expected)
    # And so the conditional: p(h|v) is the share of the states with that unit on.
    share = np.exp(-energy) / np.exp(-energy).sum(1, keepdims=True)
    np.testing.assert_allclose(rbm(cr.tensor(v)).detach().numpy(), share @ h)


def test_contrastive_divergence_is_the_difference_of_two_statistics(monkeypatch):
    rbm = machine()
    v = cr.tensor((np.random.default_rng(0).random((6, 4)) < 0.5).astype("f8"))
    model = rbm.sample(v).detach()
    monkeypatch.setattr(type(rbm), "sample", lambda self, v, steps: model)
    rbm.loss(v).backward()
    h, g = rbm(v).detach().numpy(), rbm(model).detach().numpy()
    np.testing.assert_allclose(rbm.weight.grad.numpy(), (g.T @ model.numpy() - h.T @ v.numpy()) / 6)
    np.testing.assert_allclose(rbm.bias.grad.numpy(), (g - h).mean(0))
    expected = (model.numpy() - v.numpy()).mean(0)
    np.testing.assert_allclose(rbm.bias_visible.grad.numpy(), expected)


def test_many_steps_draw_from_the_machines_own_distribution():
    rbm = machine()
    every = cr.tensor(states(4))
    weight = np.exp(-rbm.free_energy(every).detach().numpy())
    expected = (weight / weight.sum()) @ states(4)
    cr.manual_seed(1)
    with cr.no_grad():
        drawn = rbm.sample(cr.zeros(20_000, 4, dtype=cr.float64), 30).numpy().mean(0)
    np.testing.assert_allclose(drawn, expected, atol=0.02)


def test_a_denoising_autoencoder_sees_a_part_and_restores_the_whole():
    cr.manual_seed(0)
    layer = models.DenoisingAutoencoder(50, 20, corruption=0.4)
    seen = []
    layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].numpy()))
    x = cr.ones(200, 50)
    layer.loss(x)
    layer.eval().loss(x)
    assert set(np.unique(seen[0]).round(6)) == {0.0, 1.0}
    assert abs(seen[0].mean() - 0.6) < 0.02
    np.testing.assert_allclose(seen[1], 0.6)  # the same mean, without the noise


@pytest.mark.parametrize("kind", [models.DeepBeliefNet, models.StackedAutoencoder])
def test_a_deep_sigmoid_net_learns_from_pretrained_weights_alone(kind):
    digits = data.load("digits28", "train", transform=None)
    test = data.load("digits28", "test", transform=None)
    (x, y), (u, v) = (
        (d.x[:n].reshape(n, -1).astype("f4") / 255, d.y[:n])
        for d, n in ((digits, 2000), (test, 500))
    )

    def accuracy(net):
        trainer = train.Trainer(net, optimizer="sgd", metrics=["accuracy"], lr=0.1, momentum=0.9,
                                seed=0)  # fmt: skip
        trainer.fit((x, y), epochs=12, verbose=0)
        return trainer.evaluate((u, v))["accuracy"]

    sizes = (784, 100, 100, 100, 100)
    cr.manual_seed(0)
    assert accuracy(models.MLP((784,), 10, sizes[1:], "sigmoid")) < 0.2
    stack = kind(sizes)
    errors = stack.pretrain(x, epochs=5)
    assert all(layer[-1] < layer[0] for layer in errors)
    assert accuracy(stack.network(10)) > 0.85


def test_pretraining_is_a_function_of_the_seed_and_the_same_in_glass_mode():
    x = np.random.default_rng(0).random((64, 20)).astype("f4")

    def weights(**options):
        cr.manual_seed(0)
        stack = models.DeepBeliefNet((20, 8, 4))
        stack.pretrain(x, epochs=2, batch_size=16, **options)
        return np.concatenate([p.detach().numpy().ravel() for p in stack.parameters()])

    np.testing.assert_array_equal(weights(), weights())
    np.testing.assert_allclose(weights(), weights(compile=False), rtol=1e-4, atol=1e-6)
    assert (weights() != weights(seed=1)).any()


def test_the_network_reconstructs_and_copies():
    cr.manual_seed(0)
    stack = models.StackedAutoencoder((12, 6, 3))
    x = cr.rand(5, 3, 4)
    assert stack.reconstruct(x).shape == (5, 12)
    net = stack.network(2)
    np.testing.assert_array_equal(net[:-1](x).detach().numpy(), stack(x).detach().numpy())
    with cr.no_grad():
        net[1].weight.zero_()
    assert (stack.layers[0].weight.detach().numpy() != 0).any()


def test_bad_input():
    stack = models.DeepBeliefNet((4, 2))
    with pytest.raises(DataError, match="divide pixels by 255"):
        stack.pretrain(np.full((3, 4), 255.0))
    with pytest.raises(DataError):
        stack.pretrain(np.full((3, 4), np.nan))
    for x in (np.zeros((3, 5)), np.zeros(4), np.zeros((0, 4))):
        with pytest.raises(ShapeError, match="samples of 4 values"):
            stack.pretrain(x)
    with pytest.raises(ArgumentError):
        models.RestrictedBoltzmannMachine(0, 3)
    with pytest.raises(ArgumentError):
        models.DenoisingAutoencoder(3, 3, corruption=1.5)
