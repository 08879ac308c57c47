"""A hub on this machine, with the part of Hugging Face's protocol that downloads use."""

import hashlib
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
LARGE = (".tar", ".safetensors", ".tflite")


@dataclass
class LocalHub:
    """The files of a hub, its behaviour, and the requests that it received.

    Attributes:
        files: content by "owner/name/path".
        commit: of every repository.
        cuts: per file, the number of bytes after which each of the next answers breaks off.
        refusals: per file, the status and headers of the next answers to any request.
        states: per file, the "etag" and the "size" that the hub states instead of the true ones.
        ranges: whether the hub sends parts of files.
        requests: method, file and range of every request.
        tokens: for every request, whether it was for content, on another host, and its token.
        url: the endpoint while the hub is served.
    """

    files: dict[str, bytes]
    commit: str = COMMIT
    cuts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[str, list[tuple[int, dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    states: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    ranges: bool = True
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens: set[tuple[bool, str | None]] = field(default_factory=set)
    url: str = ""

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name.endswith(LARGE):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def gets(self, name: str) -> list[str | None]:
        """Returns the range of every request for a file's content."""
        return [span for method, file, span in self.requests if (method, file) == ("GET", name)]


@contextmanager
def serving(hub: LocalHub) -> Iterator[LocalHub]:
    """Serves a hub while the block runs, at `hub.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            _answer(self, hub)

        def do_GET(self) -> None:
            _answer(self, hub)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, hub: LocalHub) -> None:
    for_content = handler.path.startswith("/content/")
    hub.tokens.add((for_content, handler.headers.get("Authorization")))
    if for_content:
        _content(handler, hub, handler.path.removeprefix("/content/"))
        return
    match = RESOLVE.fullmatch(handler.path)
    name = f"{match[1]}/{match[3]}" if match else handler.path
    hub.requests.append((f"{handler.command} name", name, None))
    if hub.refusals[name]:
        status, headers = hub.refusals[name].pop(0)
        _head(handler, status, {**headers, "Content-Length": "0"})
    elif name not in hub.files:
        headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit}
        _head(handler, 404, {**headers, "Content-Length": "0"})
    else:
        _file(handler, hub, name)


def _file(handler: BaseHTTPRequestHandler, hub: LocalHub, name: str) -> None:
    """Answers with a file; a large one, as on real hubs, with its address on another host."""
    states = hub.states[name]
    etag = states.get("etag", hub.etag(name))
    size = states.get("size", str(len(hub.files[name])))
    headers = {"X-Repo-Commit": hub.commit, "ETag": f'"{etag}"'}
    if name.endswith(LARGE):
        port = handler.server.server_address[1]
        headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": size}
        headers["Location"] = f"http://localhost:{port}/content/{name}"
        _head(handler, 302, {**headers, "Content-Length": "0"})
    elif handler.command == "HEAD":
        _head(handler, 200, {**headers, "Content-Length": size})
    else:
        _content(handler, hub, name)


def _content(handler: BaseHTTPRequestHandler, hub: LocalHub, name: str) -> None:
    span = handler.headers.get("Range")
    hub.requests.append((handler.command, name, span))
    content = hub.files[name]
    start = int(span.removeprefix("bytes=").removesuffix("-")) if span and hub.ranges else 0
    if span and hub.ranges and start >= len(content):
        _head(handler, 416, {"Content-Length": "0"})
        return
    headers = {"Content-Length": str(len(content) - start)}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    _head(handler, 206 if start else 200, headers)
    if handler.command == "GET":
        cut = hub.cuts[name].pop(0) if hub.cuts[name] else None
        handler.wfile.write(content[start:] if cut is None else content[start : start + cut])
        handler.close_connection |= cut is not None


def _head(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
