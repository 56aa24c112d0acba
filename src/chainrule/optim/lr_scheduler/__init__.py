"""Learning rates that change while training: call `scheduler.step()` once an epoch.

`OneCycleLR` and `CyclicLR` are made for one call a batch. Schedules that multiply the learning rate
they find (step, exponential, warm-up, cosine) may act together on one optimiser.
"""

from chainrule.optim.lr_scheduler.base import LRScheduler as LRScheduler
from chainrule.optim.lr_scheduler.control import ChainedScheduler as ChainedScheduler
from chainrule.optim.lr_scheduler.control import ReduceLROnPlateau as ReduceLROnPlateau
from chainrule.optim.lr_scheduler.control import SequentialLR as SequentialLR
from chainrule.optim.lr_scheduler.cosine import SWALR as SWALR
from chainrule.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from chainrule.optim.lr_scheduler.cosine import (
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from chainrule.optim.lr_scheduler.cosine import OneCycleLR as OneCycleLR
from chainrule.optim.lr_scheduler.cyclic import CyclicLR as CyclicLR
from chainrule.optim.lr_scheduler.decay import ConstantLR as ConstantLR
from chainrule.optim.lr_scheduler.decay import ExponentialLR as ExponentialLR
from chainrule.optim.lr_scheduler.decay import InverseTimeLR as InverseTimeLR
from chainrule.optim.lr_scheduler.decay import LambdaLR as LambdaLR
from chainrule.optim.lr_scheduler.decay import LinearLR as LinearLR
from chainrule.optim.lr_scheduler.decay import MultiplicativeLR as MultiplicativeLR
from chainrule.optim.lr_scheduler.decay import MultiStepLR as MultiStepLR
from chainrule.optim.lr_scheduler.decay import PolynomialLR as PolynomialLR
from chainrule.optim.lr_scheduler.decay import StepLR as StepLR
