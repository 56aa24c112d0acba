"""Reading datasets from files."""

from chainrule.data.readers.idx import read_idx, write_idx
from chainrule.data.readers.images import read_image
from chainrule.data.readers.load import available_splits, load

__all__ = ["available_splits", "load", "read_idx", "read_image", "write_idx"]
