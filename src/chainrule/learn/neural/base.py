"""What both estimators share: parameters with prefixes, the fit, batched outputs, storing."""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule.base.dtypes import as_dtype
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.learn.base import Explained, InterruptedFitWarning
from chainrule.learn.checks import FLOATS, checked, checked_pair
from chainrule.learn.neural import losses, storing
from chainrule.learn.neural.network import evaluating, made, output_shape
from chainrule.learn.neural.samples import Samples, as_inputs
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

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        # Read from the signature, which takes longer than a short fit's epoch.
        return super()._get_param_names()  # type: ignore[no-any-return]

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

    @property
    def _rounding(self) -> Any:
        """The dtype that floating inputs are rounded to before the network's own; None: none."""
        if self.input_dtype == "auto":
            return None if self.module is None else np.dtype("float32")
        return None if self.input_dtype is None else np.dtype(self.input_dtype)

    def _samples(self, X: Any, y: Any = "no_validation", reset: bool = True) -> Any:
        """Checked samples. Those of another float stay as they are: batches are converted."""
        how: dict[str, Any] = {"allow_nd": True, "reset": reset}
        kinds: Any = FLOATS
        if self._rounding == np.float32:
            kinds = FLOATS[::-1]  # what is no float becomes one of the first kind
        # Texts are refused, also those that could be read as numbers.
        text = np.asarray(X).dtype.kind in "US"
        alone = isinstance(y, str)
        if self.input_dtype is None or text:
            how["dtype"] = "numeric" if text else None
        elif alone:
            return self._within(checked(self, X, dtypes=kinds, **how))
        elif reset and y.__class__ is np.ndarray and y.ndim == 1 and y.dtype.kind in "fiu":
            X, y = checked_pair(self, X, y, dtypes=kinds, allow_nd=True)
            return self._within(X), y
        else:
            how["dtype"] = list(kinds)
        if self._classifies or alone:
            found = validate_data(self, X, y, **how)
        else:
            found = validate_data(self, X, y, multi_output=True, y_numeric=True, **how)
        if alone:
            return self._within(found)
        return self._within(found[0]), found[1]

    def _within(self, X: np.ndarray) -> np.ndarray:
        """X itself. Raises ValueError for numbers that the network's float cannot hold."""
        if X.dtype == np.float64 and self._rounding == np.float32 and X.size:
            with np.errstate(over="ignore"):
                ends = np.array([X.min(), X.max()]).astype(np.float32)
                if not np.isfinite(ends).all():
                    check_array(X, dtype=np.float32, allow_nd=True, input_name="X")
        return X

    def _inputs(self, rows: np.ndarray) -> Tensor:
        """Samples as the network takes them."""
        return feeding.fit(Tensor(as_inputs(rows, self._rounding)), self._trainer.dtype)

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
        before = get_rng_state()
        # The network's numbers come from this estimator's state, and nobody else's are disturbed.
        seed = self.random_state
        random = None if isinstance(seed, Integral) else check_random_state(seed)
        manual_seed(_first(int(seed)) if random is None else _drawn(random))
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
            rows = as_inputs(X[:_KEPT], self._rounding).copy()
            self.trace_ = rows, np.asarray(y)[:_KEPT].copy()
        return self

    def _make(self, X: Any, y: Any) -> None:
        self._input_shape, self._sized = X.shape[1:], self._outputs(y)
        options = self._options("module")
        self.module_ = made(self.module, options, self._input_shape, self._sized)
        if self.module is None:
            self.module_.to(as_dtype(self._rounding or X.dtype))
        if self.module is None and not {"in_features", "out_features"} & options.keys():
            self._output_shape: tuple[int, ...] = (self._sized,)
        else:
            first = as_inputs(X[:1], self._rounding)
            self._output_shape = output_shape(self.module_, first)
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
        rows = None
        if self.early_stopping:
            if random is None:
                random = check_random_state(self.random_state)
                _drawn(random)  # what the network's numbers began with
            rows, held = self._split(np.arange(len(X)), y, random)
        if weight is not None:
            targets = losses.pack(targets, weight, self._trainer.dtype.numpy)
        if self.patience is not None:
            callbacks.append(
                EarlyStopping(
                    "loss" if held is None else "val_loss", self.patience, self.tol,
                    restore_best=held is not None,
                )
            )  # fmt: skip
        dtype = self._trainer.dtype.numpy
        if self._rounding is not None and np.dtype(dtype).itemsize > self._rounding.itemsize:
            X = as_inputs(X, self._rounding)
        train = Samples(X, targets, dtype, rows)
        other = None if held is None else Samples(X, targets, dtype, held)
        count = self._rows = len(train)
        size = min(200, count) if self.batch_size == "auto" else min(self.batch_size, count)
        self.history_ = self._trainer.fit(
            train, other, epochs, callbacks, batch_size=size, verbose=self.verbose
        )
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
                outputs.append(self._trainer._forward((self._inputs(rows),), None)[0])
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
        output = self.module_(self._inputs(X))
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


def _drawn(random: Any) -> int:
    return int(random.randint(2**31 - 1))


@lru_cache(maxsize=256)
def _first(seed: int) -> int:
    """What a state of that seed draws first: making the state takes longer than a step."""
    return _drawn(check_random_state(seed))


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
