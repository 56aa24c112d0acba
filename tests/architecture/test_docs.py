"""The generated pages match the code, and the README's promises hold."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_generated_pages_match_the_code():
    result = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_public_function_and_module_name_has_an_entry():
    import chainrule as cr
    from chainrule.ops.functional import PUBLIC

    functions = (ROOT / "docs/reference/functions.md").read_text(encoding="utf-8")
    for name in PUBLIC:
        assert re.search(rf"^### `{re.escape(name)}\b", functions, re.M), name
    for room in ("nn", "optim", "data", "train", "models"):
        text = (ROOT / f"docs/reference/{room}.md").read_text(encoding="utf-8")
        module = getattr(cr, room)
        for name in getattr(module, "__all__", []):
            if inspect.ismodule(getattr(module, name)):
                continue
            assert f"### `{name}" in text, f"{room}.{name}"


def test_the_readme_begins_with_two_commands():
    for name in ("README.md", "README.zh.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        block = re.search(r"```\w*\n(.*?)```", text, re.S).group(1).strip().splitlines()
        assert len(block) == 2, name
        assert "train lenet" in block[0] and "pytest" in block[1]


def test_links_of_the_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "README.zh.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"
