"""PyTorch's place for data and checkpointing: names only, the work is in `chainrule.data` and
`chainrule.graph`."""

from chainrule.utils import checkpoint as checkpoint
from chainrule.utils import data as data
