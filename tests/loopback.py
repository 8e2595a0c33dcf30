"""A provider on loopback: it notes what it is asked and answers with the bytes it is told to."""

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

Answer = Callable[["Request"], bytes | None]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked: the path, the query, the headers by lower-case name, and the body."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


def reply(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None, *, length: int = -1) -> bytes:
    """An HTTP answer; a `length` beyond the body's says that more was to come."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body) if length < 0 else length}"]
    lines += [f"{name}: {value}" for name, value in {"Connection": "close", **(headers or {})}.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def json_reply(content: object, status: int = 200) -> bytes:
    return reply(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


@dataclass(slots=True)
class Loopback:
    """The provider's address, what it was asked so far, and how it answers.

    The answer None keeps the client waiting after the bytes `started`.
    """

    url: str
    answer: Answer
    requests: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    started: bytes = b""


@contextmanager
def serving(answer: Answer, encrypted: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """A provider in threads of its own, so that tests of either kind, with and without a loop, can ask it."""
    closing, lock, under_way = threading.Event(), threading.Lock(), 0

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            nonlocal under_way
            if not (first := self.rfile.readline().decode("latin-1").split()):
                return
            headers = {}
            while line := self.rfile.readline().decode("latin-1").strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            request = Request(first[0], first[1], headers, body)
            with lock:
                under_way += 1
                provider.requests.append(request)
                provider.most_at_once = max(provider.most_at_once, under_way)
            try:
                if (raw := provider.answer(request)) is None:
                    self.wfile.write(provider.started)
                    closing.wait()
                else:
                    self.wfile.write(raw)
            except ConnectionError:
                pass  # the client was told enough and has left
            finally:
                with lock:
                    under_way -= 1

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        if encrypted is not None:
            server.socket = encrypted.wrap_socket(server.socket, server_side=True)
        provider = Loopback(f"http{'s' if encrypted else ''}://127.0.0.1:{server.server_address[1]}", answer)
        accepting = threading.Thread(target=server.serve_forever, args=(0.01,))
        accepting.start()
        try:
            yield provider
        finally:
            closing.set()
            server.shutdown()
            accepting.join()
