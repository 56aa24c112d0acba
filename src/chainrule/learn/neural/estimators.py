"""`NeuralClassifier` and `NeuralRegressor`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.learn.neural import losses
from chainrule.learn.neural.base import NeuralEstimator, checked_loss


class NeuralClassifier(ClassifierMixin, NeuralEstimator):
    """A network as a classifier: `NeuralClassifier(Net, module__hidden=64).fit(X, y)`.

    The loss "auto" is cross-entropy of one output a class, or binary cross-entropy where the module
    has a single output. Ctrl-C keeps what was reached, with an InterruptedFitWarning.

    Args:
        module: None for a multilayer perceptron with 100 hidden ReLU units; an `nn.Module` class
            or a function that makes one, called with the `module__*` parameters (and, where it
            takes them, with in_features and out_features of the data); or a Module, of which every
            fit trains a copy. It is called with [N, ...] and gives one row a sample.
        loss: "auto", a name of `train.loss_names()`, a loss module, its class, or a function of
            (outputs, targets).
        optimizer: a name of `train.optimizer_names()` or a class.
        lr: learning rate. max_epochs: passes over the data at most.
        batch_size: samples a step; "auto" is min(200, samples).
        patience: epochs without an improvement by more than `tol` of the training loss, or with
            `early_stopping` of the validation loss, that end the fit; None: never.
        early_stopping: hold out `validation_fraction` of the samples, measure the loss on them
            after each epoch, and keep the weights of the best.
        class_weight: None, "balanced", or a weight of each class.
        warm_start: a further `fit` goes on from the weights and the optimiser's state.
        callbacks: of `chainrule.train`.
        predict_nonlinearity: what turns outputs into probabilities: "auto" by the loss, None, or a
            function of an array [N, classes].
        input_dtype: what samples are converted to: "auto" is "float32" for a module of your own,
            and for the perceptron, which takes the same, their own floating dtype; None leaves
            them as they are (integers for embeddings).
        compile: train and predict by native programs.
        verbose: 0 silent; 1 a line an epoch, updating on terminals; 2 plain lines.
        random_state: draws the weights, the order, dropout and the split.
        module__*, loss__*, optimizer__*, trainer__*: go to these, as in optimizer__weight_decay or
            trainer__scheduler="one_cycle".

    Attributes:
        module_: the trained network. history_: a `train.History`: loss, val_loss, lr, seconds of
        each epoch, loss of each step. n_epochs_; n_features_in_.
        classes_: [classes].
    """

    _parameter_constraints: dict = {
        **NeuralEstimator._parameter_constraints,
        "class_weight": [dict, str, None],
    }
    classes_: Any
    _classifies = True

    def __init__(
        self, module: Any = None, *, loss: Any = "auto", optimizer: Any = "adam",
        lr: float = 1e-3, max_epochs: int = 200, batch_size: Any = "auto",
        patience: int | None = 10, tol: float = 1e-4, early_stopping: bool = False,
        validation_fraction: float = 0.1, class_weight: Any = None, warm_start: bool = False,
        callbacks: Any = None, predict_nonlinearity: Any = "auto",
        input_dtype: str | None = "auto", compile: bool = True, verbose: Any = 0,
        random_state: Any = None, **options: Any,
    ) -> None:  # fmt: skip
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.patience = patience
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.predict_nonlinearity = predict_nonlinearity
        self.input_dtype = input_dtype
        self.compile = compile
        self.verbose = verbose
        self.random_state = random_state
        self._keep(options)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Trains on samples X [N, ...] of classes y [N]; gives self.

        trace=True keeps some samples for `working()`.
        """
        X, y = self._samples(X, y)
        y = self._labels(y)
        goes_on = self.warm_start and hasattr(self, "module_")
        codes = None
        if not goes_on:
            self.classes_, codes = np.unique(y, return_inverse=True)
        return self._fit_codes(X, y, codes, sample_weight, self.max_epochs, goes_on, trace)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Any:  # fmt: skip
        """One more epoch on these samples; the first call needs all `classes`."""
        goes_on = hasattr(self, "module_")
        X, y = self._samples(X, y, reset=not goes_on)
        y = self._labels(y)
        if not goes_on:
            if classes is None:
                raise ValueError(t("classes must be passed on the first call to partial_fit."))
            self.classes_ = np.unique(classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(t("classes differ from those of the first call to partial_fit."))
        return self._fit_codes(X, y, None, sample_weight, 1, goes_on, False)

    def _fit_codes(
        self, X: Any, y: Any, codes: Any, weight: Any, epochs: int, goes_on: bool, trace: bool
    ) -> Any:
        if codes is None:
            codes = self._codes(y)
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, y)
            weight = by_class if weight is None else by_class * np.asarray(weight)
        return self._fit(X, codes, weight, epochs, goes_on=goes_on, trace=trace)

    def _labels(self, y: Any) -> np.ndarray:
        if y.__class__ is np.ndarray and y.ndim == 1 and y.dtype.kind in "iu":
            return y  # type: ignore[no-any-return]
        check_classification_targets(y)
        return column_or_1d(y, warn=True)

    def _codes(self, y: Any) -> np.ndarray:
        """The index of each sample's class. Raises ValueError for a class that is not known."""
        classes, codes = np.unique(y, return_inverse=True)
        new = np.setdiff1d(classes, self.classes_)
        if len(new):
            raise ValueError(
                t("y has classes {new} that the first fit did not have: {known}.",
                  new=new.tolist(), known=self.classes_.tolist())
            )  # fmt: skip
        return np.searchsorted(self.classes_, classes)[codes]

    def _coded(self, y: Any) -> Any:
        return self._codes(self._labels(y))

    def _named_loss(self) -> Any:
        if self.loss != "auto":
            return self.loss
        return "bce_with_logits" if self._single() else "cross_entropy"

    def _single(self) -> bool:
        """One number a sample, that of the second of two classes."""
        return len(self.classes_) == 2 and self._output_shape in ((), (1,))

    def _outputs(self, y: Any) -> int:
        return len(self.classes_)

    def _check_outputs(self) -> None:
        if not self._single():
            checked_loss(self, (len(self.classes_),), self._output_shape)
        elif not self._as_elements() and losses.name_of(self._loss):
            raise ArgumentError(
                t("The loss {loss} needs an output for each of the 2 classes; the module has one.",
                  loss=losses.name_of(self._loss))
            )  # fmt: skip

    def _as_elements(self) -> bool:
        name = losses.name_of(self._loss)
        return losses.by_element(self._loss) or (not name and self._single())

    def _targets(self, y: Any) -> np.ndarray:
        if not self._as_elements():
            return np.asarray(y, dtype=np.int64)
        kind = self._trainer.dtype.numpy
        if self._single():
            return np.asarray(y, kind).reshape(-1, *self._output_shape)
        return np.eye(len(self.classes_), dtype=kind)[y]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities [N, classes], in the order of `classes_`."""
        check_is_fitted(self, "module_")
        outputs = self._raw(X)
        if len(self.classes_) == 1:
            return np.ones((len(outputs), 1), outputs.dtype)
        return losses.probabilities(outputs, self._loss, self.predict_nonlinearity)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample, [N]."""
        check_is_fitted(self, "module_")
        if self._single() or self.predict_nonlinearity != "auto":
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        # Every rule of "auto" grows with the output.
        return self.classes_[self._raw(X).argmax(axis=1)]


class NeuralRegressor(RegressorMixin, NeuralEstimator):
    """A network as a regressor: `NeuralRegressor(Net, module__hidden=64).fit(X, y)`.

    y is [N] or [N, targets]; the loss "auto" is the mean squared error. Ctrl-C keeps what was
    reached, with an InterruptedFitWarning. Predictions have the network's dtype, those of
    several targets are float64. Parameters and attributes are those of `NeuralClassifier` without
    classes; `n_outputs_` is the number of targets.
    """

    def __init__(
        self, module: Any = None, *, loss: Any = "auto", optimizer: Any = "adam",
        lr: float = 1e-3, max_epochs: int = 200, batch_size: Any = "auto",
        patience: int | None = 10, tol: float = 1e-4, early_stopping: bool = False,
        validation_fraction: float = 0.1, warm_start: bool = False, callbacks: Any = None,
        input_dtype: str | None = "auto", compile: bool = True, verbose: Any = 0,
        random_state: Any = None, **options: Any,
    ) -> None:  # fmt: skip
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.patience = patience
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.input_dtype = input_dtype
        self.compile = compile
        self.verbose = verbose
        self.random_state = random_state
        self._keep(options)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Trains on samples X [N, ...] with targets y [N] or [N, targets]; gives self.

        trace=True keeps some samples for `working()`.
        """
        goes_on = self.warm_start and hasattr(self, "module_")
        return self._fit_targets(X, y, sample_weight, self.max_epochs, goes_on, trace, True)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """One more epoch on these samples."""
        goes_on = hasattr(self, "module_")
        return self._fit_targets(X, y, sample_weight, 1, goes_on, False, not goes_on)

    def _fit_targets(
        self, X: Any, y: Any, weight: Any, epochs: int, goes_on: bool, trace: bool, reset: bool
    ) -> Any:
        X, y = self._samples(X, y, reset=reset)
        y = self._coded(y)
        count = 1 if y.ndim == 1 else y.shape[1]
        if not goes_on:
            self.n_outputs_ = count
        elif count != self.n_outputs_:
            raise ValueError(
                t("y has {count} targets, and the first fit had {before}.",
                  count=count, before=self.n_outputs_)
            )  # fmt: skip
        return self._fit(X, y, weight, epochs, goes_on=goes_on, trace=trace)

    def _coded(self, y: Any) -> Any:
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _named_loss(self) -> Any:
        return "mse" if self.loss == "auto" else self.loss

    def _outputs(self, y: Any) -> int:
        return self.n_outputs_

    def _check_outputs(self) -> None:
        shape = self._output_shape
        if self.n_outputs_ != 1 or shape != ():
            checked_loss(self, (self.n_outputs_,), shape)

    def _as_elements(self) -> bool:
        return True

    def _targets(self, y: Any) -> np.ndarray:
        return np.asarray(y, self._trainer.dtype.numpy).reshape(-1, *self._output_shape)

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets, [N] or [N, targets]."""
        outputs = self._raw(X)
        if self.n_outputs_ == 1:
            return outputs.reshape(-1)
        return outputs.astype(np.float64)
