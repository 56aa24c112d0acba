"""The package imports fast, quietly, and without the heavy libraries."""

import subprocess
import sys


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    return result.stdout


def test_import_loads_no_heavy_package():
    loaded = run("import sys, chainrule; print(*sys.modules)").split()
    for heavy in ("numba", "llvmlite", "rich", "PIL", "safetensors", "torch", "chainrule.nn"):
        assert heavy not in loaded


def test_import_leaves_numpys_error_state_alone():
    out = run(
        "import numpy as np; before = np.geterr(); import chainrule as cr;"
        "cr.tensor([-1.0]).log(); print(np.geterr() == before)"
    )
    assert out.strip() == "True"


def test_every_public_name_can_be_had():
    import chainrule as cr

    for name in dir(cr):
        getattr(cr, name)
