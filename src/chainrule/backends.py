"""Switches of libraries that are not used here: they can be set, and do nothing.

Results are always deterministic: `cudnn.deterministic = True` holds without being set.
"""


class cudnn:
    """CUDA's library for networks: not used."""

    enabled = False
    benchmark = False
    deterministic = True

    @staticmethod
    def is_available() -> bool:
        """False."""
        return False


class mps:
    """Apple's graphics processors: not used."""

    @staticmethod
    def is_available() -> bool:
        """False."""
        return False

    @staticmethod
    def is_built() -> bool:
        """False."""
        return False
