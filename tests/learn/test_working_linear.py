"""Every number that a linear model shows is worked out again, another way."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.learn import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 3)) + 1.0
Y = X @ [1.0, -2.0, 0.0] + 0.5 + 0.1 * RANDOM.normal(size=40)
WEIGHT = RANDOM.uniform(0.5, 2.0, 40)
CLASSES = np.digitize(X[:, 0] + 0.5 * RANDOM.normal(size=40), [0.5, 1.5])

REGRESSORS = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    LinearRegression(positive=True),
    LinearRegression(solver="gradient_descent", max_iter=50),
    LinearRegression(solver="gradient_descent", batch_size=1, max_iter=5, random_state=0),
    LinearRegression(solver="gradient_descent", batch_size=8, max_iter=5, random_state=0),
    Ridge(),
    Ridge(solver="lsqr"),
    Lasso(alpha=0.1),
    ElasticNet(alpha=0.1),
]
CLASSIFIERS = [
    LogisticRegression(),
    LogisticRegression(solver="newton-cholesky"),
    LogisticRegression(solver="newton-cg"),
    LogisticRegression(solver="gradient_descent", max_iter=2000),
    LogisticRegression(solver="saga", l1_ratio=0.5),
]


def names(models):
    return [str(model) for model in models]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("model", REGRESSORS, ids=names(REGRESSORS))
@pytest.mark.parametrize("columns", [1, 3])
def test_regressors(model, columns, weight):
    working = cr.explain(model.fit(X[:, :columns], Y, weight, trace=True))
    checked = working.verify()
    assert checked, str(checked)
    assert checked.right >= 4
    for language in ("en", "zh"):
        assert "<svg" in working.to_html(language=language) or columns == 3
        assert working.to_text(language=language)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=names(CLASSIFIERS))
def test_classifiers(model, classes):
    y = CLASSES if classes == 3 else CLASSES > 0
    working = model.fit(X[:, :2], y, WEIGHT, trace=True).working()
    checked = working.verify()
    assert checked, str(checked)
    assert checked.right >= 5
    assert "<svg" in working.to_html()


def test_one_that_tells_a_lie_is_found():
    model = LinearRegression().fit(X, Y, trace=True)
    model.coef_ = model.coef_ + 0.01
    assert not model.working().verify()


def test_the_liblinear_way_and_sparse_data():
    for data in (X, sp.csr_matrix(X)):
        model = LogisticRegression(solver="liblinear", l1_ratio=1.0)
        assert model.fit(data, CLASSES > 0, trace=True).working().verify()
        assert Lasso(alpha=0.1).fit(data, Y, trace=True).working().verify()


def test_without_a_trace_it_says_so():
    with pytest.raises(NotFittedError):
        Ridge().working()
    with pytest.raises(ArgumentError, match="trace=True"):
        Ridge().fit(X, Y).working()
    model = Ridge().fit(X, Y, trace=True)
    with pytest.raises(ArgumentError):
        model.fit(X, Y).working()  # an old trace is not shown for a new fit


def test_gradient_descent_follows_the_notes_formula():
    model = LinearRegression(solver="gradient_descent", learning_rate=0.1, max_iter=3)
    model.fit(X, Y, trace=True)
    theta = np.zeros(4)
    for i in range(3):
        error = X @ theta[1:] + theta[0] - Y
        assert np.allclose(model.trace_.path.theta[i], theta)
        theta = theta - 0.1 * np.append(error.mean(), (error @ X) / len(X))
    assert np.allclose([model.intercept_, *model.coef_], theta)
