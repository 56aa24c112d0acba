"""Recurrent cells: one time step."""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.constraints import Choice, Int
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn.layers.recurrent import draw_uniform, pair_of
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank
from chainrule.ops import gru, lstm, recurrent


class RNNCellBase(Module):
    """Base of the cells: their weights, and one step with or without a batch."""

    gates: ClassVar[int]

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        self.input_size = Int(low=0).check(input_size, name, "input_size")
        self.hidden_size = Int(low=1).check(hidden_size, name, "hidden_size")
        self.bias = bool(bias)
        rows = self.gates * hidden_size
        self.weight_ih = blank((rows, input_size), device, dtype)
        self.weight_hh = blank((rows, hidden_size), device, dtype)
        self.bias_ih = blank((rows,), device, dtype) if bias else None
        self.bias_hh = blank((rows,), device, dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew: uniform in ±1/√hidden_size."""
        draw_uniform(self, self.hidden_size)

    def _step(self, function: Any, input: Tensor, *states: Tensor | None) -> tuple[Tensor, ...]:
        """The new states from the input (N, K) or (K,) and the old ones, None for zeros."""
        present = [v for v in (input, *states) if v is not None]
        if input.ndim not in (1, 2) or any(v.ndim != input.ndim for v in present):
            raise ShapeError(
                t(
                    "{module} takes input of shape {layout}, got {shape}.",
                    module=type(self).__name__,
                    layout="(N, K) and states (N, H), or (K,) and (H,)",
                    shape=", ".join(str(tuple(v.shape)) for v in present),
                )
            )
        batched = input.ndim == 2
        given = [v if v is None or batched else v.unsqueeze(0) for v in (input, *states)]
        hx = given[1] if len(given) == 2 else tuple(given[1:])
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        out = function(given[0], hx, *weights)
        out = out if isinstance(out, tuple) else (out,)
        return out if batched else tuple(v.squeeze(0) for v in out)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """One step of an RNN: (N, input_size), h (N, hidden_size) → h; also without a batch."""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = Choice("tanh", "relu").check(nonlinearity, "RNNCell", "nonlinearity")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        tanh = self.nonlinearity == "tanh"
        function = recurrent.rnn_tanh_cell if tanh else recurrent.rnn_relu_cell
        return self._step(function, input, hx)[0]

    def extra_repr(self) -> str:
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + other


class LSTMCell(RNNCellBase):
    """One step of an LSTM: (N, input_size), (h, c) → (h, c); also without a batch.

    >>> h, c = cr.nn.LSTMCell(3, 5)(cr.ones(2, 3))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    gates = 4

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        states = (None, None) if hx is None else pair_of("LSTMCell", hx)
        h, c = self._step(lstm.lstm_cell, input, *states)
        return h, c


class GRUCell(RNNCellBase):
    """One step of a GRU: (N, input_size), h (N, hidden_size) → h; also without a batch.

    >>> cr.nn.GRUCell(3, 5)(cr.ones(2, 3)).shape
    (2, 5)
    """

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(gru.gru_cell, input, hx)[0]
