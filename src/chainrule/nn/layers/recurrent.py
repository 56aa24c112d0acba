"""Recurrent layers over sequences."""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any, ClassVar

import numpy as np

from chainrule.base.constraints import Choice, Int, Interval
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.graph.modes import mode
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import blank
from chainrule.nn.utils.rnn import PackedSequence, check_lengths, packed_like, spread
from chainrule.ops import functional as ops
from chainrule.ops import gru, lstm, recurrent


def draw_uniform(module: Module, hidden_size: int) -> None:
    """PyTorch's start for recurrent layers: everything uniform in ±1/√hidden_size."""
    bound = 1 / math.sqrt(hidden_size)
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


class RNNBase(Module):
    """Base of RNN, LSTM and GRU: layers on top of each other, in one direction or two."""

    gates: ClassVar[int]
    memory: ClassVar[bool] = False  # whether there is a state c beside h

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = Int(low=0).check(input_size, name, "input_size")
        self.hidden_size = Int(low=1).check(hidden_size, name, "hidden_size")
        self.num_layers = Int(low=1).check(num_layers, name, "num_layers")
        self.bias = bool(bias)
        self.batch_first = bool(batch_first)
        self.dropout = Interval(0, 1).check(dropout, name, "dropout")
        self.bidirectional = bool(bidirectional)
        self.proj_size = Int(low=0).check(proj_size, name, "proj_size")
        if proj_size >= hidden_size:
            raise ArgumentError(
                t(
                    "{name}: proj_size {proj} must be smaller than hidden_size {hidden}.",
                    name=name,
                    proj=proj_size,
                    hidden=hidden_size,
                )
            )
        if dropout and num_layers == 1:
            warnings.warn(
                t(
                    "{name}: dropout acts between layers, and with num_layers=1 there is no "
                    "second one.",
                    name=name,
                ),
                stacklevel=3,
            )
        for layer, suffix in self._places():
            size = input_size if layer == 0 else self._size * self._directions
            rows = self.gates * hidden_size
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (rows, size), "weight_hh": (rows, self._size),
            }  # fmt: skip
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
            shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
            for which, shape in shapes.items():
                setattr(self, f"{which}_{suffix}", blank(shape, device, dtype))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _size(self) -> int:
        """The size of h."""
        return self.proj_size or self.hidden_size

    def _places(self) -> list[tuple[int, str]]:
        """For each layer and direction the layer's number and the end of its parameters' names."""
        ends = ("", "_reverse")[: self._directions]
        return [(layer, f"l{layer}{end}") for layer in range(self.num_layers) for end in ends]

    def _weights(self, suffix: str) -> tuple[Tensor | None, ...]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return tuple(getattr(self, f"{name}_{suffix}", None) for name in names)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        places = self._places()
        return [[w for w in self._weights(end) if w is not None] for _, end in places]

    def reset_parameters(self) -> None:
        """Draw all parameters anew: uniform in ±1/√hidden_size."""
        draw_uniform(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing to do: PyTorch arranges memory for a GPU here."""

    def _direction(
        self, x: Tensor, weights: tuple[Any, ...], states: tuple[Any, ...], mask: Tensor | None,
        reverse: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """One layer in one direction: (T, N, K) → all h, and the last c where there is one."""
        raise NotImplementedError

    def _run(
        self, input: Any, given: tuple[Any, ...] | None, lengths: Any
    ) -> tuple[Any, list[Tensor]]:
        """The output, and the last states (h, or h and c)."""
        if isinstance(input, PackedSequence):
            return self._run_packed(input, given, lengths)
        if input.ndim not in (2, 3):
            raise ShapeError(
                t(
                    "{module} takes input of shape {layout}, got {shape}.",
                    module=type(self).__name__,
                    layout="(N, T, K) or (T, K)" if self.batch_first else "(T, N, K) or (T, K)",
                    shape=tuple(input.shape),
                )
            )
        batched = input.ndim == 3
        x = input if batched else input.unsqueeze(1)
        x = x.transpose(0, 1) if batched and self.batch_first else x
        batch = x.shape[1:2] if batched else ()
        states = self._states(given, batch, tuple(input.shape))
        if not batched:
            states = tuple(None if s is None else s.unsqueeze(1) for s in states)
        if lengths is None:
            y, finals = self._layers(x, states, None)
        else:
            mask = self._mask(lengths, x)
            valid = mask.unsqueeze(2)
            y, finals = self._layers(ops.where(valid, x, 0.0), states, mask)
            y = ops.where(valid, y, 0.0)
        if not batched:
            return y.squeeze(1), [s.squeeze(1) for s in finals]
        return (y.transpose(0, 1) if self.batch_first else y), finals

    def _run_packed(
        self, input: PackedSequence, given: tuple[Any, ...] | None, lengths: Any
    ) -> tuple[PackedSequence, list[Tensor]]:
        if lengths is not None:
            raise ArgumentError(
                t(
                    "{module}: a packed batch knows its lengths: leave lengths out.",
                    module=type(self).__name__,
                )
            )
        x, sizes = spread(type(self).__name__, input)
        if x.ndim != 3:
            raise ShapeError(
                t(
                    "{module} takes packed sequences of vectors, (T, K) each: their data must "
                    "have 2 dimensions, not shape {shape}.",
                    module=type(self).__name__,
                    shape=tuple(input.data.shape),
                )
            )
        states = self._states(given, x.shape[1:2], tuple(x.shape))
        order, back = input.sorted_indices, input.unsorted_indices
        if order is not None:
            states = tuple(None if s is None else ops.index_select(s, 1, order) for s in states)
        mask = None if sizes.min() == x.shape[0] else self._mask(Tensor(sizes), x)
        y, finals = self._layers(x, states, mask)
        if back is not None:
            finals = [ops.index_select(s, 1, back) for s in finals]
        return packed_like(input, y), finals

    def _mask(self, lengths: Any, x: Tensor) -> Tensor:
        """Where the sequences of x (T, N, K) still run: (T, N)."""
        if not isinstance(lengths, Tensor):
            lengths = Tensor(np.asarray(lengths))
        check = partial(check_lengths, type(self).__name__, x.shape)
        if mode.trace is not None:
            mode.trace.check(lengths, check)
        else:
            check(lengths.numpy())
        return ops.arange(x.shape[0]).unsqueeze(1) < lengths.unsqueeze(0)

    def _layers(
        self, x: Tensor, states: tuple[Any, ...], mask: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers on x (T, N, K): the output of the last, and the last states of each."""
        last: list[tuple[Tensor, ...]] = []
        outputs: list[Tensor] = []
        for k, (layer, suffix) in enumerate(self._places()):
            reverse = suffix.endswith("reverse")
            if layer and not reverse:
                x = outputs[0] if len(outputs) == 1 else ops.cat(outputs, -1)
                x = F.dropout(x, self.dropout, self.training) if self.dropout else x
            outputs = outputs if reverse else []
            start = tuple(None if s is None else s[k] for s in states)
            y, *c_n = self._direction(x, self._weights(suffix), start, mask, reverse)
            outputs.append(y)
            last.append((y[:1] if reverse else y[-1:], *(c.unsqueeze(0) for c in c_n)))
        y = outputs[0] if len(outputs) == 1 else ops.cat(outputs, -1)
        return y, [ops.cat(list(column), 0) for column in zip(*last, strict=True)]

    def _states(
        self, given: tuple[Any, ...] | None, batch: tuple[int, ...], input: tuple[int, ...]
    ) -> tuple[Any, ...]:
        """The states before the first step, each (layers · directions, N, size), or None."""
        if given is None:
            return (None, None) if self.memory else (None,)
        sizes = (self._size, self.hidden_size)
        for name, value, size in zip(("h_0", "c_0"), given, sizes, strict=False):
            expected = (self.num_layers * self._directions, *batch, size)
            if tuple(value.shape) != expected:
                raise ShapeError(
                    t(
                        "{module}: {name} must have shape {expected} for an input of shape "
                        "{input}, got {got}.",
                        module=type(self).__name__,
                        name=name,
                        expected=expected,
                        input=input,
                        got=tuple(value.shape),
                    )
                )
        return given

    def extra_repr(self) -> str:
        words = [f"{self.input_size}, {self.hidden_size}"]
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False,
                 "dropout": 0, "bidirectional": False}  # fmt: skip
        values = {name: getattr(self, name) for name in usual}
        words += [f"{name}={value}" for name, value in values.items() if value != usual[name]]
        return ", ".join(words)


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), or max(…, 0): nonlinearity="relu".

    Sequences (T, N, input_size), or (N, T, …) with `batch_first`, or (T, input_size) → the output
    (T, N, directions · hidden_size) of the last layer, and h of every layer after the last step
    (layers · directions, N, hidden_size). `hx`: these states before the first step, else zeros.

    Sequences of different lengths: a `PackedSequence`, which gives a packed output, or a padded
    batch with `lengths` (N,), which computes the same and also compiles. h_n is then each
    sequence's own last state, and past its end a padded output is 0.

    >>> output, h = cr.nn.RNN(3, 5)(cr.ones(7, 2, 3))
    >>> output.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
            device, dtype,
        )  # fmt: skip
        self.nonlinearity = Choice("tanh", "relu").check(nonlinearity, "RNN", "nonlinearity")

    def _direction(
        self, x: Tensor, weights: tuple[Any, ...], states: tuple[Any, ...], mask: Tensor | None,
        reverse: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        inputs = (x, *weights[:4], *states, mask)
        run = recurrent.RNN.function
        return (run(*inputs, nonlinearity=self.nonlinearity, reverse=reverse),)

    def forward(
        self, input: Any, hx: Tensor | None = None, *, lengths: Any = None
    ) -> tuple[Any, Tensor]:
        output, (h_n,) = self._run(input, None if hx is None else (hx,), lengths)
        return output, h_n


class LSTM(RNNBase):
    """Long short-term memory: from x_t and h_{t−1} the gates i, f, g, o; c_t = f·c_{t−1} + i·g and
    h_t = o·tanh(c_t).

    Sequences as for `RNN` → output, (h_n, c_n). `hx`: (h_0, c_0). `proj_size`: h is projected to so
    many numbers by weight_hr, and that is the size of the output.

    >>> output, (h, c) = cr.nn.LSTM(3, 5, batch_first=True)(cr.ones(2, 7, 3))
    >>> output.shape, h.shape, c.shape
    ((2, 7, 5), (1, 2, 5), (1, 2, 5))
    """

    gates = 4
    memory = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip

    def _direction(
        self, x: Tensor, weights: tuple[Any, ...], states: tuple[Any, ...], mask: Tensor | None,
        reverse: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        outputs = lstm.LSTM.function(x, *weights[:4], *states, weights[4], mask, reverse=reverse)
        return outputs[0], outputs[1]

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None, *, lengths: Any = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        output, (h_n, c_n) = self._run(input, None if hx is None else pair_of("LSTM", hx), lengths)
        return output, (h_n, c_n)


class GRU(RNNBase):
    """Gated recurrent units: r, z, n from x_t and h_{t−1}; h_t = (1 − z)·n + z·h_{t−1}.

    Sequences and states as for `RNN`.

    >>> output, h = cr.nn.GRU(3, 5, num_layers=2)(cr.ones(7, 2, 3))
    >>> output.shape, h.shape
    ((7, 2, 5), (2, 2, 5))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
            device, dtype,
        )  # fmt: skip

    def _direction(
        self, x: Tensor, weights: tuple[Any, ...], states: tuple[Any, ...], mask: Tensor | None,
        reverse: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        return (gru.GRU.function(x, *weights[:4], *states, mask, reverse=reverse)[0],)

    def forward(
        self, input: Any, hx: Tensor | None = None, *, lengths: Any = None
    ) -> tuple[Any, Tensor]:
        output, (h_n,) = self._run(input, None if hx is None else (hx,), lengths)
        return output, h_n


def pair_of(owner: str, hx: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(hx, tuple | list) or len(hx) != 2:
        raise ArgumentError(
            t("{owner} takes hx as a pair (h, c), got {kind}.", owner=owner, kind=type(hx).__name__)
        )
    return hx[0], hx[1]
