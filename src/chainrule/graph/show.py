"""How a tensor prints: as PyTorch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t

if TYPE_CHECKING:
    from chainrule.graph.sparse import SparseTensor
    from chainrule.graph.tensor import Tensor


# What set_printoptions sets.
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": 1 << 62, "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = _PROFILES["default"] | {"sci_mode": None}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print: digits after the point, from how many elements on they are shortened, how
    many then stand at each end, characters a line; `sci_mode`: always (True) or never (False) in
    powers of ten. `profile`: "default", "short" or "full" (nothing is left out)."""
    if profile is not None:
        if profile not in _PROFILES:
            raise ArgumentError(
                t(
                    "set_printoptions: profile must be one of {names}, got {profile!r}.",
                    names=", ".join(_PROFILES),
                    profile=profile,
                )
            )
        _options.update(_PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "linewidth": linewidth}  # fmt: skip
    for name, value in given.items():
        if value is not None:
            if not value >= 0:
                raise ArgumentError(
                    t("set_printoptions: {name} must be ≥ 0, got {value!r}.",
                      name=name, value=value)
                )  # fmt: skip
            _options[name] = int(min(value, 1 << 62))
    _options["sci_mode"] = sci_mode


def tensor(x: Tensor, name: str = "tensor") -> str:
    """`tensor([1., 2.], requires_grad=True)`: values, then what is not the default."""
    parts = []
    if isinstance(x._data, np.ndarray):
        body = _values(x._data, len(name) + 1)
    else:
        body = repr(x._data)
    if x.numel() == 0 and x.ndim != 1:
        parts.append(f"size={x.shape}")
    usual = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    if x.dtype not in usual or (x.numel() == 0 and x.dtype is not usual[0]):
        parts.append(f"dtype={x.dtype!r}")
    if x._node is not None:
        parts.append(f"grad_fn={x._node!r}")
    elif x._rg:
        parts.append("requires_grad=True")
    return f"{name}({', '.join([body, *parts])})"


def sparse(x: SparseTensor) -> str:
    """`tensor(indices=…, values=…, size=(5, 2), nnz=3, layout=sparse_coo)`."""
    parts = [
        f"indices={tensor(x._indices())}",
        f"values={tensor(x._values())}".replace("\n", "\n" + " " * 14),
        f"size={x.shape}, nnz={x._nnz()}, layout=sparse_coo",
    ]
    return "tensor(" + ",\n       ".join(parts) + ")"


def _values(array: np.ndarray, indent: int) -> str:
    if array.size == 0:
        return "[]"
    options: dict = {
        "threshold": _options["threshold"],
        "edgeitems": _options["edgeitems"],
        "max_line_width": _options["linewidth"],
        "separator": ", ",
        "prefix": " " * indent,
    }
    if array.ndim == 0:
        return _number_format(array)(array[()]) if array.dtype.kind == "f" else str(array[()])
    if array.dtype.kind == "f":
        options["formatter"] = {"float_kind": _number_format(array)}
    if array.dtype.kind == "b":
        width = 4 if array.all() else 5
        options["formatter"] = {"bool": lambda v: str(bool(v)).rjust(width)}
    return np.array2string(array, **options)


def _number_format(array: np.ndarray):  # type: ignore[no-untyped-def]
    """Four decimals, or scientific where the range is too wide, or `1.` where all are whole."""
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    if not finite.size or np.all(finite == np.floor(finite)) and finite.max() < 1e8:
        text = "{:.0f}."
    else:
        nonzero = finite[finite > 0]
        wide = finite.max() >= 1e8 or nonzero.min() < 1e-4 or finite.max() / nonzero.min() > 1e3
        wide = wide if _options["sci_mode"] is None else _options["sci_mode"]
        text = f"{{:.{_options['precision']}{'e' if wide else 'f'}}}"
    few = array.size <= _options["threshold"]
    shown = [_one(v, text) for v in array.ravel()] if few else []
    width = max(map(len, shown), default=0)
    return lambda v: _one(v, text).rjust(width)


def _one(value: float, text: str) -> str:
    if not np.isfinite(value):
        return str(float(value))
    return text.format(float(value))
