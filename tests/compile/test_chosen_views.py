"""`x[i]` with a 0-d tensor i is a view of x, also where only the run knows i."""

import numpy as np
import pytest

import chainrule as cr


def read_before_an_update(weight, optimizer, table, i):
    row = weight[i]
    optimizer.zero_grad()
    loss = (row**2).sum()
    loss.backward()
    optimizer.step()
    return row, loss


def written_by_its_base_and_through_it(weight, optimizer, table, i):
    row = table[i]
    row += 1
    table[0] = table[0] * 2
    return row, table[i] + row


def a_view_of_a_view(weight, optimizer, table, i):
    part = table[:, 1:][i]
    part.add_(3)
    optimizer.zero_grad()
    loss = (weight * table).sum()
    loss.backward()
    optimizer.step()
    return part * 1, loss


def of_a_computed_tensor(weight, optimizer, table, i):
    h = weight * 2
    h[i] += 1
    h[i, 1] = 0
    optimizer.zero_grad()
    loss = (h * h).sum()
    loss.backward()
    optimizer.step()
    return loss, h


def results(program, compiled):
    weight = cr.nn.Parameter(cr.arange(12.0).reshape(3, 4))
    optimizer, table = cr.optim.SGD([weight], lr=0.1), cr.zeros(3, 4)

    def step(i):
        return program(weight, optimizer, table, i)

    step = cr.compile(step) if compiled else step
    out = []
    for i in (1, 2, 1):
        out += [x.detach().numpy().copy() for x in step(cr.tensor(i))]
    return [*out, weight.detach().numpy(), table.numpy()]


@pytest.mark.parametrize(
    "program",
    [
        read_before_an_update, written_by_its_base_and_through_it, a_view_of_a_view,
        of_a_computed_tensor,
    ],
)  # fmt: skip
def test_as_in_glass_mode(program):
    for got, expected in zip(results(program, True), results(program, False), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
