"""Floor 4: optimisers and learning-rate schedules."""

from importlib import import_module as _import_module
from typing import Any as _Any

from chainrule.optim import lr_scheduler as lr_scheduler
from chainrule.optim.adagrad import Adadelta as Adadelta
from chainrule.optim.adagrad import Adagrad as Adagrad
from chainrule.optim.adagrad import RMSprop as RMSprop
from chainrule.optim.adam import Adam as Adam
from chainrule.optim.adam import AdamW as AdamW
from chainrule.optim.adam_family import Adamax as Adamax
from chainrule.optim.adam_family import NAdam as NAdam
from chainrule.optim.adam_family import RAdam as RAdam
from chainrule.optim.adam_family import SparseAdam as SparseAdam
from chainrule.optim.asgd import ASGD as ASGD
from chainrule.optim.asgd import Rprop as Rprop
from chainrule.optim.averages import ExponentialMovingAverage as ExponentialMovingAverage
from chainrule.optim.factored import Adafactor as Adafactor
from chainrule.optim.factored import Muon as Muon
from chainrule.optim.lbfgs import LBFGS as LBFGS
from chainrule.optim.optimizer import Optimizer as Optimizer
from chainrule.optim.sgd import SGD as SGD
from chainrule.optim.switch import SwitchOptimizer as SwitchOptimizer


def __getattr__(name: str) -> _Any:
    if name != "swa_utils":
        raise AttributeError(f"module 'chainrule.optim' has no attribute {name!r}")
    # It gathers names of the training room, which stands on this one.
    return _import_module("chainrule.optim.swa_utils")
