"""Small data and models that the tests of the training room share."""

import hashlib

import numpy as np
import pytest

from chainrule import nn
from chainrule.ops.random import manual_seed


@pytest.fixture(autouse=True)
def _seeded():
    manual_seed(0)


@pytest.fixture
def blobs():
    """(x, y): three clusters in the plane, easy to tell apart."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    centre = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return (centre[y] + 0.3 * rng.normal(size=(90, 2))).astype(np.float32), y


@pytest.fixture
def mlp():
    """Makes a network of two layers for the clusters."""

    def make(inputs=2, classes=3):
        return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, classes))

    return make


@pytest.fixture
def digest():
    """SHA-256 of all parameters and buffers of a module."""

    def of(model):
        sha = hashlib.sha256()
        for name, value in model.state_dict().items():
            sha.update(name.encode() + np.ascontiguousarray(value.numpy()).tobytes())
        return sha.hexdigest()

    return of
