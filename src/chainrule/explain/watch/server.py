"""The server of the live page: loopback only, and for nobody without the token."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from chainrule.explain.watch.control import ACTIONS
from chainrule.explain.watch.record import Record

PAGE = Path(__file__).parent.parent / "pages" / "watch.html"
ADDRESS = "127.0.0.1"
#: Bytes of a request's body, and of the token in its address.
MOST_BODY = 1024
MOST_CONNECTIONS = 32
#: Seconds without a byte after which a connection is given up.
TIMEOUT = 10.0
#: Seconds between the signs of life on a stream: how soon a page that is gone is noticed.
_HEARTBEAT = 5.0

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server:
    """Serves the page, its stream of events and its buttons in threads of their own.

    Args:
        port: 0 for a free one.
        record: what the pages show.
        ask: called with one of `ACTIONS`.

    Attributes:
        url: the address with the token.

    Raises OSError for a port that is taken.
    """

    def __init__(self, port: int, record: Record, ask: Callable[[str], None]) -> None:
        self._http = _Http((ADDRESS, port), _Handler)
        self._http.record, self._http.ask = record, ask
        self.port = self._http.server_port
        self.token = self._http.token
        self.url = f"http://{ADDRESS}:{self.port}/?token={self.token}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.1,), name="chainrule-watch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Send what is left to the pages that listen, and give the port back."""
        self._http.record.end()
        self._http.record.wait_until_left(1.0)
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(1.0)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    # Threads that wait for a browser must not hold up the end of the run.
    block_on_close = False

    record: Record
    ask: Callable[[str], None]

    def __init__(self, *args: Any) -> None:
        self.token = secrets.token_urlsafe(24)
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(*args)

    def server_bind(self) -> None:
        # HTTPServer's asks the name service for this computer's name, which may take seconds.
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news, and the terminal is the run's."""


class _Refused(Exception):
    """A request that is answered with a status and a word."""

    def __init__(self, status: int, word: str) -> None:
        self.status, self.word = status, word


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def serve(self) -> None:
        """Any method: first who asks, then what for."""
        self.close_connection = True
        try:
            path = self._checked()
            if (self.command, path) == ("GET", "/"):
                self._send_page()
            elif (self.command, path) == ("GET", "/events"):
                self._send_events()
            elif (self.command, path) == ("POST", "/control"):
                self._control()
            elif path in ("/", "/events", "/control"):
                raise _Refused(405, "method not allowed")
            else:
                raise _Refused(404, "not found")
        except _Refused as refused:
            self._send(refused.status, refused.word.encode(), "text/plain; charset=utf-8")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = serve
    do_CONNECT = serve

    # ---- who asks ----------------------------------------------------------------------------

    def _checked(self) -> str:
        """The path, if host, origin and token are right.

        The host: or a name that an attacker's page lets point here would make us its own server.
        The origin: or any page that the browser shows could send requests.
        """
        hosts = {f"{name}:{self._http.server_port}" for name in (ADDRESS, "localhost", "[::1]")}
        host = self._single("Host")
        if host is None or host.lower() not in hosts:
            raise _Refused(403, "wrong host")
        origin = self._single("Origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            raise _Refused(403, "wrong origin")
        if origin is None and self.command not in ("GET", "HEAD"):
            raise _Refused(403, "no origin")
        if self._single("Sec-Fetch-Site") not in (None, "same-origin", "none"):
            raise _Refused(403, "wrong origin")
        try:
            parts = urlsplit(self.path)
            given = parse_qs(parts.query, max_num_fields=4).get("token", [])
        except ValueError:
            raise _Refused(400, "bad request") from None
        token = self._http.token.encode()
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), token):
            raise _Refused(403, "wrong token")
        if parts.scheme or parts.netloc:
            raise _Refused(400, "bad request")
        return parts.path

    def _single(self, name: str) -> str | None:
        """A header's value, None without; a header given twice is refused."""
        values = self.headers.get_all(name, [])
        if len(values) > 1:
            raise _Refused(400, "bad request")
        return str(values[0]) if values else None

    # ---- what for ----------------------------------------------------------------------------

    def _send_page(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        # The page names the hashes of its own script and style.
        found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        assert found is not None
        policy = f"{found[1]}; frame-ancestors 'none'"
        self._send(200, page.encode(), "text/html; charset=utf-8", policy)

    def _send_events(self) -> None:
        record = self._http.record
        known = self._single("Last-Event-ID") or ""
        self._head(200, "text/event-stream; charset=utf-8")
        record.join()
        try:
            number = int(known) if re.fullmatch(r"\d{1,15}", known) else -1
            while True:
                # Asked before looking: what is published in between is sent in the next round.
                ended = record.ended
                events = record.after(number, _HEARTBEAT)
                if events is None:
                    events = [record.snapshot()]
                for event in events:
                    number = event.number
                    self.wfile.write(event.text)
                if not events:
                    if ended:
                        break
                    self.wfile.write(b": alive\n\n")
        except OSError:
            pass
        finally:
            record.leave()

    def _control(self) -> None:
        kind = (self._single("Content-Type") or "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise _Refused(415, "application/json only")
        length = self._single("Content-Length") or ""
        if not re.fullmatch(r"\d{1,9}", length) or self._single("Transfer-Encoding"):
            raise _Refused(411, "length required")
        if int(length) > MOST_BODY:
            raise _Refused(413, "too long")
        try:
            action = json.loads(self.rfile.read(int(length)))["action"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Refused(400, "bad request") from None
        if action not in ACTIONS:
            raise _Refused(400, "unknown action")
        self._http.ask(action)
        self._send(204, b"", "text/plain; charset=utf-8")

    # ---- answers -----------------------------------------------------------------------------

    @property
    def _http(self) -> _Http:
        return cast(_Http, self.server)

    def _head(self, status: int, kind: str, policy: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        for name, value in _HEADERS.items():
            if name == "Content-Security-Policy" and policy is not None:
                value = policy
            self.send_header(name, value)
        if not kind.startswith("text/event-stream"):
            return
        self.end_headers()

    def _send(self, status: int, body: bytes, kind: str, policy: str | None = None) -> None:
        self._head(status, kind, policy)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the parser of requests refuses: a bare status, and nothing of the request in it."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        self.request_version = self.request_version or self.protocol_version
        self._send(code, b"bad request", "text/plain; charset=utf-8")

    def version_string(self) -> str:
        return "chainrule"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows the run."""
