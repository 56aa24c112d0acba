"""The metrics agree with scikit-learn's, name by name."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from chainrule.learn import metrics as ours

RANDOM = np.random.default_rng(0)
TRUE = RANDOM.integers(0, 3, 80)
PRED = np.where(RANDOM.random(80) < 0.6, TRUE, RANDOM.integers(0, 3, 80))
WORDS = np.array(["cat", "dog", "eel"])
WEIGHT = RANDOM.uniform(0.1, 2.0, 80)
SCORE = np.round(RANDOM.normal(size=80) + (TRUE > 0), 1)
P = RANDOM.dirichlet(np.ones(3), 80)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@pytest.mark.parametrize("name", ["precision_score", "recall_score", "f1_score"])
def test_counts_of_several_classes(name, average, weight):
    for labels in (None, ["eel", "cat"]):
        options = {"average": average, "sample_weight": weight, "labels": labels}
        mine = getattr(ours, name)(WORDS[TRUE], WORDS[PRED], **options)
        assert np.allclose(mine, getattr(theirs, name)(WORDS[TRUE], WORDS[PRED], **options))


@pytest.mark.parametrize("name", ["precision_score", "recall_score", "f1_score"])
def test_counts_of_two_classes(name):
    true, pred = TRUE > 0, PRED > 0
    assert np.isclose(getattr(ours, name)(true, pred), getattr(theirs, name)(true, pred))
    words = np.array(["no", "yes"])
    mine = getattr(ours, name)(words[true * 1], words[pred * 1], pos_label="no")
    assert np.isclose(mine, getattr(theirs, name)(words[true * 1], words[pred * 1], pos_label="no"))
    with pytest.raises(ValueError, match="average"):
        getattr(ours, name)(TRUE, PRED)


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
@pytest.mark.parametrize("labels", [None, ["dog", "cat"]], ids=["all", "two"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_confusion_matrix(normalize, labels, weight):
    options = {"normalize": normalize, "labels": labels, "sample_weight": weight}
    mine = ours.confusion_matrix(WORDS[TRUE], WORDS[PRED], **options)
    assert np.allclose(mine, theirs.confusion_matrix(WORDS[TRUE], WORDS[PRED], **options))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_accuracy_and_log_loss(weight):
    for name, args in (("accuracy_score", (TRUE, PRED)), ("log_loss", (TRUE, P))):
        for normalize in (True, False):
            options = {"normalize": normalize, "sample_weight": weight}
            mine = getattr(ours, name)(*args, **options)
            assert np.isclose(mine, getattr(theirs, name)(*args, **options))
    assert np.isclose(ours.log_loss(TRUE > 0, P[:, 1]), theirs.log_loss(TRUE > 0, P[:, 1]))


def test_ranking():
    true = TRUE > 0
    for mine, other in zip(ours.roc_curve(true, SCORE), theirs.roc_curve(true, SCORE)):
        assert np.allclose(mine, other)
    fpr, tpr, _ = ours.roc_curve(true, SCORE)
    assert np.isclose(ours.auc(fpr, tpr), ours.roc_auc_score(true, SCORE))
    for name in ("roc_auc_score", "average_precision_score"):
        assert np.isclose(getattr(ours, name)(true, SCORE), getattr(theirs, name)(true, SCORE))
    curves = ours.precision_recall_curve(true, SCORE)
    for mine, other in zip(curves, theirs.precision_recall_curve(true, SCORE)):
        assert np.allclose(mine, other)
    for average in ("macro", "weighted"):
        options = {"multi_class": "ovr", "average": average}
        mine = ours.roc_auc_score(TRUE, P, **options)
        assert np.isclose(mine, theirs.roc_auc_score(TRUE, P, **options))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("multioutput", ["uniform_average", "raw_values", [0.3, 0.7]])
@pytest.mark.parametrize(
    "name",
    ["mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2_score"],
)
def test_regression(name, multioutput, weight):
    true = RANDOM.normal(size=(80, 2))
    pred = true + RANDOM.normal(size=(80, 2))
    options = {"sample_weight": weight, "multioutput": multioutput}
    assert np.allclose(
        getattr(ours, name)(true, pred, **options), getattr(theirs, name)(true, pred, **options)
    )


def test_what_does_not_fit_is_refused():
    for bad in (TRUE[:-1], TRUE[:, None]):
        with pytest.raises(ValueError, match="length"):
            ours.accuracy_score(bad, PRED)
    with pytest.raises(ValueError, match="sample_weight"):
        ours.accuracy_score(TRUE, PRED, sample_weight=[1.0])
    with pytest.raises(ValueError, match="undefined"):
        ours.accuracy_score([], [])
    with pytest.raises(ValueError, match="equal"):
        ours.r2_score(SCORE, SCORE[:, None])
