"""Automatic mixed precision: products in bfloat16, everything else in float32.

Inside `autocast`, each operation follows the policy that it declares (`Op.autocast`). Products take
operands rounded to bfloat16, add up in float32 and round their result once; parameters stay float32
and so do their gradients. The names and call forms are those of `torch.autocast`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType, as_dtype, bfloat16
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor


class Region:
    """What `mode.autocast` is inside the outermost `autocast`: the dtype of products, and the
    rounded parameters, each kept until the region ends or the parameter is written."""

    __slots__ = ("_kept", "dtype", "keeps")

    def __init__(self, dtype: DType, keeps: bool) -> None:
        self.dtype = dtype
        self.keeps = keeps
        self._kept: dict[int, tuple[Tensor, np.ndarray, int, np.ndarray]] = {}

    def rounded(self, x: Tensor, data: Any) -> Any:
        """`data`, the values of x, rounded to the dtype of the region."""
        if x.dtype is self.dtype:
            return data
        leaf = x._rg and x._node is None and isinstance(data, np.ndarray)
        if not (leaf and self.keeps):
            return mode.quiet(mode.F.astype, data, self.dtype)
        version = memory.version(data)
        known = self._kept.get(id(x))
        if known is None or known[1] is not data or known[2] != version:
            # With the tensor itself, so that its id stays its own.
            known = (x, data, version, mode.quiet(mode.F.astype, data, self.dtype))
            self._kept[id(x)] = known
        return known[3]


class autocast:
    """Mixed precision inside (context manager or decorator): `with cr.autocast("bfloat16"):`, or
    as in PyTorch `cr.autocast("cpu", dtype=cr.bfloat16, enabled=True)`.

    Put the forward pass and the loss inside, `backward()` and the optimiser outside. Regions nest,
    `enabled=False` turns it off inside another, and each thread has its own. `cache_enabled`: round
    a parameter once in a region, not at each use. Errors: ArgumentError for another device than
    "cpu" or another dtype than bfloat16.
    """

    def __init__(
        self,
        device_type: Any = "cpu",
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type != "cpu":
            if dtype is not None or (isinstance(device_type, str) and _is_device(device_type)):
                raise ArgumentError(
                    t('autocast: there is one device, "cpu", not {device!r}.', device=device_type)
                )
            dtype = device_type
        self.dtype = bfloat16 if dtype is None else as_dtype(dtype)
        if self.dtype is not bfloat16:
            raise ArgumentError(
                t("autocast computes in bfloat16, not {dtype}.", dtype=self.dtype.name)
            )
        self.enabled = bool(enabled)
        self.cache_enabled = cache_enabled is None or bool(cache_enabled)
        self._before: list[Region | None] = []

    def __enter__(self) -> autocast:
        before = mode.autocast
        self._before.append(before)
        if not self.enabled:
            mode.autocast = None
        elif before is None or before.keeps != self.cache_enabled:
            mode.autocast = Region(self.dtype, self.cache_enabled)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.autocast = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with autocast("cpu", self.dtype, self.enabled, self.cache_enabled):
                return function(*args, **kwargs)

        return wrapped


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """Whether operations run in mixed precision now, in this thread."""
    return device_type == "cpu" and mode.autocast is not None


class inside:
    """`region` (None: no autocast) holds inside: what an operation is made of follows no policy of
    its own, and a part that is computed again follows that of the first time."""

    def __init__(self, region: Region | None) -> None:
        self._region = region

    def __enter__(self) -> None:
        self._before, mode.autocast = mode.autocast, self._region

    def __exit__(self, *_: object) -> None:
        mode.autocast = self._before


def _is_device(name: str) -> bool:
    return name.split(":")[0] in ("cuda", "mps", "xpu", "hpu", "meta", "xla")
