"""Floor 1: Tensor, the recorded graph, and the backward walk. It names no operation."""

from chainrule.graph.autocast import autocast as autocast
from chainrule.graph.autocast import is_autocast_enabled as is_autocast_enabled
from chainrule.graph.modes import enable_grad as enable_grad
from chainrule.graph.modes import inference_mode as inference_mode
from chainrule.graph.modes import is_grad_enabled as is_grad_enabled
from chainrule.graph.modes import mode as mode
from chainrule.graph.modes import no_grad as no_grad
from chainrule.graph.modes import set_grad_enabled as set_grad_enabled
from chainrule.graph.node import Node as Node
from chainrule.graph.tensor import Tensor as Tensor
