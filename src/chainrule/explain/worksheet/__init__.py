"""Worked steps: an expression, the numbers put in, and the chain rule walked back."""

from chainrule.explain.worksheet.layout import to_dict as to_dict
from chainrule.explain.worksheet.program import read_value as read_value
from chainrule.explain.worksheet.render import show as show
from chainrule.explain.worksheet.render import to_text as to_text
from chainrule.explain.worksheet.steps import Worksheet as Worksheet
from chainrule.explain.worksheet.steps import worksheet as worksheet
from chainrule.explain.worksheet.syntax import ExpressionError as ExpressionError
