"""Networks as estimators: modules, losses, weights, early ends, storing, workings."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_digits, load_iris  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import chainrule as cr  # noqa: E402
from chainrule import nn, train  # noqa: E402
from chainrule.base.errors import ArgumentError, FileFormatError  # noqa: E402
from chainrule.learn import NeuralClassifier, NeuralRegressor  # noqa: E402
from chainrule.learn.base import InterruptedFitWarning  # noqa: E402
from chainrule.learn.working import Line  # noqa: E402


class Net(nn.Module):
    def __init__(self, in_features, out_features, hidden=16):
        super().__init__()
        self.first = nn.Linear(in_features, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.last = nn.Linear(hidden, out_features)

    def forward(self, x):
        return self.last(self.norm(self.first(x)).relu())


def iris():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), np.array(["a", "b", "c"])[y]


def weights(estimator):
    return np.concatenate([p.detach().numpy().ravel() for p in estimator.module_.parameters()])


def test_a_module_class_in_a_pipeline_and_a_grid_search():
    x, y = load_iris(return_X_y=True)
    model = NeuralClassifier(Net, lr=0.02, max_epochs=60, random_state=0)
    grid = {
        "neuralclassifier__module__hidden": [4, 24],
        "neuralclassifier__optimizer__weight_decay": [0.0, 1e-3],
    }
    search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=3).fit(x, y)
    assert search.best_score_ > 0.93
    best = search.best_estimator_[-1]
    assert best.module_.first.weight.dtype is cr.float32
    assert best.module_.first.weight.shape == (best.get_params()["module__hidden"], 4)
    assert clone(best).module__hidden == best.module__hidden
    with pytest.raises(TypeError, match="hiden"):
        clone(NeuralClassifier(hiden=3)).fit(x, y)


def test_a_state_gives_the_same_network_and_leaves_the_library_s_own_numbers():
    x, y = iris()
    model = NeuralClassifier(Net, max_epochs=5, random_state=3, module__hidden=8)
    cr.manual_seed(1)
    before = cr.rand(2).numpy()
    cr.manual_seed(1)
    first = weights(model.fit(x, y))
    assert (cr.rand(2).numpy() == before).all()
    np.testing.assert_array_equal(first, weights(clone(model).fit(x, y)))
    assert np.abs(first - weights(model.set_params(random_state=4).fit(x, y))).max() > 1e-3
    untouched = nn.Sequential(nn.Linear(4, 3))
    kept = untouched[0].weight.detach().numpy().copy()
    fitted = NeuralClassifier(untouched, max_epochs=3).fit(x, y)
    assert (untouched[0].weight.detach().numpy() == kept).all()
    assert (fitted.module_[0].weight.detach().numpy() != kept).any()


@pytest.mark.parametrize("loss", ["cross_entropy", "nll", "mse", "bce_with_logits", "focal"])
def test_probabilities_of_every_kind_of_loss(loss):
    x, y = iris()
    layers = [nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)]
    net = nn.Sequential(*layers, *([nn.LogSoftmax(dim=1)] if loss == "nll" else []))
    model = NeuralClassifier(net, loss=loss, lr=0.02, max_epochs=60, patience=None).fit(x, y)
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert (model.classes_[p.argmax(axis=1)] == model.predict(x)).all()
    assert model.score(x, y) > 0.93
    named = {"cross_entropy": nn.CrossEntropyLoss, "focal": nn.FocalLoss}.get(loss)
    if named is not None:
        other = NeuralClassifier(net, loss=named, lr=0.02, max_epochs=60, patience=None)
        np.testing.assert_allclose(other.fit(x, y).score(x, y), model.score(x, y), atol=0.05)


def test_one_output_for_two_classes():
    x, y = iris()
    x, y = x[y != "a"], y[y != "a"]
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    model = NeuralClassifier(net, lr=0.02, random_state=0).fit(x, y)
    assert model.predict_proba(x).shape == (100, 2) and model.score(x, y) > 0.93
    flat = nn.Sequential(*net, nn.Flatten(0))
    assert NeuralClassifier(flat, lr=0.02, random_state=0).fit(x, y).score(x, y) > 0.93
    with pytest.raises(ArgumentError, match="the targets need"):
        NeuralClassifier(nn.Linear(4, 5)).fit(x, y)
    with pytest.raises(ArgumentError, match="output for each of the 2 classes"):
        NeuralClassifier(net, loss="cross_entropy").fit(x, y)


@pytest.mark.parametrize("loss", ["auto", "mse", "quadratic"])
def test_weights_are_repetitions(loss):
    x, y = iris()
    w = np.random.default_rng(0).integers(0, 3, len(x))
    options = dict(batch_size=1000, max_epochs=8, random_state=0, loss=loss, input_dtype="float64")
    weighted = NeuralClassifier(**options).fit(x, y, sample_weight=w)
    repeated = NeuralClassifier(**options).fit(np.repeat(x, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(weights(weighted), weights(repeated), rtol=1e-6, atol=1e-9)
    by_class = NeuralClassifier(class_weight={"a": 3.0, "b": 1.0, "c": 1.0}, **options).fit(x, y)
    by_sample = NeuralClassifier(**options).fit(x, y, np.where(y == "a", 3.0, 1.0))
    np.testing.assert_array_equal(weights(by_class), weights(by_sample))
    with pytest.raises(ArgumentError, match="reduction"):
        own = clone(weighted).set_params(loss=lambda output, target: output.mean())
        own.fit(x, y, sample_weight=w)


def test_images_and_early_stopping():
    x, y = load_digits(return_X_y=True)
    images = (x / 16).reshape(-1, 1, 8, 8)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 10),
    )  # fmt: skip
    model = NeuralClassifier(
        net, lr=0.01, max_epochs=12, early_stopping=True, patience=3, random_state=0
    )
    model.fit(images[:1200], y[:1200])
    assert model.score(images[1200:], y[1200:]) > 0.9
    assert len(model.history_["val_loss"]) == model.n_epochs_ <= 12
    best = min(model.history_["val_loss"])
    x_out, _ = model._split(np.arange(1200), y[:1200], np.random.RandomState(0))
    assert len(x_out) == 1080 and best == model.history_.best("val_loss")["val_loss"]


def test_several_targets_and_going_on():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3))
    y = np.column_stack([x[:, 0] + x[:, 1], x[:, 2] * x[:, 0]])
    model = NeuralRegressor(lr=0.01, max_epochs=10, warm_start=True, random_state=0)
    first = model.fit(x, y).score(x, y)
    for _ in range(4):
        model.fit(x, y)
    assert model.predict(x).shape == (300, 2) and model.score(x, y) > max(first, 0.9)
    parts = NeuralRegressor(random_state=0, input_dtype="float32")
    for _ in range(30):
        parts.partial_fit(x, y[:, 0])
    once = NeuralRegressor(random_state=0, input_dtype="float32", max_epochs=1)
    assert parts.score(x, y[:, 0]) > once.fit(x, y[:, 0]).score(x, y[:, 0])
    with pytest.raises(ValueError, match="2 targets"):
        parts.partial_fit(x, y)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_table_is_converted_batch_by_batch(early_stopping):
    random = np.random.default_rng(0)
    x = random.normal(size=(40_000, 100))
    y = (x[:, 0] > 0).astype(int)
    options = {"max_epochs": 1, "random_state": 0, "early_stopping": early_stopping}
    model = NeuralClassifier(Net, **options)
    model.fit(x, y).predict(x)  # compiles, which takes memory too
    tracemalloc.start()
    model.fit(x, y).predict(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 4, "half of it would be the table in float32"
    other = NeuralClassifier(Net, **options).fit(x.astype(np.float32), y)
    np.testing.assert_array_equal(weights(model), weights(other))
    columns = NeuralClassifier(Net, **options).fit(np.asfortranarray(x), y)
    np.testing.assert_array_equal(weights(model), weights(columns))
    np.testing.assert_array_equal(model.predict_proba(x), other.predict_proba(x))
    np.testing.assert_array_equal(model.predict(np.asfortranarray(x[:100])), model.predict(x[:100]))


def test_numbers_too_large_for_the_network_are_refused():
    x, y = iris()
    x[3, 1] = 1e300
    for options in ({"module": Net}, {"input_dtype": "float32"}):
        with pytest.raises(ValueError, match="too large for dtype"):
            NeuralClassifier(**options).fit(x, y)
    model = NeuralClassifier(Net, max_epochs=1).fit(x[4:], y[4:])
    with pytest.raises(ValueError, match="too large for dtype"):
        model.predict(x)


def test_partial_fit_knows_its_classes():
    x, y = iris()
    model = NeuralClassifier(random_state=0)
    with pytest.raises(ValueError, match="first call"):
        model.partial_fit(x, y)
    model.partial_fit(x[:60], y[:60], classes=["a", "b", "c"])
    assert model.predict_proba(x).shape == (150, 3)
    with pytest.raises(ValueError, match="did not have"):
        model.partial_fit(x, np.where(y == "a", "z", y))


def test_an_interrupted_fit_keeps_what_it_has():
    x, y = iris()
    stop = train.LambdaCallback(on_epoch_end=lambda run: run.epoch == 4 and run.interrupt())
    model = NeuralClassifier(callbacks=[stop], max_epochs=50, random_state=0)
    with pytest.warns(InterruptedFitWarning, match="4 of 50"):
        model.fit(x, y)
    assert model.n_epochs_ == 4 and model.predict(x).shape == (150,)


def test_a_fit_that_diverges_is_an_error():
    x, y = iris()
    with warnings.catch_warnings(), pytest.raises(ValueError, match="not finite"):
        warnings.simplefilter("ignore")
        NeuralRegressor(lr=1e30, optimizer="sgd").fit(x, x[:, 0])


def test_storing_without_and_with_pickles(tmp_path):
    x, y = iris()
    model = NeuralClassifier(Net, module__hidden=8, max_epochs=5, random_state=0).fit(x, y)
    path = tmp_path / "iris"
    model.save(path)
    with pytest.raises(ArgumentError, match="module"):
        NeuralClassifier.load(path)
    for again in (NeuralClassifier.load(path, module=Net), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
        assert again.history_["loss"] == model.history_["loss"]
        again.set_params(warm_start=True).fit(x, y)
    with pytest.raises(FileFormatError, match="NeuralRegressor"):
        NeuralRegressor.load(path, module=Net)
    plain = NeuralRegressor(max_epochs=3, random_state=0).fit(x, x[:, 0])
    plain.save(path)
    np.testing.assert_array_equal(NeuralRegressor.load(path).predict(x), plain.predict(x))


@pytest.mark.parametrize("kind", [NeuralClassifier, NeuralRegressor])
def test_the_working_s_numbers_are_right_and_lead_to_the_network_s(kind):
    x, y = iris()
    x = x.astype(np.float32)
    y = y if kind is NeuralClassifier else x[:, 0] - x[:, 1]
    model = kind(module__hidden=(5,), max_epochs=7, random_state=0, batch_size=40)
    model.fit(x, y, trace=True)
    working = cr.explain(model)
    assert working.verify(), working.checked
    assert working.checked.right >= 7 and "各层" in working.to_text(language="zh")
    loss = next(s for s in working.steps if "L" in [p.name for p in s.of(Line)]).of(Line)[0].value
    assert abs(model.loss_of(x[:4], y[:4]).item() - loss) < 1e-6
    assert "linear" in str(working.explanation()).lower()
    assert model.fit(x, y).working().steps
    with pytest.raises(ArgumentError, match="trace=True"):
        model.working().explanation()
