"""Row B: regression by gradient descent, and the ways that reach the same minimum."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.models import LinearRegression, LogisticRegression, polynomial_features


@pytest.fixture
def line():
    """200 points near y = x₁ − 2x₂ + 0.5; x₃ says nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = x @ [1.0, -2.0, 0.0] + 0.5 + 0.1 * rng.normal(size=200)
    return cr.tensor(x), cr.tensor(y)


@pytest.fixture
def groups():
    """200 points in three overlapping groups."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    return cr.tensor(x), cr.tensor(np.digitize(x[:, 0] + 0.5 * rng.normal(size=200), [-0.5, 0.5]))


def theta(model):
    return np.append(model.linear.weight.detach().numpy(), model.linear.bias.detach().numpy())


def test_one_step_by_hand():
    """m = 2, θ = 0: J = (1 + 9)/4, ∂J/∂θ₀ = (−1 − 3)/2, ∂J/∂θ₁ = (−1·1 − 3·2)/2."""
    model = LinearRegression(1)
    costs = model.fit(cr.tensor([[1.0], [2.0]]), cr.tensor([1.0, 3.0]), lr=0.1, steps=1)
    assert costs == [2.5]
    np.testing.assert_allclose(theta(model), [0.35, 0.2], rtol=1e-6)


def test_gradient_descent_reaches_the_normal_equation(line):
    descended, solved = LinearRegression(3).double(), LinearRegression(3).double()
    costs = descended.fit(*line, lr=0.3, steps=500, ridge=5.0, tolerance=1e-12)
    solved.solve(*line, ridge=5.0)
    assert costs[:50] == sorted(costs[:50], reverse=True) and len(costs) < 500
    np.testing.assert_allclose(theta(descended), theta(solved), atol=1e-10)
    solved.solve(*line)
    np.testing.assert_allclose(theta(solved), [1, -2, 0, 0.5], atol=0.03)


def test_ridge_and_lasso_are_scikit_learns(line):
    sklearn = pytest.importorskip("sklearn.linear_model")
    x, y = (v.numpy() for v in line)
    model = LinearRegression(3).double()
    model.solve(*line, ridge=5.0)
    theirs = sklearn.Ridge(5.0).fit(x, y)
    np.testing.assert_allclose(theta(model), [*theirs.coef_, theirs.intercept_], rtol=1e-9)
    model.lasso(*line, l1=0.1)
    theirs = sklearn.Lasso(0.1, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(theta(model), [*theirs.coef_, theirs.intercept_], atol=1e-8)
    assert theta(model)[2] == 0  # the feature that says nothing is out


def test_several_outputs_and_equal_columns(line):
    x, y = line
    model = LinearRegression(6, 2).double()
    model.solve(cr.cat([x, x], 1), cr.stack([y, -y], 1))
    w = model.linear.weight.detach().numpy()
    np.testing.assert_allclose(w[0], -w[1], atol=1e-12)
    np.testing.assert_allclose(w[0, :3], w[0, 3:], atol=1e-12)  # the smallest solution shares


@pytest.mark.parametrize("classes", [2, 3])
def test_three_ways_to_one_logistic_minimum(groups, classes):
    x, y = groups
    y = y.clamp(max=classes - 1)
    found = {}
    for method in ("gradient", "newton", "lbfgs"):
        model = LogisticRegression(3, classes).double()
        costs = model.fit(x, y, method, lr=0.5, steps=3000, ridge=1.0, tolerance=1e-9)
        found[method] = theta(model), len(costs)
        assert costs[0] == pytest.approx(np.log(classes))
        p = model(x)
        assert p.shape == ((200,) if classes == 2 else (200, 3))
        assert (model.predict(x) == y).double().mean().item() > 0.7
    np.testing.assert_allclose(found["newton"][0], found["gradient"][0], atol=1e-6)
    np.testing.assert_allclose(found["newton"][0], found["lbfgs"][0], atol=1e-6)
    assert found["newton"][1] < 12 < 100 < found["gradient"][1]


def test_the_curve_of_the_notes():
    """Formula 2-1: squares of the features make an ellipse of the boundary."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (300, 2))
    y = cr.tensor((x[:, 0] ** 2 + 2 * x[:, 1] ** 2 < 2).astype(np.int64))
    flat, curved = LogisticRegression(2).double(), LogisticRegression(2, degree=2).double()
    for model in (flat, curved):
        model.fit(cr.tensor(x), y, "newton", ridge=0.01)
    right = [(model.predict(cr.tensor(x)) == y).double().mean().item() for model in (flat, curved)]
    assert right[0] < 0.75 and right[1] > 0.99
    w = curved.linear.weight.tolist()[0]
    assert w[3] / w[2] == pytest.approx(2, rel=0.1)
    powers = polynomial_features(cr.tensor([[2.0, 3.0]]), 3)
    assert powers.tolist() == [[2, 3, 4, 9, 8, 27]]


def test_a_certain_right_answer_costs_nothing():
    """The note's slip: y = 1 and h = 1 cost 0, not 1; y = 0 and h = 1 cost without bound."""
    model = LogisticRegression(1)
    model.linear.weight.data.fill_(1000.0)
    one = cr.tensor([[1.0]])
    assert model.cost(one, cr.tensor([1])).item() == 0
    assert model.cost(one, cr.tensor([0])).item() == 1000


def test_what_cannot_be_fitted(line):
    x, y = line
    with pytest.raises(cr.ChainruleError, match="no longer finite after .* steps: lr = 9"):
        LinearRegression(3).double().fit(x, y, lr=9.0)
    with pytest.raises(cr.ChainruleError, match=r"not \(200, 3\) and \(100,\)"):
        LinearRegression(3).double().solve(x, y[:100])
    with pytest.raises(cr.ChainruleError, match="method must be one of 'gradient'"):
        LogisticRegression(3).double().fit(x, y, "magic")
    with pytest.raises(cr.ChainruleError, match="ridge"):
        LinearRegression(3).double().solve(x, y, ridge=-1.0)
