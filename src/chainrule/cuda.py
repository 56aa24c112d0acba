"""What programs ask before they choose a device: there is no CUDA here, so the answer is no."""

from typing import Any


def is_available() -> bool:
    """False: write `device = "cuda" if chainrule.cuda.is_available() else "cpu"` as ever."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no such generator."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there are no such generators."""


def synchronize(device: Any = None) -> None:
    """Nothing: every operation has ended when it returns."""


def empty_cache() -> None:
    """Nothing: memory is freed as tensors go."""
