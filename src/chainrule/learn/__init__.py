"""Classical learning: scikit-learn's interface, algorithms that show their working.

Needs the packages of `chainrule[learn]`. Names load when they are first used.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from chainrule.base.text import t as _t

# Public names by the module that they live in.
_MODULES: dict[str, tuple[str, ...]] = {
    "trees.tree": ("DecisionTreeClassifier", "DecisionTreeRegressor"),
    "trees.adaboost": ("AdaBoostClassifier", "AdaBoostRegressor"),
    "trees.bagging": ("BaggingClassifier", "BaggingRegressor"),
    "trees.boosting": ("GradientBoostingClassifier", "GradientBoostingRegressor"),
    "trees.forest": ("ExtraTreesClassifier", "RandomForestClassifier", "RandomForestRegressor"),
    "trees.hist_boosting": ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    "svm": ("LinearSVC", "LinearSVR", "SVC", "SVR"),
    "neural": ("NeuralClassifier", "NeuralRegressor"),
    "neighbors": ("KNeighborsClassifier", "KNeighborsRegressor"),
    "linear": ("ElasticNet", "Lasso", "LinearRegression", "LogisticRegression", "Ridge"),
    "preprocessing": (
        "MaxAbsScaler",
        "MinMaxScaler",
        "PolynomialFeatures",
        "RobustScaler",
        "StandardScaler",
        "Whitener",
    ),
    "cluster": ("KMeans", "MiniBatchKMeans", "kmeans_plusplus"),
    "mixture": ("GaussianMixture",),
    "decomposition": ("IncrementalPCA", "PCA"),
    "manifold": ("TSNE",),
    "working": ("Working", "Words"),
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_NAMES])


def __getattr__(name: str) -> _Any:
    if name not in _NAMES and name not in _MODULES and name != "metrics":
        raise AttributeError(f"module 'chainrule.learn' has no attribute {name!r}")
    try:
        module = _import_module(f"chainrule.learn.{_NAMES.get(name, name)}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("sklearn", "scipy", "numba"):
            raise
        text = _t(
            'chainrule.learn needs {package}: pip install "chainrule[learn]"', package=error.name
        )
        raise ImportError(text) from None
    value = globals()[name] = getattr(module, name) if name in _NAMES else module
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
