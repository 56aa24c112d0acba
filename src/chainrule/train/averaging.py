"""Averages of a model's weights over training (003 §5 of the notes): SWA and EMA.

P. Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI (2018);
exponential: B. T. Polyak and A. B. Juditsky (1992). Names are those of `torch.optim.swa_utils`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from chainrule import nn
from chainrule.base.constraints import Bool, Int, Interval, Optional
from chainrule.graph import Tensor, no_grad
from chainrule.ops import functional as ops
from chainrule.train import feeding
from chainrule.train.callbacks import Callback

if TYPE_CHECKING:
    from chainrule.train.run import Run

Average = Callable[[Tensor, Tensor, Any], Tensor]
Averages = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


# ---- rules of averaging ---------------------------------------------------------------------


def get_swa_avg_fn() -> Average:
    """(average, value, n) → the mean of n values and one more."""
    return lambda average, value, n: average + (value - average) / (int(n) + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """(average, value, n) → decay·average + (1 − decay)·value."""
    decay = Interval(0.0, 1.0).check(decay, "get_ema_avg_fn", "decay")
    return lambda average, value, n: decay * average + (1 - decay) * value


def _all(rule: Average) -> Averages:
    def update(averages: Sequence[Tensor], values: Sequence[Tensor], n: Any) -> None:
        with no_grad():
            for average, value in zip(averages, values, strict=True):
                average.copy_(rule(average, value, n))

    return update


def get_swa_multi_avg_fn() -> Averages:
    """`get_swa_avg_fn` for lists of tensors, in place."""
    return _all(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """`get_ema_avg_fn` for lists of tensors, in place."""
    return _all(get_ema_avg_fn(decay))


# ---- the averaged model ---------------------------------------------------------------------


class AveragedModel(nn.Module):
    """A copy of a model whose parameters are averages; `update_parameters(model)` adds one more.

    By default the plain mean (SWA); `avg_fn` (average, value, n) → average, or `multi_avg_fn`
    (averages, values, n) in place, choose another, such as `get_ema_multi_avg_fn(0.999)`. Buffers
    are copied, or with `use_buffers` averaged too; else `update_bn` finds the statistics of batch
    normalisation anew.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: nn.Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        self.module = deepcopy(model)
        self.register_buffer("n_averaged", ops.zeros((), dtype="int64"))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = Bool().check(use_buffers, "AveragedModel", "use_buffers")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Takes the parameters of `model` into the average."""
        own: list[Tensor] = list(self.module.parameters())
        other: list[Tensor] = list(model.parameters())
        buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if self.use_buffers:
            own += [mine for mine, _ in buffers]
            other += [its for _, its in buffers]
        n = int(self.n_averaged)
        averages, values = [p.detach() for p in own], [p.detach() for p in other]
        if not n:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(averages, values, self.n_averaged)
        else:
            rule = get_swa_avg_fn() if self.avg_fn is None else self.avg_fn
            for average, value in zip(averages, values, strict=True):
                average.copy_(rule(average, value, self.n_averaged))
        if not self.use_buffers:
            for mine, its in buffers:
                mine.copy_(its)
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: nn.Module, device: Any = None) -> None:
    """Finds the running statistics of batch normalisation anew, as means over all of `loader`.

    A batch is a tensor, or a tuple whose first entry goes into the model.
    """
    layers = [
        module
        for module in model.modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
    ]
    if not layers:
        return
    momenta, training = [layer.momentum for layer in layers], model.training
    model.train()
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
        for batch in loader:
            model(batch[0] if isinstance(batch, list | tuple) else batch)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.train(training)


# ---- as a callback --------------------------------------------------------------------------


class WeightAveraging(Callback):
    """Averages the weights of a run, and puts the average into the model at its end.

    Args:
        decay: of the exponential average, taken after every step; None: the plain mean of the
            weights at the ends of epochs (SWA).
        start_epoch: the first epoch that counts.
        restore: put the average in at the end, with the statistics of batch normalisation found
            anew on the training data. If False, take it from `averaged.module`.
        use_buffers: average these statistics as well, instead of finding them anew: for models of
            several inputs, and to measure the average while the run goes on.
    """

    def __init__(
        self,
        decay: float | None = 0.999,
        start_epoch: int = 1,
        restore: bool = True,
        use_buffers: bool = False,
    ) -> None:
        owner = "WeightAveraging"
        self.decay = Optional(Interval(0.0, 1.0)).check(decay, owner, "decay")
        self.start_epoch = Int(low=1).check(start_epoch, owner, "start_epoch")
        self.restore = Bool().check(restore, owner, "restore")
        self.use_buffers = Bool().check(use_buffers, owner, "use_buffers")
        self.averaged: AveragedModel | None = None
        self._saved: dict[str, Any] | None = None

    def on_train_begin(self, run: Run) -> None:
        rule = None if self.decay is None else get_ema_multi_avg_fn(self.decay)
        self.averaged = AveragedModel(run.model, multi_avg_fn=rule, use_buffers=self.use_buffers)
        if self._saved is not None:
            self.averaged.load_state_dict(self._saved)

    def on_step_end(self, run: Run) -> None:
        if self.decay is not None and run.epoch >= self.start_epoch:
            self._average.update_parameters(run.model)

    def on_epoch_end(self, run: Run) -> None:
        if self.decay is None and run.epoch >= self.start_epoch:
            self._average.update_parameters(run.model)

    def on_train_end(self, run: Run) -> None:
        if not self.restore or not int(self._average.n_averaged):
            return
        if not self.use_buffers:
            dtype = run.trainer.dtype
            batches = (feeding.unpack(batch, dtype)[0] for batch in run.loader)
            update_bn(batches, self._average.module)
        run.model.load_state_dict(self._average.module.state_dict())

    @property
    def _average(self) -> AveragedModel:
        assert self.averaged is not None
        return self.averaged

    def state_dict(self) -> dict[str, Any]:
        return {"averaged": None if self.averaged is None else self.averaged.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._saved = state["averaged"]
