"""Gradient clipping and parameters as one vector, against PyTorch."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


def with_gradients(lib, values):
    parameters = [lib.nn.Parameter(lib.zeros(len(v))) for v in values]
    for parameter, v in zip(parameters, values, strict=True):
        parameter.grad = lib.tensor(v)
    return parameters


GRADIENTS = [[3.0, -4.0], [12.0], [0.1, 0.2, -0.3]]


@pytest.mark.parametrize("max_norm", [1.0, 100.0])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, math.inf])
def test_clip_grad_norm(max_norm, norm_type):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (cr, torch):
        parameters = [*with_gradients(lib, GRADIENTS), lib.nn.Parameter(lib.zeros(1))]
        norm = lib.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)
        results.append([norm.item(), *(v for p in parameters[:-1] for v in p.grad.tolist())])
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_clip_grad_norm_edges():
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    (parameter,) = with_gradients(cr, [[math.inf, 1.0]])
    with pytest.raises(RuntimeError, match="inf"):
        nn.utils.clip_grad_norm_(parameter, 1.0, error_if_nonfinite=True)
    with pytest.raises(ValueError, match="max_norm"):
        nn.utils.clip_grad_norm_(parameter, -1.0)


def test_clip_grad_value():
    parameters = with_gradients(cr, GRADIENTS)
    nn.utils.clip_grad_value_(iter(parameters), 0.2)
    np.testing.assert_allclose(
        [v for p in parameters for v in p.grad.tolist()], [0.2, -0.2, 0.2, 0.1, 0.2, -0.2]
    )


def test_vector_round_trip():
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (8,)
    weight = other.weight
    nn.utils.vector_to_parameters(vector, other.parameters())
    assert other.weight is weight and weight.tolist() == net.weight.tolist()
    assert weight.is_leaf and weight.requires_grad
    with pytest.raises(ValueError, match="8"):
        nn.utils.vector_to_parameters(cr.zeros(9), net.parameters())
