"""The worked examples of the notes, from tensors of a program (rows A2 and A3)."""

import pytest

import chainrule as cr


def leaf(value: float) -> cr.Tensor:
    return cr.tensor(value, dtype=cr.float64, requires_grad=True)


def test_example_one():
    x, y, z = leaf(-2.0), leaf(5.0), leaf(-4.0)
    q = x + y
    f = q * z
    explanation = cr.explain(f)
    assert {n: float(explanation.gradient(n)) for n in "xyzq"} == {
        "x": -4.0, "y": -4.0, "z": 3.0, "q": -4.0,
    }  # fmt: skip
    text = explanation.to_text()
    for line in (
        "q = x + y", "q = -2 + 5 = 3", "f = q * z", "f = 3 * (-4) = -12",
        "∂f/∂q = z = -4", "∂L/∂q = 1 × (-4) = -4", "∂L/∂z = 1 × 3 = 3", "∂L/∂x = (-4) × 1 = -4",
    ):  # fmt: skip
        assert f"    {line}\n" in text
    assert explanation.verify().right


def test_example_two_the_perceptron():
    w0, x0, w1, x1, w2 = map(leaf, (2.0, -1.0, -3.0, -2.0, -3.0))
    f = 1 / (1 + cr.exp(-(w0 * x0 + w1 * x1 + w2)))
    explanation = cr.explain(f)
    text = explanation.to_text(digits=2)
    # Gate by gate from the output: 1/u, +1, exp, ·(−1), then the sums and products.
    for line in (
        "n12 = 1 / 1.37 = 0.73", "∂L/∂n11 = 1 × (-0.53) = -0.53", "∂L/∂n10 = (-0.53) × 1 = -0.53",
        "∂L/∂n9 = (-0.53) × 0.37 = -0.20", "∂L/∂n8 = (-0.20) × (-1) = 0.20",
        "∂L/∂w2 = 0.20 × 1 = 0.20", "∂L/∂w0 = 0.20 × (-1) = -0.20", "∂L/∂x0 = 0.20 × 2 = 0.39",
        "∂L/∂w1 = 0.20 × (-2) = -0.39", "∂L/∂x1 = 0.20 × (-3) = -0.59",
    ):  # fmt: skip
        assert line in text.replace("f = 1 /", "n12 = 1 /"), line
    assert float(explanation.gradient("x1")) == pytest.approx(-0.5898, abs=1e-4)
    assert explanation.verify().right


def test_a_value_used_twice_shows_the_terms_of_its_sum():
    x = leaf(3.0)
    y = x * x + 2 * x
    text = cr.explain(y).to_text()
    assert "∂L/∂x = 2 + 3 + 3 = 8" in text


def test_average_pooling_shares_a_gradient():
    # I5: a gradient of 1.2 over a 2×2 average pool gives 0.3 to each.
    x = cr.ones(1, 1, 2, 2, requires_grad=True)
    y = cr.nn.functional.avg_pool2d(x, 2)
    explanation = cr.explain(y, gradient=cr.full((1, 1, 1, 1), 1.2))
    assert "1.2000 × 0.25 = 0.3000" in explanation.to_text()


def test_max_pooling_routes_it():
    x = cr.tensor([[[[1.0, 4.0], [3.0, 2.0]]]], requires_grad=True)
    y = cr.nn.functional.max_pool2d(x, 2)
    explanation = cr.explain(y.sum())
    assert explanation.gradient("x").tolist() == [[[[0, 1], [0, 0]]]]
    assert explanation.verify().right


def test_softmax_with_cross_entropy_is_p_minus_y():
    scores = cr.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    loss = cr.nn.functional.cross_entropy(scores, cr.tensor([2]))
    explanation = cr.explain(loss)
    p = scores.detach().softmax(1).numpy()[0]
    assert explanation.gradient("scores")[0] == pytest.approx(p - [0, 0, 1])
    assert "(softmax(scores) − onehot" in explanation.to_text()
