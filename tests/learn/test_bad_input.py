"""Bad input: every estimator answers as scikit-learn's of the same name does, error or result."""

import os
import warnings

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("sklearn")

from scipy.sparse import csr_array  # noqa: E402
from sklearn import (  # noqa: E402
    cluster,
    decomposition,
    ensemble,
    linear_model,
    manifold,
    mixture,
    neighbors,
    neural_network,
    preprocessing,
    svm,
    tree,
)
from sklearn.base import is_regressor  # noqa: E402
from sklearn.utils import validation  # noqa: E402

from chainrule import learn  # noqa: E402

# Without it: a case of each kind on an estimator of each family, about a tenth of all.
SLOW = bool(os.environ.get("CHAINRULE_SLOW"))
QUICK = (
    "DecisionTreeClassifier", "GaussianMixture", "KMeans", "KNeighborsClassifier", "Lasso",
    "LogisticRegression", "PCA", "RandomForestRegressor", "StandardScaler", "SVC",
)  # fmt: skip
QUICK_CASES = (
    "NaN", "infinite", "huge", "one class", "one sample", "no samples", "constant column",
    "strings", "sparse", "read-only", "float32", "complex", "ragged lists", "one axis",
    "no target", "target of another length", "target with NaN",
)  # fmt: skip
MODULES = (
    cluster, decomposition, ensemble, linear_model, manifold, mixture, neighbors, preprocessing,
    svm, tree,
)  # fmt: skip
FEW = {
    "n_estimators": 3, "max_iter": 250, "n_init": 1, "perplexity": 5.0, "max_epochs": 3,
    "random_state": 0,
}  # fmt: skip
OTHERS = {
    "NeuralClassifier": neural_network.MLPClassifier,
    "NeuralRegressor": neural_network.MLPRegressor,
}
# scikit-learn 1.9's Barnes-Hut t-SNE ends the process on values that overflow.
NO_PARTNER = ("Whitener", "TSNE")


def pairs():
    found_pairs = []
    for name in learn.__all__:
        ours = getattr(learn, name)
        if not isinstance(ours, type) or not hasattr(ours, "fit") or name in NO_PARTNER:
            continue
        if not SLOW and name not in QUICK:
            continue
        found = [getattr(module, name) for module in MODULES if hasattr(module, name)]
        theirs = (found or [OTHERS.get(name)])[0]
        found_pairs.append(pytest.param(ours, theirs, id=name))
    return found_pairs


def table(rows=24):
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 3))
    return x, (x[:, 0] > 0).astype(int)


def with_entry(value):
    def make():
        x, y = table()
        x[3, 1] = value
        return x, y

    return make


def frozen():
    x, y = table()
    x.flags.writeable = False
    y.flags.writeable = False
    return x, y


def targets(change):
    def make():
        x, y = table()
        return x, change(y)

    return make


def inputs(change):
    def make():
        x, y = table()
        return change(x), y

    return make


class Frame:
    """A table with names of columns, as a data frame has them."""

    def __init__(self, values, names):
        self.values, self.names, self.shape = values, names, values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


CASES = {
    "NaN": with_entry(np.nan),
    "infinite": with_entry(np.inf),
    "huge": with_entry(1e300),
    "all huge": inputs(lambda x: x * 1e300),
    "tiny": inputs(lambda x: x * 1e-300),
    "one class": targets(np.zeros_like),
    "one sample": lambda: tuple(part[:1] for part in table()),
    "two samples": lambda: tuple(part[:2] for part in table()),
    "no samples": lambda: tuple(part[:0] for part in table()),
    "no features": inputs(lambda x: x[:, :0]),
    "one feature": inputs(lambda x: x[:, :1]),
    "constant column": inputs(lambda x: x * np.array([1.0, 0.0, 1.0])),
    "constant": inputs(np.ones_like),
    "copies of a row": inputs(lambda x: np.repeat(x[:2], len(x) // 2, axis=0)),
    "strings": inputs(lambda x: np.full(x.shape, "red")),
    "strings of numbers": inputs(lambda x: x.astype(str)),
    "sparse": inputs(csr_array),
    "read-only": frozen,
    "column-major": inputs(np.asfortranarray),
    "strided": inputs(lambda x: np.repeat(x, 2, axis=1)[:, ::2]),
    "big-endian": inputs(lambda x: x.astype(">f8")),
    "float16": inputs(lambda x: x.astype(np.float16)),
    "float32": inputs(lambda x: x.astype(np.float32)),
    "int8": inputs(lambda x: (x * 20).astype(np.int8)),
    "bool": inputs(lambda x: x > 0),
    "complex": inputs(lambda x: x + 1j),
    "objects that are numbers": inputs(lambda x: x.astype(object)),
    "objects with None": inputs(lambda x: np.where(x > 1, None, x.astype(object))),
    "objects with dicts": inputs(lambda x: np.where(x > 0.5, {}, x.astype(object))),
    "nested lists": lambda: tuple(part.tolist() for part in table()),
    "ragged lists": inputs(lambda x: [[1.0, 2.0]] * 23 + [[1.0]]),
    "one axis": inputs(lambda x: x[:, 0]),
    "a number": inputs(lambda x: 3.0),
    "None": inputs(lambda x: None),
    "no target": targets(lambda y: None),
    "target of another length": targets(lambda y: y[:-1]),
    "target with NaN": targets(lambda y: np.where(y > 0, np.nan, 0.0)),
    "target infinite": targets(lambda y: np.where(y > 0, np.inf, 0.0)),
    "target of texts": targets(lambda y: np.where(y > 0, "yes", "no")),
    "target of objects": targets(lambda y: y.astype(object)),
    "target real": targets(lambda y: y + 0.37 * np.arange(len(y))),
    "target a column": targets(lambda y: y[:, None]),
    "target two columns": targets(lambda y: np.stack([y, 1 - y], axis=1)),
    "target complex": targets(lambda y: y + 1j),
    "target bool": targets(lambda y: y > 0),
}
# Trees take missing values, everywhere.
MORE = {
    (case, name)
    for case in ("NaN", "objects with None")
    for name in learn.__all__
    if name.startswith(("AdaBoost", "GradientBoost"))
}
# Numbers as texts are taken as numbers; there many a model is fitted to them, but predicts none.
MORE |= {("strings of numbers", name) for name in learn.__all__}
# A text as a number is a ValueError here, and an error of a subtraction there.
MORE |= {("target of texts", "NeuralRegressor")}
# What is refused here, by scikit-learn's own words: dense tables only, one target only, or a
# variance that overflows.
REFUSED = (
    ("sparse", "Sparse data was passed"),
    ("target two columns", "y should be a 1d array"),
    ("huge", "dual coefficients or intercepts are not finite"),
)
# There scikit-learn's line search never ends.
ENDLESS = {(case, "LinearSVC") for case in ("huge", "all huge", "tiny")}


def made(kind):
    known = kind().get_params()
    return kind(**{k: v for k, v in FEW.items() if k in known})


def outcome(kind, x, y):
    """(error or None, what came out) of a fit and what follows it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            model = made(kind).fit(x, y)
            for name in ("predict", "transform", "embedding_"):
                if hasattr(model, name):
                    act = getattr(model, name)
                    return None, np.asarray(act(x) if callable(act) else act)
        except Exception as error:
            return error, None
    return None, None


def root(error):
    """The built-in class that users catch."""
    return next(
        kind for kind in (TypeError, ValueError, AttributeError, Exception)
        if isinstance(error, kind)
    )  # fmt: skip


@pytest.mark.parametrize("ours, theirs", pairs())
@pytest.mark.parametrize("case", CASES if SLOW else QUICK_CASES)
def test_bad_input(ours, theirs, case):
    found, own = outcome(ours, *CASES[case]())
    if (case, ours.__name__) in MORE | ENDLESS:
        assert found is None or isinstance(found, ValueError), repr(found)
        return
    wanted, result = outcome(theirs, *CASES[case]())
    if any(case == name and words in str(found) for name, words in REFUSED):
        return
    if wanted is None:
        assert found is None, repr(found)
        assert (own is None) == (result is None)
        assert own is None or hasattr(own, "tocsr") or own.shape == result.shape
        return
    assert found is not None, f"no error, where scikit-learn says {wanted!r}"
    assert isinstance(found, root(wanted)), f"{found!r}, where scikit-learn says {wanted!r}"


@pytest.mark.parametrize("ours, theirs", pairs())
def test_numbers_as_texts_are_numbers(ours, theirs):
    error, result = outcome(ours, *CASES["strings of numbers"]())
    if ours.__name__ in OTHERS:  # networks refuse them, here and there
        assert isinstance(error, ValueError)
        return
    _, wanted = outcome(ours, *table())
    assert error is None
    np.testing.assert_allclose(result, wanted)


@pytest.mark.parametrize("case", CASES if SLOW else ("NaN", "infinite", "no samples", "sparse"))
@pytest.mark.parametrize("name", [name for name in NO_PARTNER if SLOW or name == "Whitener"])
def test_bad_input_without_a_partner(name, case):
    error, result = outcome(getattr(learn, name), *CASES[case]())
    refused = (
        "NaN", "infinite", "one sample", "two samples", "no samples", "no features", "strings",
        "sparse", "complex", "objects with None", "objects with dicts", "ragged lists", "one axis",
        "a number", "None",
    )  # fmt: skip
    few = name == "Whitener" and case == "two samples"
    if (case in refused and not few) or (name, case) == ("TSNE", "one feature"):
        assert isinstance(error, TypeError | ValueError), repr(error)
    elif "huge" not in case:
        assert error is None and len(result) in (2, 24), repr(error)


@pytest.mark.parametrize("ours, theirs", pairs())
def test_samples_of_another_width_or_before_a_fit(ours, theirs):
    x, y = table()
    model = made(ours)
    for act in ("predict", "transform", "predict_proba"):
        if not hasattr(model, act):
            continue
        with pytest.raises(ValueError, match=r"not fitted|fit"):
            getattr(made(ours), act)(x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few rounds
            model.fit(x, y)
        with pytest.raises(ValueError, match="features"):
            getattr(model, act)(x[:, :2])
        with pytest.raises(ValueError):
            getattr(model, act)(x[:0])


@pytest.mark.parametrize("ours, theirs", pairs())
def test_names_of_columns_are_kept_and_compared(ours, theirs, monkeypatch):
    def names_of(table):
        return np.array(table.names, dtype=object) if isinstance(table, Frame) else None

    monkeypatch.setattr(validation, "_get_feature_names", names_of)
    x, y = table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = made(ours).fit(Frame(x, ["a", "b", "c"]), y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    act = getattr(model, "predict", None) or getattr(model, "transform", None)
    if act is None:
        return
    with pytest.raises(ValueError, match="feature names"):
        act(Frame(x, ["b", "a", "c"]))
    with pytest.warns(UserWarning, match="feature names"):
        act(x)


@pytest.mark.parametrize("ours, theirs", pairs())
def test_weights_that_are_no_weights(ours, theirs):
    x, y = table()
    y = y + 0.1 * x[:, 1] if is_regressor(made(ours)) else y
    for weight in (np.ones(3), np.full(24, np.nan), np.full(24, "a"), np.ones((24, 2))):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                made(theirs).fit(x, y, sample_weight=weight)
            except Exception as error:
                with pytest.raises(root(error)):
                    made(ours).fit(x, y, sample_weight=weight)
