"""Floor 5: networks by name, how to train them, and what is in them."""

from chainrule.models.dense import MLP as MLP
from chainrule.models.dense import LinearClassifier as LinearClassifier
from chainrule.models.lenet import LeNet as LeNet
from chainrule.models.lenet import LeNetBN as LeNetBN
from chainrule.models.recipes import Augmentation as Augmentation
from chainrule.models.recipes import Recipe as Recipe
from chainrule.models.recipes import recipe as recipe
from chainrule.models.registry import build as build
from chainrule.models.registry import names as names
from chainrule.models.runs import load as load
from chainrule.models.runs import save as save
from chainrule.models.summary import Summary as Summary
from chainrule.models.summary import summary as summary
