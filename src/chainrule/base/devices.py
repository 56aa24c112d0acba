"""The one device, as programs written for several name it."""

from __future__ import annotations

from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t

_KINDS = ("cuda", "mps", "xpu", "xla", "hip", "ipu", "hpu", "mtia", "vulkan", "meta", "npu")


class device(str):
    """`device("cpu")`: where a tensor lies. Equal to the text "cpu".

    `type`: "cpu"; `index`: None. Errors: ArgumentError for every other device.
    """

    __slots__ = ()

    index = None  # type: ignore[assignment]

    def __new__(cls, type: Any = "cpu", index: Any = None) -> device:
        name = str(type)
        kind, _, number = name.partition(":")
        if kind != "cpu" or (number and not number.isdigit()) or (index or 0) != 0:
            raise ArgumentError(
                t(
                    "There is one device here, the processor: write device='cpu', not {name!r}.",
                    name=name,
                )
            )
        return super().__new__(cls, "cpu")

    @property
    def type(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"


CPU = device()


def check_device(value: Any) -> None:
    """Nothing for None and the CPU; ArgumentError for every other device."""
    if value is not None and value is not CPU:
        device(value)


def is_device(value: Any) -> bool:
    """Whether a value names a device, this one or another: "cpu", "cuda:0", device("cpu")."""
    return isinstance(value, str) and value.partition(":")[0] in ("cpu", *_KINDS)
