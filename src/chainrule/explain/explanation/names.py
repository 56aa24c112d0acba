"""Names for what is in a graph: parameters by their module, the rest by the user's variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.graph.node import Node
from chainrule.graph.tensor import Tensor
from chainrule.nn.module import Module


class Names:
    """Where names come from, the strongest first: `given`, the modules that ran (or `model`), the
    modules among the caller's variables, the variables themselves (`scope`)."""

    def __init__(
        self,
        scope: Mapping[str, Any] | None = None,
        given: Mapping[str, Tensor] | None = None,
        model: Module | None = None,
    ) -> None:
        self.scope = {k: v for k, v in (scope or {}).items() if not k.startswith("_")}
        self.given = {id(x): name for name, x in (given or {}).items()}
        self.model = model
        self.roots: dict[Module, str] = {}  # modules that nothing called → their names
        self.paths: dict[Module, str] = {}
        self.tensors: dict[int, str] = {}
        self.arrays: dict[int, str] = {}
        for name, value in self.scope.items():
            if isinstance(value, Tensor):
                self.tensors.setdefault(id(value), name)
                if isinstance(value._data, np.ndarray):
                    self.arrays.setdefault(id(value._data), name)
        if model is not None:
            self._root(model, "")

    def learn_modules(self, stacks: Iterable[tuple[Module, ...]]) -> None:
        """Paths of all modules below those that were called first."""
        roots = list(dict.fromkeys(stack[0] for stack in stacks if stack))
        for name, module in self._holders(roots).items():
            self._root(module, "" if not self.roots else name)
        for root in sorted(roots, key=lambda m: next(iter(m.parameters()), None) is None):
            self._root(root, "" if not self.roots else self._name_of(root))
        if not self.roots:
            modules = {k: v for k, v in self.scope.items() if isinstance(v, Module)}
            weighty = {k: m for k, m in modules.items() if any(True for _ in m.parameters())}
            for name, module in weighty.items():
                self._root(module, "" if len(weighty) == 1 else name)

    def _holders(self, roots: list[Module]) -> dict[str, Module]:
        """The caller's modules that hold several of those that ran without having run themselves (a
        ModuleDict, say), by variable; the outermost only."""
        held = {
            name: set(value.modules()) - {value}
            for name, value in self.scope.items()
            if isinstance(value, Module) and value not in roots
        }
        found = {
            name: self.scope[name] for name, inside in held.items() if inside.intersection(roots)
        }
        return {
            name: module
            for name, module in found.items()
            if not any(module in held[other] for other in found)
        }

    def _root(self, module: Module, prefix: str) -> None:
        if module in self.paths:
            return
        self.roots[module] = prefix
        for path, each in module.named_modules(prefix=prefix):
            self.paths.setdefault(each, path)
        for name, parameter in module.named_parameters(prefix=prefix):
            self.given.setdefault(id(parameter), name)
        for name, buffer in module.named_buffers(prefix=prefix):
            self.arrays[id(buffer._data)] = name

    def _name_of(self, module: Module) -> str:
        found = next((k for k, v in self.scope.items() if v is module), None)
        return found or type(module).__name__

    def place(self, modules: tuple[Module, ...]) -> tuple[str | None, str | None]:
        """Path and type of the innermost of the modules that were running."""
        if not modules:
            return None, None
        for module in reversed(modules):
            if module in self.paths:
                return self.paths[module], type(modules[-1]).__name__
        return "", type(modules[-1]).__name__

    def of(self, tensor: Tensor) -> str | None:
        return self.given.get(id(tensor)) or self.tensors.get(id(tensor))

    def of_array(self, array: np.ndarray) -> str | None:
        return self.arrays.get(id(array))

    def settle(self, steps: Iterable[Any]) -> None:
        """Variables for results, and the modules of operations on parameters with a path."""
        of_node: dict[tuple[Node, int], str] = {}
        for name, value in self.scope.items():
            if isinstance(value, Tensor) and value._node is not None:
                of_node.setdefault((value._node, value._index), name)
        taken = {step.name for step in steps if step.name}
        for step in steps:
            if step.node is not None:
                for k, out in enumerate(step.outputs):
                    found = of_node.get((step.node, k))
                    if found is not None and found not in taken:
                        out.name = found
                        step.name = step.name or found
                        taken.add(found)
                if step.path is None:
                    step.path = self._path_by_parameters(step)
            elif step.name is None:
                base = step.outputs[0].name
                step.outputs[0].name = _unused(base, taken)
                taken.add(step.outputs[0].name)
            else:
                step.outputs[0].name = step.name
                if id(step.tensor) in self.given and "." in step.name:
                    step.path = step.name.rpartition(".")[0]

    def _path_by_parameters(self, step: Any) -> str | None:
        """Without a record: the module whose parameters the operation takes."""
        names = [x.source.name for x in step.inputs if x.source is not None and x.source.tensor is
                 not None and id(x.source.tensor) in self.given]  # fmt: skip
        paths = {name.rpartition(".")[0] for name in names if name}
        return paths.pop() if len(paths) == 1 and "" not in paths else None

    def module_at(self, path: str) -> Module | None:
        return next((m for m, p in self.paths.items() if p == path), None)


def _unused(base: str, taken: set[str]) -> str:
    if base not in taken:
        return base
    number = 1
    while f"{base}{number}" in taken:
        number += 1
    return f"{base}{number}"
