"""What backpropagation did to the tensors of a program, worked out and checked."""

from chainrule.explain.explanation.capture import recording as recording
from chainrule.explain.explanation.explanation import Explanation as Explanation
