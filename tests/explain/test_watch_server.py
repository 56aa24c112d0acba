"""The live page's server: who may ask, and what a page hears."""

import http.client
import importlib
import socket
import sys
from pathlib import Path

import pytest

from chainrule.base.errors import ArgumentError
from chainrule.explain.watch import Watch, server
from chainrule.train import Trainer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
watching = importlib.import_module("watching")
sys.path.remove(str(HERE))
Watched, wait_for = watching.Watched, watching.wait_for
data, network = watching.data, watching.network


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
    assert next(stream)[1] == "snapshot"  # before the end, so that the end is an event of its own
    run.press("stop")
    *_, last = stream
    assert last[1:] == ("state", {"state": "interrupted", "reason": None})
    run.thread.join(20)
    with pytest.raises(ConnectionError):
        run.ask()


# ---- pages that do not behave ------------------------------------------------------------------


def test_many_streams_and_one_that_never_reads_hold_nothing_up(watched, monkeypatch):
    monkeypatch.setattr(server, "_HEARTBEAT", 0.1)
    lines = []
    request = (
        f"GET /events?token={watched.token} HTTP/1.1\r\nHost: 127.0.0.1:{watched.port}\r\n\r\n"
    )
    try:
        for _ in range(50):  # none of them reads a byte
            line = socket.create_connection(("127.0.0.1", watched.port), timeout=20)
            lines.append(line)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(request.encode())
        wait_for(lambda: watched.watch._record.viewers == server.MOST_CONNECTIONS)
        step = watched.step
        wait_for(lambda: watched.step > step + 50)
        assert len(watched.watch._record._events) <= 256  # what waits for the slow is bounded
    finally:
        for line in lines:
            line.close()
    wait_for(lambda: watched.watch._server._http._free._value == server.MOST_CONNECTIONS)
    assert watched.ask()[0] == 200


def test_a_body_that_is_announced_as_huge_is_not_read(watched):
    with socket.create_connection(("127.0.0.1", watched.port), timeout=20) as line:
        host = f"127.0.0.1:{watched.port}"
        line.sendall(
            f"POST /control?token={watched.token} HTTP/1.1\r\nHost: {host}\r\n"
            f"Origin: http://{host}\r\nContent-Type: application/json\r\n"
            "Content-Length: 999999999\r\n\r\n".encode()
        )
        assert b" 413 " in line.recv(4096)
