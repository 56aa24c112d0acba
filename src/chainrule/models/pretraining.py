"""Unsupervised training layer by layer, then fine-tuning as one network (004 of the notes).

Each layer learns to describe what the layer below gives, without labels; the weights found are
the start of an ordinary network. Two kinds of layer: the restricted Boltzmann machine, of which a
deep belief net is made (Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets",
2006), and the denoising autoencoder (Vincent et al., "Stacked denoising autoencoders", 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule import nn, optim
from chainrule.base.constraints import Bool, Int, Interval, Ints, Positive
from chainrule.base.errors import DataError, ShapeError
from chainrule.base.text import t
from chainrule.compile import backend
from chainrule.compile import compile as compiled
from chainrule.data import DataLoader, TensorDataset
from chainrule.graph import Tensor, no_grad
from chainrule.nn import functional as F
from chainrule.ops import functional as ops

SMALL = 0.01  # deviation of the first weights of a Boltzmann machine (Hinton's guide, 2010)


class RestrictedBoltzmannMachine(nn.Module):
    """Binary visible and hidden units without connections among themselves.

    The energy of a state is E(v, h) = −b·v − c·h − hᵀWv, the probability of v proportional to
    exp(−F(v)) with the free energy F(v) = −b·v − Σⱼ log(1 + exp(cⱼ + (Wv)ⱼ)).

    Args:
        visible: units that see the data, values 0 … 1 (probabilities count as such).
        hidden: units that describe it.
        steps: of Gibbs sampling that contrastive divergence takes (CD-k).

    Parameters: `weight` [hidden, visible], `bias_visible` [visible], `bias` [hidden].
    """

    def __init__(self, visible: int, hidden: int, steps: int = 1) -> None:
        super().__init__()
        name = type(self).__name__
        self.visible = Int(low=1).check(visible, name, "visible")
        self.hidden = Int(low=1).check(hidden, name, "hidden")
        self.steps = Int(low=1).check(steps, name, "steps")
        self.weight = nn.Parameter(ops.randn(hidden, visible) * SMALL)
        self.bias_visible = nn.Parameter(ops.zeros(visible))
        self.bias = nn.Parameter(ops.zeros(hidden))

    def forward(self, v: Tensor) -> Tensor:
        """p(hⱼ = 1 | v): [N, visible] → [N, hidden]."""
        return F.sigmoid(F.linear(v, self.weight, self.bias))

    def generate(self, h: Tensor) -> Tensor:
        """p(vᵢ = 1 | h): [N, hidden] → [N, visible]."""
        return F.sigmoid(F.linear(h, self.weight.T, self.bias_visible))

    def reconstruct(self, v: Tensor) -> Tensor:
        """What the hidden units keep of v, without sampling: [N, visible]."""
        return self.generate(self(v))

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) of each sample: [N, visible] → [N]."""
        hidden = F.softplus(F.linear(v, self.weight, self.bias)).sum(1)
        return -(v * self.bias_visible).sum(1) - hidden

    def sample(self, v: Tensor, steps: int = 1) -> Tensor:
        """v after `steps` of Gibbs sampling, h and v in turn; the last v as probabilities."""
        for k in range(steps):
            v = self.generate(ops.bernoulli(self(v)))
            if k < steps - 1:
                v = ops.bernoulli(v)
        return v

    def loss(self, v: Tensor) -> Tensor:
        """Contrastive divergence: its gradient is the data's statistics minus those after `steps`
        of Gibbs sampling from the data, ⟨∂F/∂θ⟩ data − ⟨∂F/∂θ⟩ model (Hinton, 2002)."""
        with no_grad():
            model = self.sample(v, self.steps)
        return self.free_energy(v).mean() - self.free_energy(model).mean()

    def extra_repr(self) -> str:
        return f"{self.visible}, {self.hidden}, steps={self.steps}"


class DenoisingAutoencoder(nn.Module):
    """Learns to restore what was wiped out: σ(Wx̃ + c) describes a sample x̃ with a share of its
    values set to zero, σ(Wᵀh + b) should be the whole x (cross-entropy).

    Args:
        visible: values of a sample, 0 … 1.
        hidden: units that describe it.
        corruption: the share wiped out, 0 … 1.

    Parameters: `weight` [hidden, visible] (the decoder has its transpose), `bias_visible`, `bias`.
    """

    def __init__(self, visible: int, hidden: int, corruption: float = 0.3) -> None:
        super().__init__()
        name = type(self).__name__
        self.visible = Int(low=1).check(visible, name, "visible")
        self.hidden = Int(low=1).check(hidden, name, "hidden")
        self.corruption = Interval(0, 1).check(corruption, name, "corruption")
        self.weight = nn.Parameter(nn.init.xavier_uniform_(ops.zeros(hidden, visible), gain=4.0))
        self.bias_visible = nn.Parameter(ops.zeros(visible))
        self.bias = nn.Parameter(ops.zeros(hidden))

    def forward(self, x: Tensor) -> Tensor:
        """σ(Wx + c): [N, visible] → [N, hidden]."""
        return F.sigmoid(F.linear(x, self.weight, self.bias))

    def reconstruct(self, x: Tensor) -> Tensor:
        """x from its description: [N, visible]."""
        return F.sigmoid(F.linear(self(x), self.weight.T, self.bias_visible))

    def loss(self, x: Tensor) -> Tensor:
        """Mean over the samples of the cross-entropy between x and what is restored."""
        kept = F.dropout(x, self.corruption, self.training) * (1 - self.corruption)
        logits = F.linear(self(kept), self.weight.T, self.bias_visible)
        each = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        return each.sum(1).mean()

    def extra_repr(self) -> str:
        return f"{self.visible}, {self.hidden}, corruption={self.corruption}"


class _Stack(nn.Module):
    """Layers that are trained one after the other, each on what the one below gives."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """What the highest layer gives: [N, …] → [N, sizes[-1]]."""
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x

    def reconstruct(self, x: Tensor) -> Tensor:
        """Up through all layers and down again: [N, …] → [N, sizes[0]]."""
        h = self(x)
        for layer in reversed(list(self.layers)):
            h = F.sigmoid(F.linear(h, layer.weight.T, layer.bias_visible))
        return h

    def pretrain(
        self,
        x: Any,
        epochs: int = 10,
        lr: float = 0.1,
        momentum: float = 0.5,
        batch_size: int = 64,
        seed: int = 0,
        compile: bool = True,
        report: Callable[[int, int, float], None] | None = None,
    ) -> list[list[float]]:
        """Trains the layers from the lowest up, each for `epochs` epochs by SGD with momentum.

        Args:
            x: samples [N, …] with values 0 … 1; what follows the first axis is flattened.
            lr, momentum: of SGD.
            batch_size, seed: of the loader.
            compile: run the steps as native programs where that is possible.
            report: called after every epoch with the layer's number, the epoch and the mean
                squared error of the reconstruction.

        Returns: the mean squared error of the reconstruction for each layer and epoch.

        Raises DataError for values outside 0 … 1, ShapeError for samples of another size.
        """
        name = type(self).__name__
        epochs = Int(low=1).check(epochs, name, "epochs")
        lr = Positive().check(lr, name, "lr")
        momentum = Interval(0, 1).check(momentum, name, "momentum")
        natively = Bool().check(compile, name, "compile") and backend.native_available()
        values = self._checked(x)
        errors: list[list[float]] = []
        for number, layer in enumerate(self.layers):
            layer.train()
            optimizer = optim.SGD(layer.parameters(), lr=lr, momentum=momentum)
            step = _step(layer, optimizer)
            step = compiled(step) if natively else step
            loader = DataLoader(
                TensorDataset(values), batch_size, shuffle=True, drop_last=True, seed=seed + number
            )
            errors.append([])
            for epoch in range(epochs):
                total = [step(batch).item() for (batch,) in loader]
                errors[-1].append(float(np.mean(total)))
                if report is not None:
                    report(number, epoch, errors[-1][-1])
            layer.eval()
            with no_grad():
                values = layer(values)
        return errors

    def network(self, classes: int) -> nn.Sequential:
        """An ordinary network that starts from the layers' weights: Linear and Sigmoid for each,
        and a Linear to the classes. The weights are copies."""
        Int(low=1).check(classes, type(self).__name__, "classes")
        modules: list[nn.Module] = [nn.Flatten()]
        for layer in self.layers:
            linear = nn.Linear(layer.visible, layer.hidden)
            with no_grad():
                linear.weight.copy_(layer.weight)
                linear.bias.copy_(layer.bias)  # type: ignore[union-attr]
            modules += [linear, nn.Sigmoid()]
        return nn.Sequential(*modules, nn.Linear(self.layers[-1].hidden, classes))

    def _checked(self, x: Any) -> Tensor:
        values = x if isinstance(x, Tensor) else Tensor(np.asarray(x, dtype=np.float32))
        values = values.detach().flatten(1) if values.ndim > 1 else values
        size = self.layers[0].visible
        if values.ndim != 2 or values.shape[1] != size or not values.shape[0]:
            raise ShapeError(
                t(
                    "{name} was made for samples of {size} values: x must be [N, …] with {size} "
                    "values a sample, not {shape}.",
                    name=type(self).__name__,
                    size=size,
                    shape=values.shape,
                )
            )
        array = values.numpy()
        if not (array.min() >= 0 and array.max() <= 1):
            raise DataError(
                t(
                    "{name} takes values from 0 to 1, these go from {low:g} to {high:g}: divide "
                    "pixels by 255.",
                    name=type(self).__name__,
                    low=float(array.min()),
                    high=float(array.max()),
                )
            )
        return values


class DeepBeliefNet(_Stack):
    """Restricted Boltzmann machines on top of one another.

    Args:
        sizes: units of the layers, the samples' size first: (784, 256, 256).
        steps: of Gibbs sampling in contrastive divergence.
    """

    def __init__(self, sizes: Sequence[int], steps: int = 1) -> None:
        sizes = Ints(low=1).check(sizes, "DeepBeliefNet", "sizes")
        super().__init__([RestrictedBoltzmannMachine(a, b, steps) for a, b in pairwise(sizes)])


class StackedAutoencoder(_Stack):
    """Denoising autoencoders on top of one another.

    Args:
        sizes: units of the layers, the samples' size first: (784, 256, 256).
        corruption: the share of a sample's values that is wiped out in training.
    """

    def __init__(self, sizes: Sequence[int], corruption: float = 0.3) -> None:
        sizes = Ints(low=1).check(sizes, "StackedAutoencoder", "sizes")
        super().__init__([DenoisingAutoencoder(a, b, corruption) for a, b in pairwise(sizes)])


def _step(layer: Any, optimizer: Any) -> Callable[[Tensor], Tensor]:
    """One step on a batch; gives the mean squared error of the reconstruction before it."""

    def step(batch: Tensor) -> Tensor:
        optimizer.zero_grad()
        layer.loss(batch).backward()
        with no_grad():
            error = (layer.reconstruct(batch) - batch).square().mean()
        optimizer.step()
        return error

    return step
