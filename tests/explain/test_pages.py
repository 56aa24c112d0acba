"""The built pages are those of the sources under web/; needs no node.

When this fails: `cd web && npm ci && npm run build`.
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
PAGES = ROOT / "src" / "chainrule" / "explain" / "pages"
MANIFEST = json.loads((PAGES / "manifest.json").read_text(encoding="utf-8"))
TOOLS = {"build.mjs", "package-lock.json", "package.json", "tsconfig.json"}

pytestmark = pytest.mark.skipif(not WEB.exists(), reason="the sources of the pages are not here")


def names(folder: str) -> set[str]:
    files = (path for path in (WEB / folder).rglob("*") if path.is_file())
    return {path.relative_to(WEB).as_posix() for path in files}


def test_every_page_is_built():
    folders = {path.parent.name for path in WEB.glob("*/index.html")}
    assert set(MANIFEST) == {f"{name}.html" for name in folders}
    assert {path.name for path in PAGES.glob("*.html")} == set(MANIFEST)


@pytest.mark.parametrize("page", MANIFEST)
def test_a_page_matches_its_sources(page):
    sources = MANIFEST[page]["sources"]
    assert set(sources) == TOOLS | names("shared") | names(page.removesuffix(".html"))
    stale = [
        name
        for name, digest in sources.items()
        if sha256((WEB / name).read_bytes()).hexdigest() != digest
    ]
    assert not stale, f"built before {', '.join(stale)} changed: cd web && npm ci && npm run build"
    assert sha256((PAGES / page).read_bytes()).hexdigest() == MANIFEST[page]["sha256"]


@pytest.mark.parametrize("page", MANIFEST)
def test_a_page_runs_its_own_script_and_nothing_else(page):
    html = (PAGES / page).read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html).group(1)
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for tag in ("script", "style"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        digest = b64encode(sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for markup in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert markup not in html
    # Licences of what is bundled, if anything is.
    assert "MIT License" in html or page == "detection.html"
