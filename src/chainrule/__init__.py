"""chainrule: a deep-learning framework that you can see through.

Every operation is written once; you can watch it work, and you can run it at the speed of the
machine. The names, arguments and defaults are PyTorch's: `import chainrule as cr`.
"""

import math as _math
from importlib import import_module as _import_module
from typing import Any as _Any

from chainrule.base.devices import device as device
from chainrule.base.dtypes import DType as DType
from chainrule.base.dtypes import bfloat16 as bfloat16
from chainrule.base.dtypes import bool_ as bool_
from chainrule.base.dtypes import float16 as float16
from chainrule.base.dtypes import float32 as float32
from chainrule.base.dtypes import float64 as float64
from chainrule.base.dtypes import get_default_dtype as get_default_dtype
from chainrule.base.dtypes import int8 as int8
from chainrule.base.dtypes import int16 as int16
from chainrule.base.dtypes import int32 as int32
from chainrule.base.dtypes import int64 as int64
from chainrule.base.dtypes import promote_types as promote_types
from chainrule.base.dtypes import set_default_dtype as set_default_dtype
from chainrule.base.dtypes import uint8 as uint8
from chainrule.base.errors import ChainruleError as ChainruleError
from chainrule.base.providers import provide as _provide
from chainrule.base.text import language as language
from chainrule.base.text import set_language as set_language
from chainrule.graph import Tensor as Tensor
from chainrule.graph import autocast as autocast
from chainrule.graph import enable_grad as enable_grad
from chainrule.graph import inference_mode as inference_mode
from chainrule.graph import is_autocast_enabled as is_autocast_enabled
from chainrule.graph import is_grad_enabled as is_grad_enabled
from chainrule.graph import no_grad as no_grad
from chainrule.graph import set_grad_enabled as set_grad_enabled
from chainrule.graph.show import set_printoptions as set_printoptions
from chainrule.ops.arrays import native as _native
from chainrule.ops.functional import PUBLIC as _PUBLIC
from chainrule.ops.random import Generator as Generator
from chainrule.ops.type_info import BoolTensor as BoolTensor
from chainrule.ops.type_info import ByteTensor as ByteTensor
from chainrule.ops.type_info import DoubleTensor as DoubleTensor
from chainrule.ops.type_info import FloatTensor as FloatTensor
from chainrule.ops.type_info import IntTensor as IntTensor
from chainrule.ops.type_info import LongTensor as LongTensor
from chainrule.ops.type_info import Size as Size

__version__ = "0.1.0"

bool = bool_
dtype = DType
double, float, half = float64, float32, float16
long, int, short = int64, int32, int16
inf, nan = _math.inf, _math.nan
pi, e = _math.pi, _math.e

# Rooms that load when they are first used.
_ROOMS = ("autograd", "backends", "compile", "cuda", "data", "explain", "files", "learn", "linalg",
          "models", "nn", "optim", "special", "testing", "train", "utils")  # fmt: skip
# Names whose room loads with them.
_LAZY = {
    "load": "chainrule.models",
    "save": "chainrule.files",
    "save_file": "chainrule.files",
    "load_file": "chainrule.files",
    "card": "chainrule.explain.cards",
    "get_num_threads": "chainrule.compile",
    "set_num_threads": "chainrule.compile",
}

# Glass mode asks for native kernels when the first large array comes along.
_native.offer(lambda: _import_module("chainrule.compile.eager").source())  # type: ignore[no-any-return]
# The training loop starts the live page without knowing who draws it.
_provide("watch", lambda: _import_module("chainrule.explain.watch").Watch)
_provide("explanation", lambda: _import_module("chainrule.explain"))


def __getattr__(name: str) -> _Any:
    value: _Any
    if name in _PUBLIC:
        value = _PUBLIC[name]
    elif name.endswith("_") and name[0].islower() and hasattr(Tensor, name):
        value = getattr(Tensor, name)  # cr.relu_(x), as a method
    elif name in _ROOMS:
        value = _import_module(f"chainrule.{name}")
    elif name in _LAZY:
        value = getattr(_import_module(_LAZY[name]), name)
    else:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_ROOMS, *_LAZY})
