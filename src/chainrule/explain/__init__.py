"""Watching a network: reports of training runs, worked explanations, figures."""

from chainrule.explain.figures import Bars as Bars
from chainrule.explain.figures import Lines as Lines
from chainrule.explain.figures import Panel as Panel
from chainrule.explain.figures import Pictures as Pictures
from chainrule.explain.figures import figure as figure
