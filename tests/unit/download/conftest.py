"""An HTTP server in the test's own process that answers as told, and counts."""

import hashlib
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import numpy as np
import pytest

from voxelbench.data.download import Patience

BLOCK = 1 << 16
CONTENT = np.random.RandomState(0).bytes(5 * BLOCK + 123)


class Source:
    """What the server has and how it behaves: each GET takes one answer from `script`, then it is a good server."""

    def __init__(self):
        self.content, self.headers = CONTENT, {"ETag": '"one"'}
        self.files = {}
        """What else there is than `content`, by path."""
        self.script, self.asked = [], []
        self.n_sent = 0
        self.go_on = Event()
        self.url = ""

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    def well(self, request):
        """Honour Range and If-Range."""
        content = self.files.get(request.path, self.content)
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        is_same = request.headers.get("If-Range", self.headers.get("ETag")) in (None, *self.headers.values())
        start = int(wanted[1]) if wanted and is_same else 0
        n_bytes = len(content)
        if start >= n_bytes:
            self.answer(request, 416, b"", {"Content-Range": f"bytes */{n_bytes}"})
        elif start:
            self.answer(request, 206, content[start:], {"Content-Range": f"bytes {start}-{n_bytes - 1}/{n_bytes}"})
        else:
            self.answer(request, 200, content)

    def answer(self, request, status, body, headers=None, length=None):
        request.send_response(status)
        said = {"Content-Length": str(len(body) if length is None else length)} | self.headers | (headers or {})
        for name, value in said.items():
            if value:
                request.send_header(name, value)
        request.end_headers()
        self.n_sent += len(body)  # before the client can have it all, and ask
        request.wfile.write(body)

    def says(self, status, **headers):
        """Return the answer of a source that is out of order."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda request: self.answer(request, status, b"", named)

    def cut(self, n_bytes):
        """Return the answer that announces everything that is missing and stops after `n_bytes` of it."""

        def answer(request):
            start = int(request.headers.get("Range", "bytes=0-")[6:-1])
            whole, rest = len(self.content), self.content[start:]
            status, headers = (206, {"Content-Range": f"bytes {start}-{whole - 1}/{whole}"}) if start else (200, None)
            self.answer(request, status, rest[:n_bytes], headers, length=len(rest))

        return answer

    def stall(self, n_bytes):
        """Return the answer that stops after `n_bytes` and keeps the connection until `go_on` is set."""

        def answer(request):
            self.cut(n_bytes)(request)
            self.go_on.wait(30)

        return answer

    def pause(self, n_bytes):
        """Return the answer that waits for `go_on` after `n_bytes`, then sends the rest."""

        def answer(request):
            self.stall(n_bytes)(request)
            request.wfile.write(self.content[n_bytes:])

        return answer


def _handler(source):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            source.asked.append((self.headers.get("Range"), self.headers.get("If-Range")))
            (source.script.pop(0) if source.script else source.well)(self)

        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(source.content)))
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def source(monkeypatch):
    """Yield a local source of one file, the URL of which holds a user, a password and a token."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    source = Source()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(source))
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    source.url = f"http://127.0.0.1:{server.server_port}/scan.nii.gz"
    yield source
    source.go_on.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def patience():
    """Return a patience for tests: the same rules, hardly a wait. A busy machine may take a second to answer."""
    return Patience(attempts=4, first_wait_s=0.002, longest_wait_s=2, timeout_s=5)
