"""What both estimators share: parameters with prefixes, the fit, batched outputs, storing."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule.base.dtypes import as_dtype
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.learn.base import Explained, InterruptedFitWarning
from chainrule.learn.checks import FLOATS, checked
from chainrule.learn.neural import losses, storing
from chainrule.learn.neural.network import evaluating, made, output_shape
from chainrule.learn.neural.working import NetworkWorking, network_working
from chainrule.ops.random import get_rng_state, manual_seed, set_rng_state
from chainrule.train import EarlyStopping, Trainer, feeding
from chainrule.train.losses import Loss

_PREFIXES = ("module__", "loss__", "optimizer__", "trainer__")
# Rows of one compiled program of `predict`: smaller blocks are filled up to a power of two, so that
# a few programs serve every number of rows, and a row's numbers hardly depend on the others.
_LEAST_ROWS, _MOST_ROWS = 32, 1024
_MOST_NUMBERS = 1 << 22
# Rows that a trace keeps for the working.
_KEPT = 4


class NeuralEstimator(Explained, BaseEstimator):
    """Base of `NeuralClassifier` and `NeuralRegressor`; they say what the parameters mean."""

    _parameter_constraints: dict = {
        "lr": [Interval(Real, 0.0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0.0, 1.0, closed="neither")],
        "warm_start": ["boolean"],
        "input_dtype": [StrOptions({"auto", "float32", "float64"}), None],
        "compile": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }
    module: Any
    loss: Any
    optimizer: Any
    lr: float
    max_epochs: int
    batch_size: Any
    patience: int | None
    tol: float
    early_stopping: bool
    validation_fraction: float
    warm_start: bool
    callbacks: Any
    input_dtype: str | None
    compile: bool
    verbose: Any
    random_state: Any
    module_: Any
    _trainer: Trainer
    _classifies = False

    # ---- parameters with prefixes ----------------------------------------------------------------

    def _keep(self, options: dict[str, Any]) -> None:
        for name, value in options.items():
            setattr(self, name, value)
        unknown = {name for name in options if not name.startswith(_PREFIXES)}
        if unknown:
            # Told at fit: an estimator's constructor never raises.
            self._unknown = sorted(unknown)

    def _refuse_unknown(self) -> None:
        for name in getattr(self, "_unknown", ()):
            raise TypeError(
                t(
                    "{owner} has no parameter {name!r}; parameters of its parts begin with "
                    "{prefixes}.",
                    owner=type(self).__name__,
                    name=name,
                    prefixes=", ".join(_PREFIXES),
                )
            )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters, those of module, loss, optimizer and trainer with their prefixes."""
        unknown = getattr(self, "_unknown", ())
        extra = {k: v for k, v in vars(self).items() if k.startswith(_PREFIXES) or k in unknown}
        return super().get_params(deep=deep) | extra

    def set_params(self, **params: Any) -> Any:
        """Sets parameters; `module__hidden=64` is passed to the module when it is made."""
        extra = {k: v for k, v in params.items() if k.startswith(_PREFIXES)}
        super().set_params(**{k: v for k, v in params.items() if k not in extra})
        self._keep(extra)
        return self

    def _options(self, part: str) -> dict[str, Any]:
        prefix = f"{part}__"
        return {
            k[len(prefix) :]: v for k, v in vars(self).items() if k.startswith(prefix)
        }  # fmt: skip

    # ---- fitting ---------------------------------------------------------------------------------

    def _samples(self, X: Any, y: Any = "no_validation", reset: bool = True) -> Any:
        how: dict[str, Any] = {"allow_nd": True, "order": "C", "reset": reset}
        kind: Any = self.input_dtype
        if kind == "auto":
            kind = list(FLOATS) if self.module is None else "float32"
        # Texts are refused, also those that could be read as numbers.
        text = np.asarray(X).dtype.kind in "US"
        if isinstance(y, str) and kind is not None and not text:
            kinds = FLOATS if isinstance(kind, list) else (np.dtype(kind),)
            return checked(self, X, dtypes=kinds, **how)
        how["dtype"] = "numeric" if text else kind
        if self._classifies or isinstance(y, str):
            return validate_data(self, X, y, **how)
        return validate_data(self, X, y, multi_output=True, y_numeric=True, **how)

    def _fit(
        self, X: Any, y: Any, weight: Any, epochs: int, *, goes_on: bool, trace: bool
    ) -> Any:  # fmt: skip
        """Trains on checked samples and coded targets."""
        self._refuse_unknown()
        if weight is not None:
            weight = _check_sample_weight(weight, X, dtype=np.float64, ensure_non_negative=True)
            kept = weight > 0
            if not kept.any():
                raise ValueError(t("All sample weights are zero: there is nothing to fit."))
            if not kept.all():
                X, y, weight = X[kept], y[kept], weight[kept]
            if (weight == weight[0]).all():
                weight = None
        random = check_random_state(self.random_state)
        before = get_rng_state()
        # The network's numbers come from this estimator's state, and nobody else's are disturbed.
        manual_seed(int(random.randint(2**31 - 1)))
        try:
            if not goes_on:
                self._make(X, y)
            weighted = weight is not None
            if not goes_on or weighted or self._trainer.loss.name == "Weighted":
                self._trainer = self._trainer_of(weighted, goes_on)
            for group in self._trainer.optimizer.param_groups if goes_on else ():
                group["lr"] = self.lr
            self._train(X, y, weight, epochs, random)
        finally:
            set_rng_state(before)
        self.__dict__.pop("trace_", None)
        if trace:
            self.trace_ = X[:_KEPT].copy(), np.asarray(y)[:_KEPT].copy()
        return self

    def _make(self, X: Any, y: Any) -> None:
        self._input_shape, self._sized = X.shape[1:], self._outputs(y)
        self.module_ = made(self.module, self._options("module"), self._input_shape, self._sized)
        if self.module is None:
            self.module_.to(as_dtype(X.dtype))
        self._output_shape = output_shape(self.module_, X)
        self._loss = losses.made_loss(self._named_loss(), self._options("loss"))
        self._check_outputs()

    def _trainer_of(self, weighted: bool, goes_on: bool) -> Trainer:
        loss = losses.Weighted(self._loss, not self._as_elements()) if weighted else self._loss
        state = self.__dict__.pop("_optimizer_state", None)
        if goes_on and state is None:
            state = self._trainer.optimizer.state_dict()
        trainer = Trainer(
            self.module_, loss, self.optimizer, lr=self.lr, compile=self.compile,
            **self._options("optimizer"), **self._options("trainer"),
        )  # fmt: skip
        if goes_on and state is not None:
            trainer.optimizer.load_state_dict(state)
        return trainer

    def _train(self, X: Any, y: Any, weight: Any, epochs: int, random: Any) -> None:
        targets = self._targets(y)
        callbacks = list(self.callbacks or ())
        held = None
        rows = np.arange(len(X))
        if self.early_stopping:
            rows, held = self._split(rows, y, random)
        if weight is not None:
            targets = losses.pack(targets, weight, self._trainer.dtype.numpy)
        if self.patience is not None:
            callbacks.append(
                EarlyStopping(
                    "loss" if held is None else "val_loss", self.patience, self.tol,
                    restore_best=held is not None,
                )
            )  # fmt: skip
        self._rows = len(rows)
        train = (X, targets) if held is None else (X[rows], targets[rows])
        size = min(200, len(rows)) if self.batch_size == "auto" else min(self.batch_size, len(rows))
        self.history_ = self._trainer.fit(
            train, None if held is None else (X[held], targets[held]), epochs, callbacks,
            batch_size=size, verbose=self.verbose,
        )  # fmt: skip
        self.n_epochs_ = len(self.history_)
        if not all(bool(np.isfinite(_array(p)).all()) for p in self.module_.parameters()):
            raise ValueError(
                t("Training diverged: the parameters are not finite. Scale the inputs, or use a "
"smaller lr than {lr}.", lr=self.lr)
            )  # fmt: skip
        if self.history_.interrupted:
            text = t(
                "{name} was interrupted after {done} of {total} rounds; the best so far is kept.",
                name=type(self).__name__,
                done=self.n_epochs_,
                total=epochs,
            )
            warnings.warn(text, InterruptedFitWarning, stacklevel=5)

    def _split(self, rows: Any, y: Any, random: Any) -> tuple[Any, Any]:
        from sklearn.model_selection import train_test_split

        # A class with one sample cannot be on both sides.
        by_class = self._classifies and np.bincount(y).min() > 1
        size = self.validation_fraction
        fits = by_class and min(size, 1 - size) * len(rows) >= len(np.unique(y))
        train, held = train_test_split(
            rows, test_size=size, random_state=random, stratify=y if fits else None
        )
        return train, held

    # ---- what the two estimators say -------------------------------------------------------------

    def _named_loss(self) -> Any:
        raise NotImplementedError

    def _outputs(self, y: Any) -> int:
        raise NotImplementedError

    def _check_outputs(self) -> None:
        raise NotImplementedError

    def _as_elements(self) -> bool:
        """Whether targets have the outputs' shape."""
        raise NotImplementedError

    def _targets(self, y: Any) -> np.ndarray:
        raise NotImplementedError

    # ---- outputs ---------------------------------------------------------------------------------

    def _raw(self, X: Any) -> np.ndarray:
        """The network's outputs [N, ...] for what a user gave."""
        check_is_fitted(self, "module_")
        X = self._samples(X, reset=False)
        return self._forward(X)

    def _forward(self, X: np.ndarray) -> np.ndarray:
        n, one = len(X), max(1, int(np.prod(X.shape[1:])))
        block = _LEAST_ROWS
        while block < min(n, _MOST_ROWS) and 2 * block * one <= _MOST_NUMBERS:
            block *= 2
        outputs = []
        # Batch after batch to the compiled program: a loader takes longer than few rows do.
        with evaluating(self.module_), no_grad():
            for i in range(0, n, block):
                rows = X[i : i + block]
                if len(rows) < block:
                    size = _LEAST_ROWS
                    while size < len(rows):
                        size *= 2
                    rows = np.zeros((size, *X.shape[1:]), X.dtype)
                    rows[: n - i] = X[i:]
                batch = feeding.fit(Tensor(rows), self._trainer.dtype)
                outputs.append(self._trainer._forward((batch,), None)[0])
        return feeding.join(outputs)[:n]

    def loss_of(self, X: Any, y: Any) -> Any:
        """The loss of samples as a tensor with its history, in evaluation mode and not compiled:
        `chainrule.explain(estimator.loss_of(X, y))` works out the network's backpropagation."""
        check_is_fitted(self, "module_")
        X, y = self._samples(X, y, reset=False)
        return self._tape(X, self._coded(y))[1]

    def _coded(self, y: Any) -> Any:
        return y

    def _tape(self, X: Any, y: Any) -> Any:
        """(outputs, loss) of checked samples, on the tape."""
        self.module_.eval()
        self.module_.zero_grad()
        output = self.module_(Tensor(X))
        return output, Loss(self._loss)(output, Tensor(self._targets(y)))

    def _working(self) -> NetworkWorking:
        return network_working(self)

    # ---- storing ---------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        # Compiled programs belong to a process; the optimiser's state goes with the estimator.
        state = dict(super().__getstate__())
        trainer = state.pop("_trainer", None)
        if trainer is not None:
            state["_optimizer_state"] = trainer.optimizer.state_dict()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "module_" in vars(self):
            self._trainer = self._trainer_of(False, True)

    def save(self, path: Any) -> None:
        """Writes the fitted estimator to `path`: parameters, weights, history, never a pickle.

        Parameters that are no plain values (a module class, a function) are not in the file.
        """
        check_is_fitted(self, "module_")
        storing.save(self, path)

    @classmethod
    def load(cls, path: Any, **parameters: Any) -> Any:
        """The estimator that `save` wrote; nothing in the file is run.

        parameters: those that the file cannot hold, such as `module`.

        Raises FileFormatError for another file, ArgumentError for a parameter that is missing.
        """
        return storing.load(cls, path, parameters)


def _array(parameter: Any) -> np.ndarray:
    return np.asarray(parameter.detach()._data)


def checked_loss(owner: Any, expected: tuple[int, ...], found: tuple[int, ...]) -> None:
    """Raises ArgumentError where the module's outputs do not fit the targets."""
    if expected != found:
        raise ArgumentError(
            t(
                "{owner}: the module gives {found} numbers a sample, and the targets need "
                "{expected}.",
                owner=type(owner).__name__,
                found=found,
                expected=expected,
            )
        )
