"""Robustness and generalisation are two things: models measured on both.

Generalisation is the score on samples never seen. Robustness is what is left of it when the
assumptions break: a little (noise on the inputs) or badly (outliers: wrong labels, wild targets).
One model may have either without the other.

    python examples/learn/robustness.py [picture.svg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from chainrule import learn, nn
from chainrule.learn.working import Curves, Multiples, Words

NOISE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
WRONG = (0.0, 0.1, 0.2, 0.3)
MODELS = {
    "1 neighbour": lambda: learn.KNeighborsClassifier(1),
    "9 neighbours": lambda: learn.KNeighborsClassifier(9),
    "tree": lambda: learn.DecisionTreeClassifier(random_state=0),
    "forest": lambda: learn.RandomForestClassifier(50, random_state=0),
    "machine": lambda: learn.SVC(C=10.0),
    "narrow machine": lambda: learn.SVC(C=100.0, gamma=3.0),
    "logistic": lambda: learn.LogisticRegression(C=0.1),
}


def classification() -> dict[str, dict[str, list[float]]]:
    """For each model: its scores on training samples and on held-out ones, on held-out ones with
    more and more noise, and after a fit on more and more wrong labels."""
    X, y = load_digits(return_X_y=True)
    X, held_X, y, held_y = train_test_split(
        X / 16, y, train_size=600, random_state=0, stratify=y
    )  # fmt: skip
    random = np.random.default_rng(0)
    shaking = random.normal(size=held_X.shape)
    order, other = random.permutation(len(y)), (y + random.integers(1, 10, len(y))) % 10
    found = {}
    for name, make in MODELS.items():
        model = make().fit(X, y)
        noisy = [float(model.score(held_X + s * shaking, held_y)) for s in NOISE]
        wrong = []
        for share in WRONG:
            labels = y.copy()
            rows = order[: int(share * len(y))]
            labels[rows] = other[rows]
            wrong.append(float(make().fit(X, labels).score(held_X, held_y)))
        found[name] = {"train": [float(model.score(X, y))], "noisy": noisy, "wrong": wrong}
    return found


def regression() -> dict[str, list[float]]:
    """|slope − 2| of a line fitted to y = 2x + 1 whose targets hold more and more outliers."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (200, 1))
    y = 2 * x[:, 0] + 1 + 0.05 * random.normal(size=200)
    found: dict[str, list[float]] = {"least squares": [], "absolute error": []}
    for outliers in (0, 2, 10):
        wild = y.copy()
        # Far away, and all on one side, as from a sensor that sticks.
        wild[np.argsort(x[:, 0])[:outliers]] = 50.0
        squares = learn.LinearRegression().fit(x, wild)
        absolute = learn.NeuralRegressor(
            nn.Linear, loss="l1", lr=0.05, max_epochs=300, patience=None, random_state=0
        ).fit(x, wild)
        found["least squares"].append(abs(float(squares.coef_[0]) - 2))
        slope = float(absolute.predict([[1.0]])[0] - absolute.predict([[0.0]])[0])
        found["absolute error"].append(abs(slope - 2))
    return found


def check(found: dict[str, dict[str, list[float]]], slopes: dict[str, list[float]]) -> None:
    """Assert what the two words mean, and that neither implies the other."""
    held = {name: scores["noisy"][0] for name, scores in found.items()}
    # A robust model is accurate first of all; then small deviations cost little ...
    nine = found["9 neighbours"]
    assert held["9 neighbours"] > 0.94 and held["9 neighbours"] - nine["noisy"][1] < 0.01
    # ... and large ones are no catastrophe.
    assert nine["wrong"][0] - nine["wrong"][2] < 0.02
    # A poor held-out score is not always a minimum that was missed: this one is reached, all
    # training samples are right, and what is learned holds for them alone.
    narrow = found["narrow machine"]
    assert narrow["train"][0] == 1.0 and held["narrow machine"] < 0.8
    # Better on new samples, yet worse with outliers: one neighbour believes every label.
    one = found["1 neighbour"]
    assert held["1 neighbour"] > held["9 neighbours"] and one["wrong"][2] < nine["wrong"][2] - 0.1
    # Better on new samples, yet worse with strong noise.
    assert held["machine"] > held["logistic"] + 0.03
    assert found["machine"]["noisy"][-1] < found["logistic"]["noisy"][-1] - 0.2
    # A vote of trees gives both: better than one tree, and less harmed by noise and wrong labels.
    tree, forest = found["tree"], found["forest"]
    for kind in ("noisy", "wrong"):
        assert forest[kind][0] > tree[kind][0]
        assert forest[kind][0] - forest[kind][2] < tree[kind][0] - tree[kind][2]
    # One target in a hundred ruins least squares; the absolute error hardly notices.
    squares, absolute = slopes["least squares"], slopes["absolute error"]
    assert squares[0] < 0.05 and absolute[0] < 0.05
    assert squares[1] > 0.5 and max(absolute) < 0.1


def picture(found: dict[str, dict[str, list[float]]]) -> str:
    """Held-out scores by noise, and by wrong labels."""
    noise = {name: (NOISE, scores["noisy"]) for name, scores in found.items()}
    wrong = {name: (WRONG, scores["wrong"]) for name, scores in found.items()}
    panels = [
        Curves(Words("Held-out score by noise", "留出得分与噪声"), noise),
        Curves(Words("Held-out score by share of wrong labels", "留出得分与错误标签占比"), wrong),
    ]
    return Multiples(Words("Robustness and generalisation", "鲁棒性与泛化能力"), panels).svg()


if __name__ == "__main__":
    measured, slopes = classification(), regression()
    check(measured, slopes)
    print(f"{'':16}{'train':>8}{'held out':>10}{'noise 0.2':>11}{'noise 0.5':>11}{'20% wrong':>11}")
    for name, scores in measured.items():
        noisy, wrong = scores["noisy"], scores["wrong"]
        print(
            f"{name:16}{scores['train'][0]:8.3f}{noisy[0]:10.3f}{noisy[2]:11.3f}{noisy[-1]:11.3f}"
            f"{wrong[2]:11.3f}"
        )
    for name, errors in slopes.items():
        text = ", ".join(f"{error:.3f}" for error in errors)
        print(f"error of the slope with 0, 2, 10 outliers of 200, {name}: {text}")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(picture(measured), encoding="utf-8")
