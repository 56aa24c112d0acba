"""The five contrasts of bagging and boosting, measured on one table.

Bagging fits independent trees on drawn rows and lets them vote equally; boosting fits trees one
after another on reweighted rows and lets the good ones count more.

    python examples/learn/bagging_boosting.py [picture.svg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from chainrule import learn
from chainrule.learn.working import Curves, Multiples, Words

ROUNDS = 30


def contrasts() -> dict[str, object]:
    """What each of the five contrasts says, as measured numbers."""
    X, y = load_breast_cancer(return_X_y=True)
    X, held_X, y, held_y = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    bag = learn.BaggingClassifier(n_estimators=ROUNDS, random_state=0).fit(X, y)
    boost = learn.AdaBoostClassifier(n_estimators=ROUNDS, random_state=0).fit(X, y, trace=True)

    # 1. Rows: bagging draws them anew each round, boosting keeps them all.
    left_out = [1 - len(np.unique(rows)) / len(X) for rows in bag.estimators_samples_]
    # 2. Weights of rows: equal in bagging; in boosting those that were wrong grow.
    weights = [weight for weight, _ in boost.trace_]
    wrong = [bad for _, bad in boost.trace_]
    grown = [
        float((after / before)[bad].mean() / (after / before)[~bad].mean())
        for before, after, bad in zip(weights, weights[1:], wrong)
    ]
    # 3. Weights of the learners: equal in bagging; in boosting larger where the error is smaller.
    errors, alphas = boost.estimator_errors_, boost.estimator_weights_
    # 4. Side by side: bagging gives the same from several threads; a boosting round needs the
    # weights that the round before it left.
    threads = learn.BaggingClassifier(n_estimators=ROUNDS, random_state=0, n_jobs=2).fit(X, y)
    same = bool((threads.predict_proba(held_X) == bag.predict_proba(held_X)).all())
    again = learn.DecisionTreeClassifier(max_depth=1).fit(X, y, sample_weight=weights[1])
    needs = bool((again.predict(X) != boost.estimators_[0].predict(X)).any())
    # 5. What falls: a vote of deep trees falls below one deep tree's error (variance); a sum of
    # stumps falls below one stump's error (bias).
    tree = learn.DecisionTreeClassifier(random_state=0).fit(X, y)
    stump = learn.DecisionTreeClassifier(max_depth=1).fit(X, y)
    staged = [float((p != held_y).mean()) for p in boost.staged_predict(held_X)]
    return {
        "left_out": left_out, "row_weights": weights, "grown": grown, "errors": errors,
        "alphas": alphas, "same_in_threads": same, "needs_the_round_before": needs,
        "tree": 1 - tree.score(held_X, held_y), "bag": 1 - bag.score(held_X, held_y),
        "stump": 1 - stump.score(held_X, held_y), "boost": staged[-1], "staged": staged,
    }  # fmt: skip


def check(found: dict[str, object]) -> None:
    """Assert all five."""
    assert abs(np.mean(found["left_out"]) - np.exp(-1)) < 0.02
    assert np.ptp(found["row_weights"][0]) == 0 and np.ptp(found["row_weights"][-1]) > 0
    assert min(found["grown"]) > 1
    order = np.argsort(found["errors"])
    assert (np.diff(found["alphas"][order]) <= 1e-12).all()
    assert found["same_in_threads"] and found["needs_the_round_before"]
    assert found["bag"] < found["tree"] and found["boost"] < found["stump"]


def picture(found: dict[str, object]) -> str:
    """Error of the boosted sum round by round, and the weight against the error of each learner."""
    order = np.argsort(found["errors"])
    pairs = (found["errors"][order], found["alphas"][order])
    falling = Curves(Words("Held-out error of boosting", "提升的留出误差"), {"": found["staged"]})
    weights = Curves(Words("Learner's weight by error", "弱学习器的权重与误差"), {"": pairs})
    both = Multiples(Words("Bagging and boosting", "Bagging 与 boosting"), [falling, weights])
    return both.svg()


if __name__ == "__main__":
    measured = contrasts()
    check(measured)
    print(
        f"1 rows left out by a draw: {np.mean(measured['left_out']):.3f} (1/e = {np.exp(-1):.3f})"
    )
    print(f"2 wrong rows' weights grow by: {np.mean(measured['grown']):.2f} on average")
    print(f"3 learners' weights: {measured['alphas'].min():.2f} to {measured['alphas'].max():.2f}")
    print(f"4 bagging equal from two threads: {measured['same_in_threads']}")
    print(
        f"5 error: tree {measured['tree']:.3f} → bag {measured['bag']:.3f}; "
        f"stump {measured['stump']:.3f} → boost {measured['boost']:.3f}"
    )
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(picture(measured), encoding="utf-8")
