"""scikit-learn's own checks of estimators, on the linear models and the scalers."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule.learn.linear import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from chainrule.learn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    Whitener,
)

ESTIMATORS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    MinMaxScaler(),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False),
    Whitener(),
    PolynomialFeatures(),
    LinearRegression(),
    LinearRegression(positive=True),
    Ridge(),
    Ridge(solver="svd"),
    Lasso(),
    ElasticNet(),
    LogisticRegression(max_iter=1000),
    LogisticRegression(solver="newton-cholesky", max_iter=1000),
    LogisticRegression(solver="saga", l1_ratio=0.5, max_iter=1000),
    LogisticRegression(solver="liblinear", l1_ratio=1.0, max_iter=1000),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
