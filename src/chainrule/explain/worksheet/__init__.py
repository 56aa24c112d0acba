"""Worked steps: an expression, the numbers put in, and the chain rule walked back."""

from chainrule.explain.worksheet.steps import Worksheet as Worksheet
from chainrule.explain.worksheet.steps import worksheet as worksheet
from chainrule.explain.worksheet.syntax import ExpressionError as ExpressionError
