"""Floor 3: from the user's program to a graph of primitives (and later to native code)."""

from chainrule.compile.graph import Graph as Graph
from chainrule.compile.graph import Instruction as Instruction
from chainrule.compile.graph import Value as Value
from chainrule.compile.trace import Program as Program
from chainrule.compile.trace import trace as trace
