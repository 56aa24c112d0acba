"""Worked steps: every number that is printed is computed again here, without chainrule."""

import math
import re

import numpy as np
import pytest

from chainrule.explain.worksheet import to_dict, to_text, worksheet

A2 = ("(x+y)*z", {"x": -2, "y": 5, "z": -4})
A3 = (
    "1/(1+exp(-(w0*x0+w1*x1+w2)))",
    {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3},
)

MATH = {
    name: getattr(math, name)
    for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "erf", "pi")
} | {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "relu": lambda x: max(x, 0.0),
    "max": max,
    "min": min,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "where": lambda c, a, b: a if c else b,
}


def python(formula, values):
    """A formula of a worksheet as Python computes it."""
    return eval(formula.replace("^", "**"), {"__builtins__": {}}, MATH | values)


def recompute(sheet):
    """Every number of a worksheet as plain data, from its formulas and the rules of calculus."""
    values = dict(sheet["variables"])
    for step in sheet["forward"]:
        values[step["name"]] = step["value"]
        assert step["value"] == pytest.approx(python(step["formula"], values), rel=1e-12), step
    assert values[sheet["output"]] == sheet["value"]
    gradients = {sheet["output"]: 1.0}
    for step in sheet["backward"]:
        # All that flows into a step has been added up when its turn comes.
        assert step["upstream"] == pytest.approx(gradients[step["name"]], rel=1e-12), step
        for term in step["terms"]:
            slope = python(term["derivative"], values)
            assert term["local"] == pytest.approx(slope, rel=1e-9, abs=1e-12), term
            product = step["upstream"] * term["local"]
            assert term["gradient"] == pytest.approx(product, rel=1e-12), term
            gradients[term["input"]] = gradients.get(term["input"], 0.0) + product
    for name, gradient in sheet["gradients"].items():
        assert gradient == pytest.approx(gradients[name], rel=1e-12, abs=1e-15), name


# ---- the notes' examples ---------------------------------------------------------------------


def test_the_first_example_of_the_notes_line_by_line():
    x, y, z = -2, 5, -4
    q = x + y
    f = q * z
    expected = f"""\
f = (x+y)*z

Values
  x = {x}, y = {y}, z = {z}

Forward
  q = x + y  = {x} + {y}    = {q}
  f = q * z  = {q} * ({z})  = {f}

Backward: upstream × local = gradient
  f = q * z         ∂f/∂f = 1
    ∂f/∂q = z = {z}  ∂f/∂q = 1 × ({z}) = {1 * z}
    ∂f/∂z = q = {q}   ∂f/∂z = 1 × {q} = {1 * q}
  q = x + y         ∂f/∂q = {z}
    ∂q/∂x = 1       ∂f/∂x = {z} × 1 = {z * 1}
    ∂q/∂y = 1       ∂f/∂y = {z} × 1 = {z * 1}

Gradients
  ∂f/∂x = {z}
  ∂f/∂y = {z}
  ∂f/∂z = {q}
"""
    assert (q, f) == (3, -12)
    assert to_text(worksheet(*A2)) == expected


def test_the_perceptron_of_the_notes_line_by_line():
    w0, x0, w1, x1, w2 = 2, -1, -3, -2, -3
    u = w0 * x0 + w1 * x1 + w2
    e = math.exp(-u)
    s = 1 + e
    f = 1 / s
    reciprocal = -1 / s**2
    exponential = reciprocal * e
    d = -exponential
    sheet = worksheet(*A3)
    text = to_text(sheet)
    for line in (
        "q1 = w0 * x0  = 2 * (-1)   = -2",
        "q2 = w1 * x1  = -3 * (-2)  = 6",
        "q3 = q1 + q2  = -2 + 6     = 4",
        f"q4 = q3 + w2  = 4 + (-3)   = {u}",
        f"q5 = -q4                   = {-u}",
        f"q6 = exp(q5)  = exp({-u})    = {e:.2f}",
        f"q7 = 1 + q6   = 1 + {e:.2f}   = {s:.2f}",
        f"f = 1 / q7    = 1 / {s:.2f}   = {f:.2f}",
        f"∂f/∂q7 = -1 / q7^2 = -1 / {s:.2f}^2 = {reciprocal:.2f}",
        f"∂f/∂q7 = 1 × ({reciprocal:.2f}) = {reciprocal:.2f}",
        f"∂f/∂q6 = {reciprocal:.2f} × 1 = {reciprocal:.2f}",
        f"∂q6/∂q5 = exp(q5) = exp({-u}) = {e:.2f}",
        f"∂f/∂q5 = {reciprocal:.2f} × {e:.2f} = {exponential:.2f}",
        f"∂f/∂q4 = {exponential:.2f} × (-1) = {d:.2f}",
        f"∂f/∂w2 = {d:.2f} × 1 = {d:.2f}",
        f"∂f/∂w1 = {d:.2f} × (-2) = {d * x1:.2f}",
        f"∂f/∂x1 = {d:.2f} × (-3) = {d * w1:.2f}",
        f"∂f/∂w0 = {d:.2f} × (-1) = {d * x0:.2f}",
        f"∂f/∂x0 = {d:.2f} × 2 = {d * w0:.2f}",
    ):
        assert line in text, line
    # As the notes print them.
    assert f"{s:.2f} {f:.2f} {reciprocal:.2f} {exponential:.2f} {d:.2f}" == (
        "1.37 0.73 -0.53 -0.20 0.20"
    )
    results = text[text.index("Gradients") :]
    shown = dict(re.findall(r"∂f/∂(\w+) = (\S+)", results))
    assert shown == {"w2": "0.20", "w0": "-0.20", "x0": "0.39", "w1": "-0.39", "x1": "-0.59"}
    # The gates in the order of the notes: reciprocal, + 1, exp, × (-1), sums, products.
    assert [w.function for w in reversed(sheet.steps)] == [
        "reciprocal", "+", "exp", "neg", "+", "+", "*", "*",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        A2,
        A3,
        ("x*x", {"x": 3}),
        ("q = x + y; r = q*q; r/(q - 1)", {"x": 1.5, "y": 0.25}),
        ("sigmoid(w*x)*x + relu(w) - max(x,w)^2/x", {"w": 0.5, "x": 2}),
        ("-x^2 + 2^x - (x - 3)/(2*x)", {"x": 1.7}),
        ("x^y^0.5 - abs(y - x)*min(x, 1/y)", {"x": 0.7, "y": 1.3}),
        ("log(1 + exp(x)) / sqrt(2 + cos(x)*sin(x))", {"x": -0.4}),
        ("tanh(a*tanh(a*tanh(a*x)))", {"a": 1.1, "x": 0.3}),
        ("softplus(x, 2) + elu(x) + silu(x)*gelu(y) - leaky_relu(-y, 0.1)", {"x": -0.3, "y": 2}),
    ],
)
def test_every_number_comes_out_again(expression, values):
    sheet = worksheet(expression, values, check=True)
    data = to_dict(sheet)
    for step in data["forward"]:
        function = step["formula"].split("(")[0]
        if function in ("softplus", "elu", "silu", "gelu", "leaky_relu"):
            # Python's math has no such function: the formula that is shown for it must do.
            step["formula"] = expansion_of(to_text(sheet, 15, 10_000), step["name"])
    recompute(data)
    assert data["disagreements"] == []


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        A2,
        A3,
        ("x*x + 3*x", {"x": 2}),
        ("sigmoid(w*x)*x + relu(w) - max(x,w)^2/x", {"w": 0.5, "x": 2}),
        ("log(1 + exp(x)) / sqrt(2 + cos(x)*sin(x))", {"x": -0.4}),
    ],
)
def test_both_sides_of_every_printed_equation_are_equal(expression, values):
    sheet = worksheet(expression, values)
    known = {name: float(x) for name, x in sheet.values.items()}
    text = to_text(sheet, 12, 10_000)
    pairs = re.findall(r"(\w+) = ([^,\n]+)", text[text.index("Values") : text.index("Forward")])
    assert {name: float(value) for name, value in pairs} == values
    compared = 0
    for line in text[text.index("Forward") :].splitlines():
        if not line.startswith("  "):
            continue
        # Two spaces part the columns, but those before "=" belong to one equation.
        for cell in re.split(r" {2,}(?![ =])", line.strip()):
            sides = [side.strip() for side in re.split(r"\+?= ", cell.replace("×", "*"))]
            numbers = [python(side, known) for side in sides if not side.startswith("∂")]
            for number in numbers[1:]:
                assert number == pytest.approx(numbers[0], rel=1e-9, abs=1e-11), line
                compared += 1
    assert compared >= 2 * len(sheet.steps)


def expansion_of(text, name):
    line = next(line for line in text.splitlines() if line.startswith(f"  {name} = "))
    return line.split("  = ")[0].split(" = ")[-1].strip()


def test_a_value_used_twice_sums_its_terms():
    text = to_text(worksheet("x*x + 3*x", {"x": 2}))
    assert "∂f/∂x += 1 × 2 = 2" in text
    assert text.endswith("Gradients\n  ∂f/∂x = 3 + 2 + 2 = 7\n")
    inner = to_text(worksheet("q = x + 1; q*q - q", {"x": 4}))
    assert re.search(r"q = x \+ 1 +∂f/∂q = -1 \+ 5 \+ 5 = 9", inner)


def test_vectors_sum_over_what_was_broadcast():
    sheet = worksheet("sum(w*x) + mean(x) + dot(x, x)", {"w": 0.5, "x": [1, 2, 4]}, check=True)
    x = np.array([1, 2, 4])
    assert sheet.gradients["w"] == x.sum()
    np.testing.assert_allclose(sheet.gradients["x"], 0.5 + 1 / 3 + 2 * x)
    assert to_dict(sheet)["disagreements"] == []
    assert "sum(1 × [1, 2, 4]) = 7" in to_text(sheet).replace("[1, 1, 1]", "1")
    whole = worksheet("-x", {"x": [1, 2]})
    assert "f is a vector" in to_text(whole)
    assert whole.gradients["x"].tolist() == [-1, -1]


def test_at_a_kink_the_engines_number_stands_and_the_check_says_so():
    sheet = worksheet("max(x, y)", {"x": 1, "y": 1}, check=True)
    text = to_text(sheet)
    assert sheet.gradients["x"] == sheet.gradients["y"] == 0.5
    assert "where(y > x, 0, 1 / 2)" in text  # a tie is shared
    bound = worksheet("max(x, 1)", {"x": 1}, check=True)
    assert "∂f/∂x = 0.5 (the operation's own rule here)" in to_text(bound)
    relu = worksheet("relu(x)", {"x": 0}, check=True)
    assert relu.gradients["x"] == 0
    assert to_dict(relu)["disagreements"] == ["∂f/∂x"]
    assert "✗ differences: 0.5" in to_text(relu)


def test_what_is_not_a_number_is_said():
    sheet = worksheet("log(x)", {"x": -1})
    assert to_dict(sheet)["value"] == "NaN"
    assert "= nan" in to_text(sheet) and "where it has no value" in to_text(sheet)
    assert to_dict(worksheet("1/x", {"x": 0}))["value"] == "Infinity"


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (3.0, 2, "3"), (-0.0, 2, "0"), (0.5, 2, "0.5"), (0.196612, 2, "0.20"), (1.3679, 2, "1.37"),
        (1.3679, 4, "1.3679"), (0.012345, 2, "0.012"), (-0.04997, 2, "-0.050"), (0.125, 2, "0.125"),
        (123.4567, 2, "123.46"), (12345678.9, 2, "1.23e+07"), (3.2e-9, 2, "3.20e-09"),
        (1 / 3, 6, "0.333333"), (0.1 + 0.2, 2, "0.30"), (2.5e15, 2, "2.50e+15"),
    ],
)  # fmt: skip
def test_numbers_are_shown_as_the_notes_show_them(value, digits, shown):
    from chainrule.explain.worksheet.numbers import number

    assert number(value, digits) == shown


def test_lines_stay_within_the_width_and_nothing_is_lost():
    values = {"x": 1.234567, "y": -2.345678, "w": [0.1, 0.2, 0.3, 0.4]}
    sheet = worksheet(
        "gelu(x*y) + sum(sigmoid(w*x)) + log(2 + sin(x)^2)/(1 + y^2) + max(x, y, x*y)", values, True
    )
    wide, narrow = (to_text(sheet, 3, width) for width in (10_000, 72))
    assert all(len(line) <= 72 for line in narrow.splitlines())
    assert narrow.split() == wide.split()
