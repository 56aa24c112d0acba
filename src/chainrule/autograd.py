"""Derivatives on demand: names only, the work is in `chainrule.graph`."""

from chainrule.graph import functional as functional
from chainrule.graph.anomaly import detect_anomaly as detect_anomaly
from chainrule.graph.anomaly import is_anomaly_enabled as is_anomaly_enabled
from chainrule.graph.anomaly import set_detect_anomaly as set_detect_anomaly
from chainrule.graph.autocast import autocast as autocast
from chainrule.graph.autocast import is_autocast_enabled as is_autocast_enabled
from chainrule.graph.backward import backward as backward
from chainrule.graph.backward import grad as grad
from chainrule.graph.checkpoint import checkpoint as checkpoint
from chainrule.graph.function import Function as Function
from chainrule.graph.functional import hessian as hessian
from chainrule.graph.functional import hvp as hvp
from chainrule.graph.functional import jacobian as jacobian
from chainrule.graph.functional import jvp as jvp
from chainrule.graph.functional import vjp as vjp
from chainrule.graph.gradcheck import gradcheck as gradcheck
from chainrule.graph.gradcheck import gradgradcheck as gradgradcheck
from chainrule.graph.modes import enable_grad as enable_grad
from chainrule.graph.modes import no_grad as no_grad
from chainrule.graph.modes import set_grad_enabled as set_grad_enabled
