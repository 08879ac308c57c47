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
class Shelf:
    """The files and the behaviour of a hub.

    Attributes:
        files: content by "owner/name/path".
        commit: the commit of every repository.
        cuts: per file, the number of bytes after which each of the next responses breaks off.
        refusals: per file, the (status, headers) of the next responses to any request.
        states: per file, a wrong "etag" or "size" for the hub to report.
        ranges: whether the hub supports requests for ranges of bytes.
        asked: every request: method, file, range.
        tokens: of every request, whether it was for content, on another host, and its token.
    """

    files: dict[str, bytes]
    commit: str = COMMIT
    cuts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[str, list[tuple[int, dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    states: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    ranges: bool = True
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens: set[tuple[bool, str | None]] = field(default_factory=set)
    url: str = ""

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name.endswith(LARGE):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def gets(self, name: str) -> list[str | None]:
        """Returns the range of every request for a file's content."""
        return [span for method, file, span in self.asked if (method, file) == ("GET", name)]


@contextmanager
def serving(shelf: Shelf) -> Iterator[Shelf]:
    """Runs a hub with the endpoint `shelf.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            _answer(self, shelf)

        def do_GET(self) -> None:
            _answer(self, shelf)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, shelf: Shelf) -> None:
    for_content = handler.path.startswith("/content/")
    shelf.tokens.add((for_content, handler.headers.get("Authorization")))
    if for_content:
        _content(handler, shelf, handler.path.removeprefix("/content/"))
        return
    match = RESOLVE.fullmatch(handler.path)
    name = f"{match[1]}/{match[3]}" if match else handler.path
    shelf.asked.append((f"{handler.command} name", name, None))
    if shelf.refusals[name]:
        status, headers = shelf.refusals[name].pop(0)
        _head(handler, status, {**headers, "Content-Length": "0"})
    elif name not in shelf.files:
        codes = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": shelf.commit}
        _head(handler, 404, {**codes, "Content-Length": "0"})
    else:
        _found(handler, shelf, name)


def _found(handler: BaseHTTPRequestHandler, shelf: Shelf, name: str) -> None:
    """Responds with a small file, or with a redirection of a large one to another host."""
    states = shelf.states[name]
    etag = states.get("etag", shelf.etag(name))
    size = states.get("size", str(len(shelf.files[name])))
    headers = {"X-Repo-Commit": shelf.commit, "ETag": f'"{etag}"'}
    if name.endswith(LARGE):
        port = handler.server.server_address[1]
        headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": size}
        headers["Location"] = f"http://localhost:{port}/content/{name}"
        _head(handler, 302, {**headers, "Content-Length": "0"})
    elif handler.command == "HEAD":
        _head(handler, 200, {**headers, "Content-Length": size})
    else:
        _content(handler, shelf, name)


def _content(handler: BaseHTTPRequestHandler, shelf: Shelf, name: str) -> None:
    span = handler.headers.get("Range")
    shelf.asked.append((handler.command, name, span))
    content = shelf.files[name]
    start = int(span.removeprefix("bytes=").removesuffix("-")) if span and shelf.ranges else 0
    if span and shelf.ranges and start >= len(content):
        _head(handler, 416, {"Content-Length": "0"})
        return
    headers = {"Content-Length": str(len(content) - start)}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    _head(handler, 206 if start else 200, headers)
    if handler.command == "GET":
        cut = shelf.cuts[name].pop(0) if shelf.cuts[name] else None
        handler.wfile.write(content[start:] if cut is None else content[start : start + cut])
        handler.close_connection |= cut is not None


def _head(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
