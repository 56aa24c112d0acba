"""A run with its live page, and what a page hears, for the tests of both."""

import http.client
import json
import threading
import time

import numpy as np

from chainrule import nn
from chainrule.explain.watch import Watch
from chainrule.ops.random import manual_seed
from chainrule.train import Trainer

EPOCHS = 100_000  # more than any test waits for


def data(n=64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 1, 6, 6)).astype(np.float32), rng.integers(0, 3, n)


def network():
    manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(64, 3),
    )  # fmt: skip


class Watched:
    """A run in a thread of its own, with its live page."""

    def __init__(self, epochs=EPOCHS, run_dir=None, compile=False, callbacks=()):
        self.watch = Watch()
        self.trainer = Trainer(
            network(), metrics=["accuracy"], lr=1e-3, run_dir=run_dir, compile=compile, seed=1
        )
        self.history = None

        def fit():
            self.history = self.trainer.fit(
                data(), data(20), epochs, [self.watch, *callbacks], batch_size=32, verbose=0
            )

        self.thread = threading.Thread(target=fit, daemon=True)
        self.thread.start()
        wait_for(lambda: self.watch.url)
        self.port = int(self.watch.url.split(":")[2].split("/")[0])
        self.token = self.watch.url.split("=")[1]

    def ask(self, method="GET", path="/", token=None, body=None, headers=()):
        """(status, headers, body) of a request with everything right but what is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        own = {"Host": f"127.0.0.1:{self.port}"}
        if method not in ("GET", "HEAD"):
            own["Origin"] = f"http://127.0.0.1:{self.port}"
            own["Content-Type"] = "application/json"
        own |= dict(headers)
        token = self.token if token is None else token
        connection.putrequest(method, f"{path}?token={token}", skip_host=True)
        for name, value in own.items():
            if value is not None:
                connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def press(self, action):
        status, _, _ = self.ask("POST", "/control", body=json.dumps({"action": action}).encode())
        assert status == 204

    def listen(self, last=None):
        return Stream(self, last)

    @property
    def step(self):
        return self.trainer._run.step

    def end(self):
        if self.thread.is_alive():
            self.press("stop")
            self.thread.join(20)
        assert not self.thread.is_alive()


class Stream:
    """The events that a page hears, one by one: (number, kind, content)."""

    def __init__(self, watched, last=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", watched.port, timeout=20)
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        self.connection.request("GET", f"/events?token={watched.token}", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200

    def __iter__(self):
        return self

    def __next__(self):
        found = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            found[name] = value
        if not found:
            raise StopIteration
        if "event" not in found:
            return next(self)
        return int(found["id"]), found["event"], json.loads(found["data"])

    def until(self, wanted, test=lambda content: True):
        return next(each for each in self if each[1] == wanted and test(each[2]))

    def close(self):
        self.answer.close()
        self.connection.close()


def wait_for(test, seconds=20):
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
