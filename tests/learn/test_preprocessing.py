"""Scalers give scikit-learn's numbers, whole and in parts, dense and sparse, with holes; and show
their working."""

import warnings

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("sklearn")

import scipy.sparse as sp  # noqa: E402
from sklearn import preprocessing as theirs  # noqa: E402

import chainrule as cr  # noqa: E402
from chainrule.learn import preprocessing as ours  # noqa: E402

RANDOM = np.random.default_rng(3)
DATA = RANDOM.normal(size=(50, 4)) * [1, 100, 0.01, 0] + [0, 1e3, 5, 7]
HOLES = DATA.copy()
HOLES[::7, 0] = np.nan
HOLES[:, 1] = np.nan
SPARSE = sp.random_array((60, 5), density=0.3, rng=RANDOM, format="csr") - sp.random_array(
    (60, 5), density=0.2, rng=RANDOM, format="csr"
)
WEIGHT = RANDOM.uniform(0.5, 2.0, 50)
ATTRIBUTES = (
    "mean_", "var_", "scale_", "n_samples_seen_", "data_min_", "data_max_", "data_range_", "min_",
    "max_abs_", "center_", "n_features_in_",
)  # fmt: skip
SCALERS = [
    ("StandardScaler", {}),
    ("StandardScaler", {"with_mean": False}),
    ("StandardScaler", {"with_std": False}),
    ("StandardScaler", {"with_std": False, "with_mean": False}),
    ("MinMaxScaler", {}),
    ("MinMaxScaler", {"feature_range": (-1, 2), "clip": True}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {}),
    ("RobustScaler", {"quantile_range": (10.0, 90.0), "unit_variance": True}),
    ("RobustScaler", {"with_centering": False}),
    ("RobustScaler", {"with_scaling": False}),
]
PARTS = [pair for pair in SCALERS if pair[0] != "RobustScaler"]
ZEROS_KEPT = [
    ("StandardScaler", {"with_mean": False}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {"with_centering": False}),
]


def both(name, options):
    return getattr(ours, name)(**options), getattr(theirs, name)(**options)


def same(mine, other, tolerance=1e-9):
    for name in ATTRIBUTES:
        assert hasattr(mine, name) == hasattr(other, name), name
        a, b = getattr(mine, name, None), getattr(other, name, None)
        assert (a is None) == (b is None), name
        if b is not None:
            assert np.shape(a) == np.shape(b), name
            assert np.allclose(a, b, rtol=tolerance, atol=1e-12, equal_nan=True), name


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "options"), SCALERS, ids=str)
def test_scalers_agree(name, options, kind):
    mine, other = both(name, options)
    data = DATA.astype(kind)
    a, b = mine.fit_transform(data), other.fit_transform(data)
    tolerance = 1e-4 if kind is np.float32 else 1e-9
    same(mine, other, tolerance)
    assert a.dtype == b.dtype == kind
    assert np.allclose(a, b, rtol=tolerance, atol=tolerance * 10)
    assert list(mine.get_feature_names_out()) == list(other.get_feature_names_out())
    if not options.get("clip"):
        assert np.allclose(mine.inverse_transform(a), data, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 4), (700, 4), (5000, 1), (300, 40), (40, 1500)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_shape_and_order_is_scaled_alike(shape, order):
    data = np.asarray(RANDOM.normal(size=shape) * 3 + 2, order=order)
    for name in ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler"):
        mine, other = both(name, {})
        expected = other.fit_transform(data)
        found = mine.fit_transform(data)
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)
        assert np.allclose(mine.inverse_transform(found), data)
        assert found.flags.f_contiguous == data.flags.f_contiguous


def test_a_copy_is_made_only_where_it_is_wanted():
    for name in ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler"):
        data = DATA.copy()
        scaler = getattr(ours, name)().fit(data)
        assert np.array_equal(data, DATA) and not np.shares_memory(scaler.transform(data), data)
        assert np.array_equal(data, DATA)
        expected = scaler.transform(data)
        assert scaler.set_params(copy=False).transform(data) is data
        assert np.array_equal(data, expected)
        frozen = DATA.copy()
        frozen.flags.writeable = False
        assert np.array_equal(scaler.transform(frozen), expected)


@pytest.mark.parametrize(("name", "options"), SCALERS, ids=str)
def test_holes_are_left_out(name, options):
    mine, other = both(name, options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mine.fit(HOLES), other.fit(HOLES)
    same(mine, other)
    assert np.allclose(mine.transform(HOLES), other.transform(HOLES), equal_nan=True)
    with pytest.raises(ValueError, match="infinity"):
        getattr(ours, name)(**options).fit(np.where(np.isnan(HOLES), np.inf, HOLES))


@pytest.mark.parametrize("data", [DATA, HOLES], ids=["whole", "holes"])
@pytest.mark.parametrize(("name", "options"), PARTS, ids=str)
def test_parts_add_up_to_the_whole(name, options, data):
    mine, other = both(name, options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for part in np.split(data, [1, 20, 33]):
            mine.partial_fit(part)
        # There a hole of one part may stay one of the whole: compare with the whole.
        other.fit(data)
        same(mine, other)
        same(mine.fit(data[:30]), getattr(theirs, name)(**options).fit(data[:30]))


def test_weights_count():
    mine, other = both("StandardScaler", {})
    same(mine.fit(DATA, sample_weight=WEIGHT), other.fit(DATA, sample_weight=WEIGHT))
    for a in (slice(0, 20), slice(20, 50)):
        mine.partial_fit(DATA[a], sample_weight=WEIGHT[a])
        other.partial_fit(DATA[a], sample_weight=WEIGHT[a])
    same(mine, other)


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize(("name", "options"), ZEROS_KEPT, ids=str)
def test_sparse_tables_stay_sparse(name, options, form):
    mine, other = both(name, options)
    given = SPARSE.asformat(form)
    before = given.copy()
    a, b = mine.fit_transform(given), other.fit_transform(given)
    same(mine, other)
    assert sp.issparse(a) and np.allclose(a.toarray(), b.toarray())
    assert np.allclose(mine.inverse_transform(a).toarray(), given.toarray())
    assert (given != before).nnz == 0
    dense = getattr(ours, name)(**options).fit_transform(given.toarray())
    assert np.allclose(a.toarray(), dense)
    holes = given.copy()
    holes.data[::5] = np.nan
    same(mine.fit(holes), other.fit(holes))


def test_what_would_fill_a_sparse_table_is_refused():
    for name in ("StandardScaler", "RobustScaler"):
        with pytest.raises(ValueError, match="[Cc]annot center sparse"):
            getattr(ours, name)().fit(SPARSE)
        fitted = getattr(ours, name)().fit(SPARSE.toarray())
        with pytest.raises(ValueError, match="[Cc]annot center sparse"):
            fitted.transform(SPARSE)
    with pytest.raises(TypeError, match="[Ss]parse"):
        ours.MinMaxScaler().fit(SPARSE)


@pytest.mark.parametrize(
    "options",
    [
        {"degree": 3},
        {"degree": (2, 3), "include_bias": False},
        {"interaction_only": True, "order": "F"},
        {"degree": 0},
        {"degree": (3, 3), "interaction_only": True},
    ],
    ids=str,
)
def test_polynomials_agree(options):
    mine, other = both("PolynomialFeatures", options)
    a, b = mine.fit_transform(DATA), other.fit_transform(DATA)
    assert np.allclose(a, b, rtol=1e-12)
    assert mine.n_output_features_ == other.n_output_features_
    assert list(mine.get_feature_names_out()) == list(other.get_feature_names_out())
    assert np.array_equal(mine.powers_, other.powers_)
    assert np.allclose(mine.fit_transform(sp.csr_matrix(DATA)).toarray(), a, rtol=1e-5)


@pytest.mark.parametrize("method", ["zca", "pca"])
def test_whitening_makes_the_covariance_the_identity(method):
    mixed = np.random.default_rng(4).normal(size=(200, 3)) @ [[2, 1, 0], [0, 1, 1], [0, 0, 3.0]] + 5
    white = ours.Whitener(method=method)
    z = white.fit_transform(mixed)
    assert np.allclose(z.mean(axis=0), 0) and np.allclose(np.cov(z.T, bias=True), np.eye(3))
    assert np.allclose(white.inverse_transform(z), mixed)
    if method == "zca":
        assert np.allclose(white.whitening_, white.whitening_.T)
    flat = np.c_[mixed, mixed[:, 0]]
    assert np.linalg.matrix_rank(ours.Whitener(method=method).fit_transform(flat)) == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [*SCALERS, ("Whitener", {}), ("Whitener", {"method": "pca"}), ("PolynomialFeatures", {})],
    ids=str,
)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_every_number_shown_is_worked_out_again(name, options, kind):
    scaler = getattr(ours, name)(**options)
    data = RANDOM.normal(size=(30, 3)).astype(kind) * np.array([1, 50, 0.1], kind) + kind(4)
    plain = cr.explain(scaler.fit(data))
    assert plain.verify() and plain.to_text()
    working = cr.explain(scaler.fit(data, trace=True))
    checked = working.verify()
    assert checked and checked.right >= 1, str(checked)
    assert working.to_text(language="en") != working.to_text(language="zh")
    assert working.to_html() and working.to_latex()


def test_a_wrong_figure_is_found():
    scaler = ours.StandardScaler().fit(DATA, trace=True)
    scaler.mean_ = scaler.mean_ + 1e-3
    assert not scaler.working().verify()
    sparse = ours.MaxAbsScaler().fit(SPARSE, trace=True)
    assert sparse.working().verify()
    holes = ours.StandardScaler().fit(HOLES[:, [0, 2]], sample_weight=WEIGHT, trace=True)
    assert holes.working().verify()
