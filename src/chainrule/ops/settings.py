"""Switches that programs set: here results are always deterministic and on the one device."""

from __future__ import annotations

from typing import Any

from chainrule.base.devices import CPU, check_device
from chainrule.base.devices import device as Device
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: all algorithms are deterministic."""


def are_deterministic_algorithms_enabled() -> bool:
    """True."""
    return True


def set_default_device(device: Any) -> None:
    """Nothing for the CPU; an error for every other device."""
    check_device(device)


def get_default_device() -> Device:
    """The CPU."""
    return CPU


def set_float32_matmul_precision(precision: str) -> None:
    """Nothing: float32 products keep all digits. For bfloat16 ones there is `autocast`."""
    if precision not in ("highest", "high", "medium"):
        raise ArgumentError(
            t(
                "Only high-precision products exist: write 'highest', 'high' or 'medium', not "
                "{precision!r}.",
                precision=precision,
            )
        )


def get_float32_matmul_precision() -> str:
    """Always "highest"."""
    return "highest"
