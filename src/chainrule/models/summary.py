"""Shapes, parameters, multiply-adds and receptive field of a model, layer by layer (row I6)."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from chainrule.base.constraints import Ints
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn import Module
from chainrule.ops import functional as ops

# Layers whose every output depends on the whole input.
_WHOLE = (
    "Adaptive", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm", "RNN", "LSTM", "GRU",
    "Multihead",
)  # fmt: skip
# Layers whose steps over the input are no whole numbers, or differ from place to place.
_UNEVEN = (
    "ConvTranspose", "Upsampl", "MaxUnpool", "FractionalMaxPool", "Pixel", "Fold", "Unfold",
)  # fmt: skip


class Window(NamedTuple):
    """What a layer looks at along each axis: extents f and strides s; empty: each element alone."""

    extent: tuple[int, ...]
    stride: tuple[int, ...]


class Summary(list[dict[str, Any]]):
    """One mapping a layer: layer, kind, output_shape, parameters, multiply_adds, receptive_field.

    `str(summary)` is a table with the totals.
    """

    @property
    def parameters(self) -> int:
        """Of the whole model; shared ones count once."""
        return sum(row["parameters"] for row in self)

    @property
    def multiply_adds(self) -> int:
        """For one input."""
        return sum(row["multiply_adds"] for row in self)

    def __str__(self) -> str:
        head = [
            t("layer"), t("kind"), t("output shape"), t("parameters"), t("multiply-adds"),
            t("receptive field"),
        ]  # fmt: skip
        lines = [head]
        for row in self:
            lines.append(
                [
                    row["layer"],
                    row["kind"],
                    "×".join(map(str, row["output_shape"])),
                    f"{row['parameters']:,}",
                    f"{row['multiply_adds']:,}",
                    _field_text(row["receptive_field"]),
                ]
            )
        lines.append([t("all"), "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", ""])
        widths = [max(_width(line[i]) for line in lines) for i in range(len(head))]
        table = ["  ".join(_padded(line, widths)).rstrip() for line in lines]
        rule = "─" * max(map(_width, table))
        return "\n".join([table[0], rule, *table[1:-1], rule, table[-1]])


def summary(model: Module, input_shape: Sequence[int] | None = None, dtype: Any = None) -> Summary:
    """Run one input of zeros through the model and describe each layer that was called.

    Args:
        input_shape: of one input, without the batch; by default that of `build`.
        dtype: of the input; by default the model's (say int64 for an embedding).

    A layer is a module without children, or with parameters of its own; one called twice has two
    rows, its parameters in the first. Multiply-adds are those of convolutions, linear and
    recurrent layers, of a detector's second stage over all of its regions.
    The receptive field is that of one output element: RF_i = (RF_{i+1} − 1)·s_i + f_i from the
    layer back to the input, a number where the axes agree, else one an axis. It is None where
    layers cannot be followed as a chain (branches) or enlarge their input.

    The model is left as it was: modes, buffers, random numbers.
    """
    if input_shape is None:
        input_shape = getattr(model, "config", {}).get("input_shape")
        if input_shape is None:
            raise ArgumentError(
                t("Give the shape of one input, as in summary(model, (1, 28, 28)).")
            )
    shape = Ints(low=1).check(input_shape, "summary", "input_shape")
    tracer = _Tracer(shape)
    modes = [(module, module.training) for module in model.modules()]
    handles = [
        module.register_forward_hook(tracer.hook(name or type(module).__name__))
        for name, module in model.named_modules()
        if not any(True for _ in module.children()) or any(True for _ in module.parameters(False))
    ]
    try:
        model.eval()
        with no_grad():
            kind = dtype or getattr(model, "input_dtype", None) or _dtype_of(model)
            zeros = ops.zeros((1, *shape), dtype=kind)
            tracer.last = zeros
            model(zeros)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    return tracer.rows


class _Tracer:
    """Collects the rows while the model runs."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self.rows = Summary()
        #: Size of the input along the axes that a receptive field has.
        self.whole = input_shape[1:] if len(input_shape) > 1 else input_shape
        self.last: Any = None
        #: The windows from the input to the newest output; None once the chain is lost.
        self.chain: list[Window | None] | None = []
        self.counted: set[int] = set()

    def hook(self, name: str) -> Any:
        def look(module: Module, args: Any, output: Any) -> None:
            x = args[0] if args else None
            # Recurrent layers give their last states beside the output.
            y = output[0] if isinstance(output, tuple) and output else output
            if isinstance(x, Tensor) and isinstance(y, Tensor):
                self._row(name, module, x, y)

        return look

    def _row(self, name: str, module: Module, x: Tensor, y: Tensor) -> None:
        # A function between two modules makes a new tensor; of the same shape, it is taken for
        # one that works element by element.
        if x is not self.last and x.shape != self.last.shape:
            self.chain = None
        kind = type(module).__name__
        if not type(module).__module__.startswith("chainrule.nn.") or kind.startswith(_UNEVEN):
            # A layer of the user's own may look at anything.
            self.chain = None
        if self.chain is not None:
            self.chain.append(_window(module, x))
        self.last = y
        self.rows.append(
            {
                "layer": name,
                "kind": kind,
                # Of several rows from one input, such as regions of an image, all are its output.
                "output_shape": list(y.shape if y.ndim and y.shape[0] > 1 else y.shape[1:]),
                "parameters": self._parameters(module),
                "multiply_adds": _multiply_adds(module, x, y),
                "receptive_field": self._field(),
            }
        )

    def _parameters(self, module: Module) -> int:
        count = 0
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in self.counted:
                self.counted.add(id(parameter))
                count += parameter.numel()
        return count

    def _field(self) -> Any:
        if self.chain is None:
            return None
        field = (1,) * len(self.whole)
        for window in reversed(self.chain):
            if window is None:
                field = self.whole
                break
            if not window.extent:
                continue
            if len(window.extent) != len(field):
                return None
            field = tuple(
                (r - 1) * s + f for r, s, f in zip(field, window.stride, window.extent, strict=True)
            )
        return field[0] if len(set(field)) == 1 else list(field)


def _window(module: Module, x: Tensor) -> Window | None:
    """Extent and stride of a layer; None for one that sees its whole input."""
    kind = type(module).__name__
    axes = x.ndim - 2
    if kind.startswith(_WHOLE) or (kind == "Linear" and axes == 0):
        return None
    size: Any = getattr(module, "kernel_size", None)
    if size is None:
        return Window((), ())
    extent = _per_axis(size, axes)
    dilation = _per_axis(getattr(module, "dilation", 1), axes)
    stride = getattr(module, "stride", None)
    return Window(
        tuple(d * (k - 1) + 1 for k, d in zip(extent, dilation, strict=True)),
        _per_axis(size if stride is None else stride, axes),
    )


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * axes if len(values) == 1 else values


def _multiply_adds(module: Module, x: Tensor, y: Tensor) -> int:
    """Products that a convolution, linear or recurrent layer adds up for one input."""
    weight: Any = getattr(module, "weight", None)
    kind = type(module).__name__
    if hasattr(module, "all_weights"):
        # Every matrix of a recurrent layer takes part at every step.
        steps = x.numel() // x.shape[-1]
        return steps * sum(w.numel() for row in module.all_weights for w in row if w.ndim > 1)
    if weight is None or not (kind.startswith("Conv") or kind == "Linear"):
        return 0
    # Each output element sums over everything in the weight but the output channels; a transposed
    # convolution gives each input element to everything in it but the input channels.
    elements = x if kind.startswith("ConvTranspose") else y
    return math.prod(elements.shape) * math.prod(weight.shape[1:])


def _dtype_of(model: Module) -> DType | None:
    for parameter in model.parameters():
        if parameter.dtype.is_floating_point:
            return parameter.dtype
    return None


# ---- the table -------------------------------------------------------------------------------


def _field_text(field: Any) -> str:
    if field is None:
        return "–"
    return "×".join(map(str, field)) if isinstance(field, list) else str(field)


def _width(text: str) -> int:
    # Chinese characters take two columns of a terminal.
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(line: list[str], widths: list[int]) -> list[str]:
    cells = []
    for i, (text, width) in enumerate(zip(line, widths, strict=True)):
        space = " " * (width - _width(text))
        cells.append(text + space if i < 3 else space + text)
    return cells
