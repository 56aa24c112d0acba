"""The run report in a real browser: drawn, silent on the console, no network, alive.

Needs Chromium: `chromium` on the PATH, or its path in the environment variable CHROMIUM.
"""

import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule.explain.report import ReportData, render_report

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: install chromium or set CHROMIUM; the page was not opened",
)

#: What the browser itself asks for (clock, updates) names no origin as its initiator.
_BROWSER_ITSELF = "not an origin"


class Visit(NamedTuple):
    dom: str
    console: list[str]
    requests: list[str]


def visit(page: str, folder: Path, width: int = 1280, script: str = "") -> Visit:
    """Open `page`, run `script` in it, and report what happened."""
    if script:
        digest = b64encode(sha256(script.encode()).digest()).decode()
        page = page.replace("script-src ", f"script-src 'sha256-{digest}' ")
        page = page.replace("</body>", f"<script>{script}</script></body>")
    (folder / "page.html").write_text(page, "utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr", "--v=0", f"--log-net-log={folder / 'net.json'}",
            f"--window-size={width},900", "--virtual-time-budget=3000", "--dump-dom",
            (folder / "page.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    events = json.loads((folder / "net.json").read_text())["events"]
    starts = [e["params"] for e in events if "initiator" in e.get("params", {})]
    requests = [s["url"] for s in starts if s["initiator"] != _BROWSER_ITSELF]
    return Visit(done.stdout, console, [u for u in requests if not u.startswith("file:")])


def answers(dom: str) -> dict:
    return json.loads(re.search(r"<title>(.*?)</title>", dom).group(1))


def test_this_harness_sees_errors_and_requests(tmp_path):
    page = "<body><img src='http://example.invalid/x.png'><script>nosuch()</script></body>"
    seen = visit(page, tmp_path)
    assert any("nosuch" in line for line in seen.console)
    assert seen.requests == ["http://example.invalid/x.png"]


@pytest.mark.parametrize("kind", ["full", "empty", "hostile"])
def test_page_is_silent(kind, fields, tmp_path):
    if kind == "empty":
        fields = {"title": "nothing"}
    if kind == "hostile":
        bad = "</script><img src=http://example.invalid/x onerror=alert(1)>"
        fields.update(title=bad, model=bad, classes=[f"{bad}{i}" for i in range(10)])
        fields["layers"] = {bad: fields["layers"]["conv1"]}
    seen = visit(render_report(ReportData(**fields)), tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert 'class="ready"' in seen.dom  # the script ran to its end


def test_charts_are_drawn(report, tmp_path):
    script = """
      const boxes = [...document.querySelectorAll('.plot .series path.line')]
        .map((path) => path.getBoundingClientRect());
      const images = [...document.images];
      document.title = JSON.stringify({
        lines: boxes.length,
        drawn: boxes.filter((box) => box.width > 200).length,
        images: images.length,
        loaded: images.filter((i) => i.complete && i.naturalWidth > 0).length,
        cells: document.querySelectorAll('.confusion tbody td').length,
        colour: getComputedStyle(document.querySelector('.confusion .hit')).backgroundColor,
      });
    """
    seen = answers(visit(render_report(report).replace('loading="lazy"', ""), tmp_path,
                         script=f"addEventListener('load', () => {{{script}}});").dom)  # fmt: skip
    assert seen["lines"] == seen["drawn"] == 2 + 2 + 1 + 1 + 7 * 4
    assert seen["images"] == seen["loaded"] == 10 + 6 + 16 + 1 + 3
    assert seen["cells"] == 100
    assert seen["colour"] not in ("", "rgba(0, 0, 0, 0)")


def test_tooltip_filter_and_language(report, tmp_path):
    script = """
      const result = {};
      const tip = document.getElementById('tip');
      const plot = document.querySelector('#chart-loss .plot');
      const box = plot.getBoundingClientRect();
      plot.dispatchEvent(new PointerEvent('pointermove', { clientX: box.right - 15 }));
      result.pointer = tip.textContent;
      const press = (key) => plot.dispatchEvent(new KeyboardEvent('keydown', { key }));
      press('Home'); press('ArrowRight');
      result.keys = tip.textContent;
      press('Escape');
      result.closed = tip.hidden;
      const visible = () => [...document.querySelectorAll('ul.wrong > li')]
        .filter((item) => item.offsetWidth > 0).length;
      const cell = document.querySelector('button[data-true="4"][data-predicted="9"]');
      cell.click();
      result.filtered = visible();
      result.pressed = cell.getAttribute('aria-pressed');
      result.status = document.getElementById('wrong-status').textContent;
      document.getElementById('wrong-all').click();
      result.everything = visible();
      document.getElementById('lang-zh').click();
      document.getElementById('theme-dark').click();
      plot.dispatchEvent(new PointerEvent('pointermove', { clientX: box.right - 15 }));
      result.chinese = tip.textContent;
      result.heading = document.querySelector('#curves h2').innerText;
      result.label = plot.getAttribute('aria-label');
      result.dark = getComputedStyle(document.body).backgroundColor;
      document.title = JSON.stringify(result);
    """
    seen = visit(render_report(report), tmp_path, script=script)
    assert seen.console == []
    result = answers(seen.dom)
    last, second = report.history[-1], report.history[1]
    assert result["pointer"].startswith("epoch 12")
    assert f"{last['val_loss']:.6g}" in result["pointer"]
    assert result["keys"].startswith("epoch 2")
    assert f"{second['loss']:.6g}" in result["keys"]
    assert result["closed"] is True
    assert (result["filtered"], result["everything"], result["pressed"]) == (3, 10, "true")
    assert result["status"].startswith("true 4, predicted 9: 3 of")
    assert result["chinese"].startswith("轮次 12") and "验证" in result["chinese"]
    assert result["heading"] == "学习过程" and result["label"].startswith("损失")
    assert result["dark"] == "rgb(15, 19, 26)"


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_sticks_out_of_a_narrow_window(report, tmp_path, width):
    # Headless windows have a least width of their own, a frame has not.
    script = """
      document.title = JSON.stringify({
        page: document.documentElement.scrollWidth,
        room: document.documentElement.clientWidth,
        window: innerWidth,
      });
      parent.postMessage(document.title, '*');
    """
    digest = b64encode(sha256(script.encode()).digest()).decode()
    page = render_report(report).replace("script-src ", f"script-src 'sha256-{digest}' ")
    inner = page.replace("</body>", f"<script>{script}</script></body>")
    (tmp_path / "inner.html").write_text(inner, "utf-8")
    outer = (
        "<title>{}</title><body><script>"
        "addEventListener('message', (event) => { document.title = event.data; });</script>"
        f"<iframe src='inner.html' style='width:{width}px;height:900px;border:0'></iframe></body>"
    )
    seen = answers(visit(outer, tmp_path).dom)
    assert seen["window"] == width
    assert seen["page"] <= seen["room"]
