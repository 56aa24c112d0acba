"""Special functions: names only, the work is in `chainrule.ops`."""

from typing import Any

from chainrule.ops.functional import PUBLIC as _PUBLIC

_NAMES = (
    "digamma", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0", "i1", "log1p",
    "log_softmax", "logit", "logsumexp", "polygamma", "psi", "round", "sinc", "softmax", "xlogy",
)  # fmt: skip
_OTHERS = {"expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma"}

globals().update({name: _PUBLIC[_OTHERS.get(name, name)] for name in _NAMES})


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'chainrule.special' has no attribute {name!r}")
