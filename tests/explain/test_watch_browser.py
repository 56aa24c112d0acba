"""The live page in a real browser: alive, silent on the console, no request elsewhere, obeyed.

Needs Chromium: `chromium` on the PATH, or its path in the environment variable CHROMIUM.
"""

import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from chainrule import nn
from chainrule.data import ArrayDataset
from chainrule.explain.watch import Watch
from chainrule.ops.random import manual_seed
from chainrule.train import Trainer

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: install chromium or set CHROMIUM; the page was not opened",
)

HOSTILE = "</script><img src=http://example.invalid/x onerror=document.title='owned'>"


class Browser:
    """Chromium, driven through its debugging pipe: `run` evaluates a script in the page."""

    def __init__(self, folder):
        commands, self.out = os.pipe()
        self.answers, answers = os.pipe()
        # The browser reads descriptor 3 and writes 4: first out of the way of both.
        high = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (commands, answers)]
        shell = f'exec "$0" "$@" 3<&{high[0]} 4>&{high[1]}'
        self.process = subprocess.Popen(
            [
                "bash", "-c", shell, str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
                "--no-first-run", "--hide-scrollbars", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                f"--user-data-dir={folder}", "about:blank",
            ],
            pass_fds=high, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for each in (commands, answers, *high):
            os.close(each)
        self.count, self.read, self.session = 0, b"", None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for part in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{part}.enable")

    def call(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def receive(self):
        while b"\0" not in self.read:
            part = os.read(self.answers, 1 << 16)
            assert part, "the browser has gone"
            self.read += part
        one, self.read = self.read.split(b"\0", 1)
        return json.loads(one)

    def run(self, script):
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script, wanted=True, seconds=20):
        """Until the script gives what is wanted."""
        end = time.monotonic() + seconds
        while (found := self.run(script)) != wanted:
            assert time.monotonic() < end, f"{script}: {found}"
            time.sleep(0.02)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState", "complete")

    def width(self, width, height=900):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=key)

    def heard(self):
        """What the console said, and the addresses that the page asked for."""
        self.run("0")
        console = [
            each for each in self.events
            if each.get("method")
            in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        ]  # fmt: skip
        asked = [
            each["params"]["request"]["url"] for each in self.events
            if each.get("method") == "Network.requestWillBeSent"
        ]  # fmt: skip
        return console, [url for url in asked if not url.startswith("data:")]

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        os.close(self.out)
        os.close(self.answers)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    browser.width(1280)
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium):
    chromium.open("about:blank")
    chromium.events.clear()
    chromium.width(1280)
    return chromium


class HostileName(nn.ReLU):
    pass


HostileName.__name__ = HOSTILE


def train(watch, epochs):
    manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(64, 8), HostileName(),
        nn.Linear(8, 3),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 1, 6, 6)).astype(np.float32), rng.integers(0, 3, 80)
    names = [f"{HOSTILE}{i}" for i in range(3)]
    digits = [ArrayDataset(x[rows], y[rows], classes=names) for rows in (slice(60), slice(60, 80))]
    trainer = Trainer(model, metrics=["accuracy"], lr=1e-3, compile=False)
    trainer.history_of_run = trainer.fit(*digits, epochs, [watch], batch_size=20, verbose=0)


@pytest.fixture
def watch(capsys):
    """A run that goes on until it is stopped."""
    watch = Watch()
    thread = threading.Thread(target=train, args=(watch, 1_000_000), daemon=True)
    thread.start()
    while not watch.url:
        time.sleep(0.01)
    watch.thread = thread
    yield watch
    if thread.is_alive():
        watch.control.ask("stop", watch.run_of_test())
        thread.join(20)


@pytest.fixture(autouse=True)
def known_run(monkeypatch):
    """`watch.run_of_test()` is the run that it watches."""
    begin = Watch.on_train_begin

    def remember(self, run):
        self.run_of_test = lambda: run
        begin(self, run)

    monkeypatch.setattr(Watch, "on_train_begin", remember)


STATE = "document.querySelector('.state').dataset.state"
LOOKS = "document.querySelectorAll('.samples li').length"
STEP = "Number(document.querySelectorAll('.tiles dd')[1].firstChild.data.replace(/,/g, ''))"


def buttons(*words):
    """Clicks the visible button with one of these words."""
    return (
        "[...document.querySelectorAll('.buttons button')].find((b) => !b.hidden && "
        f"{json.dumps(words)}.includes(b.firstChild.textContent)).click()"
    )


def test_the_page_shows_the_run(browser, watch):
    browser.open(watch.url)
    browser.wait(STATE, "running")
    browser.wait(f"{LOOKS} === 12")
    browser.run("document.querySelector('.layers').scrollIntoView()")
    browser.wait("document.querySelectorAll('.uplot canvas').length", 7)
    tiles = "document.querySelector('.tiles').textContent"
    browser.wait(f"{tiles}.includes('Accuracy, validation')")
    seen = browser.run("""(() => {
      const painted = (canvas) => new Set(canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height).data).size > 2;
      return {
        layers: document.querySelectorAll('.layers > li').length,
        charts: [...document.querySelectorAll('.uplot canvas')].filter(painted).length,
        kernels: [...document.querySelectorAll('.pictures canvas')].filter(painted).length,
        samples: [...document.querySelectorAll('.samples canvas')].filter(painted).length,
        names: [...document.querySelectorAll('.layers h3')].map((h) => h.textContent),
        tiles: [...document.querySelectorAll('.tiles dt')].map((d) => d.textContent),
      };
    })()""")
    assert (seen["layers"], seen["charts"], seen["kernels"], seen["samples"]) == (5, 7, 4, 12)
    assert seen["names"] == ["0", "1", "3", "4", "5"]
    assert {"Loss", "Accuracy", "Loss, validation", "Learning rate"} <= set(seen["tiles"])
    browser.wait("[...document.querySelectorAll('.layers .pair canvas')]"
                 ".filter((c) => c.width === 256).length >= 4")  # fmt: skip
    step = browser.run(STEP)
    browser.wait(f"{STEP} > {step}")
    console, asked = browser.heard()
    assert console == []
    assert all(url.startswith(watch.url.split("/?")[0]) for url in asked)


def test_hostile_names_are_texts(browser, watch):
    browser.open(watch.url)
    browser.wait(f"{LOOKS} === 12")
    assert HOSTILE in browser.run("document.querySelector('.layers').textContent")
    assert HOSTILE in browser.run("document.querySelector('.samples').textContent")
    assert browser.run("document.images.length") == 0
    assert "owned" not in browser.run("document.title")
    console, asked = browser.heard()
    assert console == [] and not any("example.invalid" in url for url in asked)


def test_buttons_and_keys(browser, watch):
    browser.open(watch.url)
    browser.wait(STATE, "running")
    browser.run(buttons("Pause"))
    browser.wait(STATE, "paused")
    step = browser.run(STEP)
    browser.run(buttons("Step"))
    browser.wait(STEP, step + 1)
    browser.press("s")
    browser.wait(STEP, step + 2)
    assert watch.run_of_test().step == step + 2
    browser.press(" ")
    browser.wait(STATE, "running")
    browser.wait(f"{STEP} > {step + 2}")
    browser.press(" ")
    browser.wait(STATE, "paused")
    # Stopping takes two clicks.
    browser.run(buttons("Stop"))
    assert watch.thread.is_alive()
    browser.run(buttons("Really stop?"))
    browser.wait(STATE, "interrupted")
    watch.thread.join(20)
    assert not watch.thread.is_alive()
    browser.wait("[...document.querySelectorAll('.buttons button')].every((b) => b.disabled)")
    assert browser.heard()[0] == []


def test_languages_and_brightness(browser, watch):
    browser.open(watch.url)
    browser.wait(f"{LOOKS} === 12")
    words = "document.querySelector('#curves h2').textContent"
    paper = "getComputedStyle(document.body).backgroundColor"
    assert browser.run(words) == "Curves"
    browser.run("document.getElementById('lang-zh').click()")
    browser.run("document.getElementById('theme-dark').click()")
    assert browser.run(words) == "曲线" and browser.run(paper) == "rgb(15, 19, 26)"
    assert browser.run("document.querySelector('.buttons button').textContent") == "暂停空格"
    assert browser.run("document.documentElement.lang") == "zh-Hans"
    browser.wait("document.querySelector('.state').textContent", "训练中")
    browser.open(watch.url)
    browser.wait(f"{LOOKS} === 12")
    assert browser.run(words) == "曲线"  # remembered
    browser.run("localStorage.clear()")
    assert browser.heard()[0] == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out(browser, watch, width):
    browser.width(width)
    browser.open(watch.url)
    browser.wait(f"{LOOKS} === 12")
    assert browser.run("innerWidth") == width
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_the_page_follows_a_run_that_it_lost(browser, watch):
    browser.open(watch.url)
    browser.wait(STATE, "running")
    record = watch._record
    after, snapshot, taken = record.after, record.snapshot, []

    def broken(number, timeout):
        record.after = after
        raise ConnectionError

    record.after = broken
    record.snapshot = lambda: taken.append(1) or snapshot()
    browser.wait(STATE, "lost")
    step = browser.run(STEP)
    browser.wait(STATE, "running")
    browser.wait(f"{STEP} > {step}")
    assert not taken  # it heard only what it had missed
    browser.open("about:blank")
    before = watch.run_of_test().step
    end = time.monotonic() + 20
    while watch.run_of_test().step < before + 20:
        assert time.monotonic() < end, "the run waits for its page"
        time.sleep(0.01)
    browser.open(watch.url)
    browser.wait(f"{LOOKS} === 12")
    browser.wait(f"{STEP} > {before}")
    points = watch._record.snapshot().content["points"]
    assert all(a[0] < b[0] for a, b in pairwise(points))
