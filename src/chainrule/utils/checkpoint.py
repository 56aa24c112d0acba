"""`torch.utils.checkpoint`'s names: the work is in `chainrule.graph`."""

from chainrule.graph.checkpoint import checkpoint as checkpoint
