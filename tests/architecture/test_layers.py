"""The house stands: rooms import only lower floors, and nothing dodges that inside a function."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "chainrule"
FLOORS = {
    "base": 0, "graph": 1, "ops": 2, "compile": 3, "nn": 4, "optim": 4, "data": 4, "files": 4,
    "train": 5, "models": 5, "learn": 6, "explain": 6, "doctor": 6, "parallel": 6, "testing": 7,
    "cli": 8,
}  # fmt: skip
# Modules beside the rooms: names only, so they may name everything.
WINDOWS = {
    "__init__.py", "__main__.py", "autograd.py", "backends.py", "cuda.py", "linalg.py",
    "special.py",
    "optim/swa_utils.py", "utils/__init__.py", "utils/data.py", "utils/checkpoint.py",
}  # fmt: skip
FILES = sorted(p for p in SOURCE.rglob("*.py") if p.relative_to(SOURCE).as_posix() not in WINDOWS)


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def imports(path: Path) -> list[tuple[str, bool]]:
    """Names of imported modules, and whether the import stands inside a function."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [(f"{node.module}.{alias.name}", id(node) in inside) for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_a_room_imports_only_lower_floors(path):
    room = room_of(path)
    assert room in FLOORS, f"{room} has no floor"
    for name, _ in imports(path):
        parts = name.split(".")
        if parts[0] != "chainrule":
            continue
        target = parts[1]
        assert target in FLOORS, f"{path.name} imports {name}: rooms do not import the shop window"
        lower = FLOORS[target] < FLOORS[room]
        assert target == room or lower, f"{room} (floor {FLOORS[room]}) imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_no_import_inside_a_function_dodges_a_circle(path):
    for name, inside in imports(path):
        if inside and name.startswith("chainrule."):
            target = name.split(".")[1]
            # Within a room a late import keeps start-up fast or breaks a class's own circle;
            # between rooms it would only hide the floors.
            assert target == room_of(path) or FLOORS[target] < FLOORS[room_of(path)]


def test_every_room_has_a_readme_of_at_most_15_lines():
    for room in {room_of(p) for p in FILES}:
        readme = SOURCE / room / "README.md"
        assert readme.exists(), f"{room} has no README.md"
        assert len(readme.read_text(encoding="utf-8").splitlines()) <= 15, readme


def test_no_room_imports_heavy_packages_at_the_top():
    heavy = {"numba", "llvmlite", "rich", "PIL", "safetensors", "scipy", "sklearn", "torch"}
    for path in FILES:
        # The families of learn load when they are first used, and then need these.
        family = room_of(path) == "learn" and path.name != "__init__.py"
        needed = (
            {"llvmlite", "numba", "scipy", "sklearn"}
            if family and "working" not in path.parts
            else set()
        )
        for name, inside in imports(path):
            assert inside or name.split(".")[0] not in heavy - needed, f"{path}: {name}"


def test_no_file_is_a_monster():
    for path in FILES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 520, f"{path.relative_to(SOURCE)} has {lines} lines: split it"
