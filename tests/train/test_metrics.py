"""Metrics against scikit-learn where it is installed, and against figures worked by hand."""

import math

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError, ShapeError
from chainrule.graph import Tensor
from chainrule.train import metrics as m
from chainrule.train import streaming as s

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(200, 4)).astype(np.float32)
TARGET = RNG.integers(0, 4, 200)
BINARY_SCORE = np.round(RNG.normal(size=300), 1)  # rounded, so that there are ties
BINARY = (RNG.normal(size=300) + BINARY_SCORE > 0.3).astype(int)


def sklearn():
    return pytest.importorskip("sklearn.metrics")


def test_accuracy_of_scores_labels_one_hot_and_single_scores():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert m.accuracy(scores, [1, 0, 0]) == pytest.approx(2 / 3)
    assert m.accuracy([1, 0, 1], [1, 0, 0]) == pytest.approx(2 / 3)
    assert m.accuracy(scores, np.eye(2)[[1, 0, 0]]) == pytest.approx(2 / 3)
    assert m.accuracy(np.array([[0.9], [0.2], [0.7]]), [1, 0, 0]) == pytest.approx(2 / 3)
    assert m.accuracy(np.array([0.4, -0.2]), [1, 0], threshold=0.0) == 1.0
    assert m.accuracy(Tensor(scores, requires_grad=True), Tensor(np.array([1, 0, 0]))) > 0.6


def test_accuracy_of_maps_counts_every_place():
    scores = np.zeros((2, 3, 4, 5))
    scores[:, 1] = 1
    target = np.ones((2, 4, 5), dtype=int)
    target[0, 0, 0] = 2
    assert m.accuracy(scores, target) == pytest.approx(39 / 40)


@pytest.mark.parametrize(
    ("prediction", "target", "error"),
    [
        (np.zeros((3, 2)), np.zeros(4, int), ShapeError),
        (np.zeros(3), np.zeros((3, 2)), ShapeError),
        (np.zeros((0, 2)), np.zeros(0, int), DataError),
        (np.full((3, 2), np.nan), np.zeros(3, int), DataError),
        (np.zeros(3, int), np.array([0.5, 1, 1]), DataError),
        (np.zeros((2, 3)), np.ones((2, 3)), DataError),
    ],
)
def test_bad_input_is_refused(prediction, target, error):
    with pytest.raises(error):
        m.accuracy(prediction, target)


def test_confusion_matrix_has_true_classes_as_rows():
    counts = m.confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2], classes=4)
    assert counts.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    with pytest.raises(DataError, match="label 3"):
        m.confusion_matrix([3], [0], classes=3)
    with pytest.raises(DataError, match="label -1"):
        m.confusion_matrix([0], [-1])


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@pytest.mark.parametrize("which", ["precision", "recall", "f1"])
def test_averages_against_sklearn(which, average):
    # Class 2 is never predicted and class 4 never occurs.
    prediction = np.where(SCORES.argmax(1) == 2, 0, SCORES.argmax(1))
    reference = getattr(sklearn(), f"{which}_score")
    want = reference(TARGET, prediction, average=average, zero_division=0)
    have = getattr(m, which)(prediction, TARGET, average or "none", classes=4)
    np.testing.assert_allclose(have, want, rtol=1e-12)
    if average is not None:
        wider = getattr(m, which)(prediction, TARGET, average, classes=5)
        assert wider == pytest.approx(want)


@pytest.mark.parametrize("which", ["precision", "recall", "f1"])
@pytest.mark.parametrize("positive", [0, 1])
def test_binary_against_sklearn(which, positive):
    prediction = (BINARY_SCORE > 0).astype(int)
    want = getattr(sklearn(), f"{which}_score")(BINARY, prediction, pos_label=positive)
    have = getattr(m, which)(prediction, BINARY, positive=positive)
    assert have == pytest.approx(want)


def test_binary_average_refuses_more_classes_and_empty_counts_are_zero():
    with pytest.raises(ArgumentError, match="macro"):
        m.precision(SCORES, TARGET)
    assert m.precision([0, 0], [1, 0]) == 0.0
    assert m.precision([0, 0], [1, 0], zero_division=1.0) == 1.0


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_against_sklearn(k):
    want = sklearn().top_k_accuracy_score(TARGET, SCORES, k=k)
    assert m.top_k_accuracy(SCORES, TARGET, k) == pytest.approx(want)


@pytest.mark.parametrize("drop", [True, False])
def test_roc_curve_against_sklearn(drop):
    want = sklearn().roc_curve(BINARY, BINARY_SCORE, drop_intermediate=drop)
    for have, wanted in zip(m.roc_curve(BINARY_SCORE, BINARY, drop), want, strict=True):
        np.testing.assert_allclose(have, wanted)


def test_ranking_scores_against_sklearn():
    reference = sklearn()
    assert m.roc_auc(BINARY_SCORE, BINARY) == pytest.approx(
        reference.roc_auc_score(BINARY, BINARY_SCORE)
    )
    assert m.average_precision(BINARY_SCORE, BINARY) == pytest.approx(
        reference.average_precision_score(BINARY, BINARY_SCORE)
    )
    share = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)
    assert m.roc_auc(share, TARGET) == pytest.approx(
        reference.roc_auc_score(TARGET, share, multi_class="ovr")
    )
    for have, want in zip(
        m.precision_recall_curve(BINARY_SCORE, BINARY),
        reference.precision_recall_curve(BINARY, BINARY_SCORE),
        strict=True,
    ):
        np.testing.assert_allclose(have, want)


def test_ranking_by_hand_and_where_it_is_undefined():
    assert m.roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75
    assert m.roc_auc([0.5, 0.5], [0, 1]) == 0.5
    assert math.isnan(m.roc_auc([0.1, 0.2], [1, 1]))
    assert math.isnan(m.average_precision([0.1, 0.2], [0, 0]))
    with pytest.raises(DataError):
        m.roc_auc([0.1, np.nan], [0, 1])
    with pytest.raises(DataError, match="0 or 1"):
        m.roc_auc([0.1, 0.2], [0, 2])


def test_regression_against_sklearn():
    reference = sklearn()
    y = RNG.normal(size=(50, 3))
    h = y + RNG.normal(size=(50, 3))
    y[:, 2] = 1.0  # a constant output
    assert m.mse(h, y) == pytest.approx(reference.mean_squared_error(y, h))
    assert m.mae(h, y) == pytest.approx(reference.mean_absolute_error(y, h))
    assert m.rmse(h[:, 0], y[:, 0]) == pytest.approx(
        reference.root_mean_squared_error(y[:, 0], h[:, 0])
    )
    assert m.r2(h, y) == pytest.approx(reference.r2_score(y, h))
    assert m.r2([1.0, 1.0], [1.0, 1.0]) == 1.0
    with pytest.raises(ShapeError):  # NumPy would broadcast these to [5, 5]
        m.mse(np.zeros((5, 1)), np.zeros(5))


@pytest.mark.parametrize(
    ("metric", "function", "data"),
    [
        (s.Accuracy(), m.accuracy, (SCORES, TARGET)),
        (s.TopKAccuracy(2), lambda p, y: m.top_k_accuracy(p, y, 2), (SCORES, TARGET)),
        (s.Precision(), lambda p, y: m.precision(p, y, "macro"), (SCORES, TARGET)),
        (s.Recall("weighted"), lambda p, y: m.recall(p, y, "weighted"), (SCORES, TARGET)),
        (s.F1("micro"), lambda p, y: m.f1(p, y, "micro"), (SCORES, TARGET)),
        (s.F1(threshold=0), lambda p, y: m.f1(p, y, threshold=0), (BINARY_SCORE, BINARY)),
        (s.ROCAUC(), m.roc_auc, (BINARY_SCORE, BINARY)),
        (s.AveragePrecision(), m.average_precision, (SCORES, TARGET)),
        (s.MeanSquaredError(), m.mse, (SCORES, SCORES[::-1])),
        (s.RootMeanSquaredError(), m.rmse, (SCORES, SCORES[::-1])),
        (s.MeanAbsoluteError(), m.mae, (SCORES, SCORES[::-1])),
        (s.R2(), m.r2, (SCORES, SCORES[::-1])),
    ],
)
def test_batch_by_batch_equals_all_at_once(metric, function, data):
    p, y = data
    assert math.isnan(metric.compute())
    for start, end in ((0, 64), (64, 128), (128, len(y))):
        metric.update(p[start:end], y[start:end])
        if start == 0:  # what a checkpoint keeps is enough to go on
            state = metric.state_dict()
            metric.reset()
            metric.load_state_dict(state)
    assert metric.compute() == pytest.approx(function(p, y), rel=1e-6)


def test_names_objects_and_functions():
    made = s.make_metrics(["accuracy", s.F1(), lambda outputs, targets: len(outputs)])
    assert [metric.name for metric in made] == ["accuracy", "f1", "<lambda>"]
    made[2].update(np.zeros((3, 2)), np.zeros(3))
    made[2].update(np.zeros((2, 2)), np.zeros(2))
    assert made[2].compute() == 5.0
    with pytest.raises(ArgumentError, match="did you mean 'accuracy'.*roc_auc"):
        s.make_metrics(["acuracy"])
    with pytest.raises(ArgumentError, match="name of its own"):
        s.make_metrics(["accuracy", s.Accuracy()])


def test_a_diverged_model_has_no_ranking():
    metric = s.ROCAUC()
    metric.update(np.array([np.nan, 1.0]), np.array([0, 1]))
    assert math.isnan(metric.compute())


def test_perplexity_is_e_to_the_mean_cross_entropy():
    assert m.perplexity(np.zeros((3, 7)), [0, 3, 6]) == pytest.approx(7)
    scores = RNG.normal(size=(5, 4, 6)).astype(np.float32) * 20
    target = RNG.integers(0, 4, (5, 6))
    target[0, :3] = -100
    x = scores.astype(np.float64).transpose(0, 2, 1)
    x = x - x.max(-1, keepdims=True)
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    picked = np.take_along_axis(p, np.maximum(target, 0)[..., None], -1)[..., 0]
    assert m.perplexity(np.array([[1000.0, 0.0]]), [0]) == 1
    calm = np.exp(-np.log(picked[target >= 0]).mean())
    assert m.perplexity(Tensor(scores, requires_grad=True), target) == pytest.approx(calm)
    metric = s.Perplexity()
    assert math.isnan(metric.compute())
    for rows in (slice(0, 2), slice(2, 5)):
        metric.update(scores[rows], target[rows])
    assert metric.compute() == pytest.approx(calm) and s.make_metrics("perplexity")[0].count == 0
    assert math.isnan(m.perplexity(np.zeros((1, 3)), [-100]))
    with pytest.raises(ShapeError, match="Perplexity"):
        m.perplexity(np.zeros((2, 3)), [0])
    with pytest.raises(DataError, match="0 to 2"):
        m.perplexity(np.zeros((2, 3)), [0, 3])
