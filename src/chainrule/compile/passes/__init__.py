"""From a graph to a simpler graph that computes the same."""

from __future__ import annotations

from chainrule.compile.graph import Graph
from chainrule.compile.passes.products import flat_product, table_product
from chainrule.compile.passes.rewrite import rewritten
from chainrule.compile.passes.rounding import round_last, rounded_already
from chainrule.compile.passes.simplify import RULES


def optimize(graph: Graph) -> Graph:
    """The graph after all passes; inputs, state and hosts are the same objects."""
    return rewritten(graph, (*RULES, rounded_already, round_last, flat_product, table_product))
