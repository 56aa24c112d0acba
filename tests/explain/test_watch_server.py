"""The live page's server: who may ask, what a page hears, what the buttons do."""

import http.client
import json
import socket
import threading
import time
import warnings

import numpy as np
import pytest

from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.explain.watch import Watch, callback, server
from chainrule.explain.watch.predictions import describe
from chainrule.explain.watch.probe import histogram
from chainrule.explain.watch.record import Record, buckets, encode
from chainrule.ops.random import manual_seed
from chainrule.train import Recorder, Trainer

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


@pytest.fixture
def watched(capsys):
    run = Watched()
    yield run
    run.end()


# ---- who may ask -------------------------------------------------------------------------------


def test_the_page_is_served_with_the_token_only(watched):
    status, headers, body = watched.ask()
    assert status == 200 and b"<script>" in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers
    assert watched.ask("HEAD")[0] == 405
    assert watched.ask(path="/other")[0] == 404


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PATHS = ("/", "/events", "/control", "/other")


@pytest.mark.parametrize("method", METHODS)
def test_everything_is_refused_to_strangers(watched, method):
    port = watched.port
    for path in PATHS:
        wrong = [
            {"token": "x"},
            {"token": ""},
            {"token": watched.token + "x"},
            {"headers": {"Host": f"attacker.example:{port}"}},
            {"headers": {"Host": "127.0.0.1"}},
            {"headers": {"Host": f"127.0.0.1:{port + 1}"}},
            {"headers": {"Host": None}},
            {"headers": {"Origin": "http://attacker.example"}},
            {"headers": {"Origin": f"https://127.0.0.1:{port}"}},
            {"headers": {"Origin": f"http://localhost:{port}"}},  # not the host that it names
            {"headers": {"Origin": "null"}},
            {"headers": {"Sec-Fetch-Site": "cross-site"}},
        ]
        if method not in ("GET", "HEAD"):
            wrong.append({"headers": {"Origin": None}})
        for each in wrong:
            status, headers, body = watched.ask(method, path, body=b"{}", **each)
            assert status == 403, (path, each)
            assert watched.token.encode() not in body
            assert "Access-Control-Allow-Origin" not in headers


def test_the_names_of_this_computer_are_hosts(watched):
    for name in ("127.0.0.1", "localhost", "LocalHost", "[::1]"):
        host = f"{name}:{watched.port}"
        assert watched.ask(headers={"Host": host, "Origin": f"http://{host}"})[0] == 200


def test_a_bare_address_or_a_doubled_header_is_refused(watched):
    def raw(text):
        with socket.create_connection(("127.0.0.1", watched.port), timeout=20) as line:
            line.sendall(text.replace("\n", "\r\n").encode())
            answer = b""
            while part := line.recv(4096):
                answer += part
            return answer

    port, token = watched.port, watched.token
    host = f"Host: 127.0.0.1:{port}\n"
    assert b" 400 " in raw(f"GET /?token={token} HTTP/1.1\n{host}{host}\n")
    assert b" 403 " in raw(f"GET /?token={token}&token={token} HTTP/1.1\n{host}\n")
    assert b" 400 " in raw(f"GET http://a.example/?token={token} HTTP/1.1\n{host}\n")
    hostile = raw("NONSENSE<script> / / / HTTP/9\n\n")
    assert b"<script>" not in hostile
    assert b"<script>" not in raw(f"GE<script>T / HTTP/1.1\n{host}\n")


def test_bodies_are_small_json_with_a_known_action(watched):
    def control(body, **headers):
        return watched.ask("POST", "/control", body=body, headers=headers)[0]

    assert control(b'{"action": "format"}') == 400
    assert control(b'{"action": ["pause"]}') == 400
    assert control(b"[]") == control(b"no json") == control(b"") == 400
    assert control(b'{"action": "pause"}', **{"Content-Type": "text/plain"}) == 415
    assert control(b"x" * (server.MOST_BODY + 1)) == 413
    assert control(None) == 411
    assert watched.ask("GET", "/control")[0] == 405
    assert watched.ask("POST", "/events", body=b"{}")[0] == 405
    assert not watched.watch.control.paused


def test_silent_connections_time_out(watched, monkeypatch):
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", watched.port), timeout=20) as line:
        line.sendall(b"GET / HT")
        assert line.recv(1024) == b""


def test_there_are_only_so_many_connections(watched):
    lines = [socket.create_connection(("127.0.0.1", watched.port)) for _ in range(40)]
    try:
        wait_for(lambda: watched.watch._server._http._free._value == 0)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            watched.ask()
    finally:
        for line in lines:
            line.close()
    wait_for(lambda: watched.watch._server._http._free._value == server.MOST_CONNECTIONS)
    assert watched.ask()[0] == 200


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        watch = Watch(port=taken.getsockname()[1])
        trainer = Trainer(network(), compile=False)
        with pytest.raises(ArgumentError, match="cannot be had"):
            trainer.fit(data(), callbacks=[watch], verbose=0)
    with pytest.raises(ArgumentError, match="cannot be had"):
        trainer.fit(data(), callbacks=[Watch(port=70_000)], verbose=0)


# ---- what a page hears -------------------------------------------------------------------------


def test_a_page_hears_everything(watched):
    stream = watched.listen()
    _, kind, first = next(stream)
    assert kind == "snapshot"
    about = first["about"]
    assert about["model"] == "Sequential" and about["metrics"] == ["accuracy"]
    assert [layer["kind"] for layer in about["layers"]] == [
        "Conv2d", "BatchNorm2d", "ReLU", "Linear",
    ]  # fmt: skip
    assert len(about["pictures"]) == 12 and about["pictures"][0]["shape"] == [6, 6, 1]
    _, _, tick = stream.until("tick", lambda content: content["points"])
    assert {"step", "epoch", "lr", "seconds", "so_far"} <= set(tick)
    assert set(tick["so_far"]) >= {"loss", "accuracy"}
    (row, *_) = stream.until("tick", lambda content: content["epochs"])[2]["epochs"]
    assert {"step", "loss", "val_loss", "val_accuracy", "lr"} <= set(row)
    watched.press("pause")
    watched.press("step")
    _, _, look = stream.until("layers", lambda content: content["step"] > tick["step"])
    layers = look["layers"]
    for name in ("0", "1", "5"):
        assert {"act_norm", "grad_norm", "update_ratio"} <= set(layers[name])
        assert sum(layers[name]["weights"]["counts"]) <= 8192
        assert len(layers[name]["gradients"]["counts"]) == 32
    assert 0 <= layers["2"]["dead"] <= 1
    assert look["kernels"]["shape"] == [4, 1, 3, 3] and look["kernels"]["layer"] == "0"
    assert len(look["predictions"]) == 12
    assert all(0 <= each["probability"] <= 1 for each in look["predictions"])


def test_a_page_that_comes_back_hears_what_it_missed(watched):
    stream = watched.listen()
    number, kind, _ = next(stream)
    seen = [next(stream)[0] for _ in range(3)]
    assert kind == "snapshot" and seen == [number + 1, number + 2, number + 3]
    stream.close()
    again = watched.listen(last=seen[0])
    assert next(again)[0] == seen[1]
    again.close()
    # What was never told, or is nonsense: everything anew.
    for last in (10**9, "x", "9" * 30):
        other = watched.listen(last=last)
        assert next(other)[1] == "snapshot"
        other.close()


def test_several_pages_watch_and_going_away_stops_nothing(watched, monkeypatch):
    monkeypatch.setattr(server, "_HEARTBEAT", 0.05)
    streams = [watched.listen() for _ in range(3)]
    assert [next(stream)[1] for stream in streams] == ["snapshot"] * 3
    wait_for(lambda: watched.watch._record.viewers == 3)
    for stream in streams[1:]:
        stream.close()
    streams[0].until("tick")
    wait_for(lambda: watched.watch._record.viewers == 1)
    streams[0].close()
    wait_for(lambda: watched.watch._record.viewers == 0)
    step = watched.step
    wait_for(lambda: watched.step > step + 10)


def test_the_end_is_told_and_the_port_given_back(capsys):
    run = Watched()
    stream = run.listen()
    run.press("stop")
    *_, last = stream
    assert last[1:] == ("state", {"state": "interrupted", "reason": None})
    run.thread.join(20)
    with pytest.raises(ConnectionError):
        run.ask()


# ---- what the buttons do -----------------------------------------------------------------------


def test_pause_step_and_resume(watched):
    watched.press("pause")
    wait_for(lambda: watched.watch._holding)
    before = watched.step
    time.sleep(0.05)
    assert watched.step == before
    for step in (before + 1, before + 2):
        watched.press("step")
        wait_for(lambda step=step: watched.step == step and watched.watch._holding)
        assert watched.watch._record.snapshot().content["last"]["step"] == step
    watched.press("resume")
    wait_for(lambda: watched.step > before + 20)
    assert not watched.watch.control.paused
    # In the middle of a run, a step is a pause.
    watched.press("step")
    wait_for(lambda: watched.watch._holding)


@pytest.mark.parametrize("paused", [False, True])
def test_stop_saves_the_checkpoint_as_ctrl_c_does(tmp_path, capsys, paused):
    run = Watched(run_dir=tmp_path)
    wait_for(lambda: run.step > 3)
    if paused:
        run.press("pause")
        wait_for(lambda: run.watch._holding)
    step = run.step
    run.end()
    assert run.history.interrupted and run.history.stopped is None
    assert not paused or run.step == step
    history = run.trainer.history
    again = Trainer(network(), metrics=["accuracy"], lr=1e-3, compile=False, seed=1)
    epochs = len(history) + 2
    resumed = again.fit(
        data(), data(20), epochs, batch_size=32, verbose=0, resume=tmp_path / "checkpoint"
    )
    assert len(resumed) == epochs and not resumed.interrupted
    assert resumed.step_loss[: len(history.step_loss)] == history.step_loss


def test_a_resumed_run_shows_what_was_before(tmp_path, capsys):
    run = Watched(run_dir=tmp_path)
    wait_for(lambda: len(run.trainer.history) > 2)
    run.end()
    before = run.trainer.history
    watch = Watch()
    again = Trainer(network(), metrics=["accuracy"], lr=1e-3, compile=False, seed=1)
    again.fit(data(), data(20), len(before) + 1, [watch], batch_size=32, verbose=0,
              resume=tmp_path / "checkpoint")  # fmt: skip
    content = watch._record.snapshot().content
    assert content["epochs"][0]["epoch"] == 1
    assert content["epochs"][-1]["epoch"] == len(before) + 1
    assert content["points"][0][0] <= 2


# ---- watching changes nothing ------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_watching_changes_no_bit(capsys, monkeypatch, compiled):
    # So that each step is looked at.
    monkeypatch.setattr(callback, "_SHARE", 1e9)
    monkeypatch.setattr(Watch, "_interval", lambda self: 0.0)
    looks = []

    def trained(watch):
        model = network()
        trainer = Trainer(model, metrics=["accuracy"], lr=1e-3, compile=compiled, seed=1)
        callbacks = [Recorder()]
        if watch:
            callbacks.insert(0, Watch())
        history = trainer.fit(data(), data(20), 4, callbacks, batch_size=24, verbose=0)
        looks.append(getattr(callbacks[0], "looks", 0))
        state = {name: value.numpy().copy() for name, value in model.state_dict().items()}
        return state, list(history.step_loss), history.layers

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, watched = trained(False), trained(True)
    assert looks == [0, 12]
    assert plain[1] == watched[1] and plain[2] == watched[2]
    for name, value in plain[0].items():
        np.testing.assert_array_equal(value, watched[0][name])


def test_a_network_that_cannot_be_looked_into_trains_all_the_same(capsys):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.calls = network(), 0

        def forward(self, x):
            self.calls += 1
            if self.training and self.calls == 1:
                raise RuntimeError("only here")
            return self.inner(x)

    watch = Watch()
    history = Trainer(Odd(), compile=False).fit(data(), epochs=2, callbacks=[watch], verbose=0)
    assert len(history) == 2 and watch._broken == "RuntimeError: only here"


def test_fit_watches_by_name(capsys):
    Trainer(network(), compile=False).fit(data(), watch=True, verbose=0)
    assert "http://127.0.0.1:" in capsys.readouterr().err
    with pytest.raises(ArgumentError):
        Trainer(network(), compile=False).fit(data(), watch="yes", verbose=0)


# ---- the parts ---------------------------------------------------------------------------------


def test_long_runs_keep_short_records():
    record = Record({})
    for step in range(1, 30_001, 10):
        points = [[step + i, float(step + i)] for i in range(10)]
        layers = {"a": {"grad_norm": 1.0, "weights": {"low": 0.0}}}
        epochs = [{"step": step, "loss": 1.0}]
        record.publish("tick", {"step": step + 9, "points": points, "epochs": epochs})
        record.publish("layers", {"step": step + 9, "layers": layers})
    content = record.snapshot().content
    for name in ("points", "ticks", "epochs"):
        assert 1000 < len(content[name]) < 4000
    assert len(content["rows"]) < 800
    assert content["points"][-1][0] == content["rows"][-1]["step"] == 30_000
    assert "weights" not in content["rows"][-1]["layers"]["a"]
    assert record.after(1, 0.0) is None  # missed too much
    assert [event.number for event in record.after(5999, 0.0)] == [6000]


def test_numbers_that_json_has_not_are_words():
    text = encode(7, "tick", {"a": np.float32("nan"), "b": [float("-inf")], "c": np.int64(3)})
    assert text == b'id: 7\nevent: tick\ndata: {"a":"NaN","b":["-Infinity"],"c":3}\n\n'


def test_hostile_texts_stay_in_their_event():
    text = encode(1, "state", {"reason": "a\n\nevent: snapshot\ndata: x\r\u2028"})
    assert text.count(b"\n") == 4 and b"\r" not in text


def test_buckets():
    assert buckets(5, [1.0, 3.0, 5.0], 8) == [[5, 1.0], [6, 3.0], [7, 5.0]]
    assert buckets(1, [1.0, 3.0, 5.0], 2) == [[2, 2.0], [3, 5.0]]
    assert buckets(1, [], 2) == []


def test_histograms():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    found = histogram(values)
    counts, _ = np.histogram(values, 32)
    assert np.abs(np.array(found["counts"]) - counts).sum() <= 4  # rounding at the edges
    assert sum(histogram(np.zeros(5, np.float32))["counts"]) == 5
    assert histogram(np.array([np.nan, np.inf], np.float32)) is None
    assert sum(histogram(np.array([np.nan, 1, 2], np.float32))["counts"]) == 2


def test_what_outputs_say():
    scores = np.array([[0.0, 2.0], [3.0, 0.0]], np.float32)
    (a, b) = describe(scores, np.array([1, 1]), 0.5)
    assert (a["true"], a["predicted"], b["predicted"]) == (1, 1, 0)
    assert a["probability"] == pytest.approx(1 / (1 + np.exp(-2)))
    (one,) = describe(np.array([[-2.0]]), np.array([[0.0]]), 0.0)
    assert one == {"true": 0, "predicted": 0, "probability": pytest.approx(1 / (1 + np.exp(-2)))}
    (value,) = describe(np.array([[2.5]]), np.array([[3.5]]), 0.5)
    assert value == {"true": 3.5, "predicted": 2.5}
    (share,) = describe(np.zeros((1, 3, 4)), np.array([[0, 0, 1, 2]]), 0.5)
    assert share == {"right": 0.5}
    assert describe(np.zeros((2, 3)), np.zeros((5, 5)), 0.5) == []
