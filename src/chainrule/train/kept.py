"""The state of a model and its optimiser, kept to be put back."""

from __future__ import annotations

from typing import Any

from chainrule.graph import no_grad
from chainrule.nn import Module
from chainrule.ops.random import get_rng_state, set_rng_state


class Kept:
    """A copy of parameters, buffers, the optimiser's state and the place of the random numbers."""

    def __init__(self, model: Module, optimizer: Any) -> None:
        self._values = [(x, x.detach().clone()) for x in (*model.parameters(), *model.buffers())]
        self._optimizer, self._state = optimizer, _copied(optimizer.state_dict())
        self._random = get_rng_state()

    def restore(self) -> None:
        """Put everything back; may be called again."""
        self._optimizer.load_state_dict(_copied(self._state))
        with no_grad():
            for x, value in self._values:
                x.copy_(value)
        set_rng_state(self._random)


def _copied(state: Any) -> Any:
    """A state dict with its tensors copied."""
    if isinstance(state, dict):
        return {k: _copied(v) for k, v in state.items()}
    if isinstance(state, list):
        return [_copied(v) for v in state]
    return state.clone() if hasattr(state, "clone") else state
