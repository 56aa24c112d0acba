"""The format in which an estimator shows its working."""

from chainrule.learn.working.pictures import Bars as Bars
from chainrule.learn.working.pictures import Curves as Curves
from chainrule.learn.working.pictures import Multiples as Multiples
from chainrule.learn.working.pictures import Picture as Picture
from chainrule.learn.working.pictures import Regions as Regions
from chainrule.learn.working.pictures import Tree as Tree
from chainrule.learn.working.pictures import TreeNode as TreeNode
from chainrule.learn.working.words import Formula as Formula
from chainrule.learn.working.words import Words as Words
from chainrule.learn.working.words import number as number
from chainrule.learn.working.words import numbers as numbers
from chainrule.learn.working.working import Checked as Checked
from chainrule.learn.working.working import Line as Line
from chainrule.learn.working.working import Step as Step
from chainrule.learn.working.working import Table as Table
from chainrule.learn.working.working import Working as Working
