"""PyTorch's names for the averaging of weights, which lives in `chainrule.train.averaging`."""

from chainrule.optim.lr_scheduler import SWALR as SWALR
from chainrule.train.averaging import AveragedModel as AveragedModel
from chainrule.train.averaging import get_ema_avg_fn as get_ema_avg_fn
from chainrule.train.averaging import get_ema_multi_avg_fn as get_ema_multi_avg_fn
from chainrule.train.averaging import get_swa_avg_fn as get_swa_avg_fn
from chainrule.train.averaging import get_swa_multi_avg_fn as get_swa_multi_avg_fn
from chainrule.train.averaging import update_bn as update_bn
