"""What a client may ask for: how long it may take, how much it may send, how many there may be, and from where.

A service that waits for whoever is slow, or reads whatever is sent, is stopped by anybody. uvicorn waits for the head
of a request as long as it takes; `Patient` does not.
"""

import asyncio
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

SPARE = 64  # file descriptors that are no connections: files, the registry, the interpreter's own
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes after which patience ends."""

    head: float = 5.0  # for the head of a request, from its first byte or from the beginning of the connection
    body: float = 5.0  # for its body
    upload: float = 60.0  # for the body of an upload
    answer: float = 2.0  # in the queue and in the network, before it is given up
    send: float = 10.0  # for a piece of a stream to be taken
    notice: float = 0.5  # in which a service that will end still takes requests, and /ready says that it will
    linger: float = 1.0  # for one who is turned away to read why
    drain: float = 20.0  # for what is under way when the service is told to end
    connections: int = 2000  # at once: what waits in them is answered in about a second
    body_bytes: int = 2**16
    upload_bytes: int = 2**26

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"the limit {name} is a number above 0, got {value}")


class Refused(Exception):
    """A request that is not served: a status, one sentence, and when to try again, in seconds, if that may help."""

    def __init__(self, status: int, text: str, retry: float | None = None):
        super().__init__(text)
        self.status, self.text, self.retry = status, text, retry

    def answer(self) -> JSONResponse:
        again = {} if self.retry is None else {"retry-after": str(max(1, math.ceil(self.retry)))}
        return JSONResponse({"error": self.text}, self.status, again)


# -- connections ------------------------------------------------------------------------------------------------------


class Patient(H11Protocol):
    """A connection that is closed, with an answer that says so, if the head of a request takes too long.

    The time runs from the beginning of a connection, or from the first byte behind an answer: one byte a second does
    not set it back. Beyond `most` connections a new one is told to come again, and nothing that it sends is looked at:
    else a service that has too much to do would do it for clients who have long given up.
    """

    limits = Limits()
    most = 1000
    head_timer: asyncio.TimerHandle | None = None
    refused = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self.refuse("503 Service Unavailable", f"there are {self.most} connections already", retry=1)
        else:
            self.wait_for_head()

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        if self.head_timer is None and self.between():
            self.wait_for_head()
        super().data_received(data)
        if not self.between():
            self.stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        super().connection_lost(exc)

    def between(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def wait_for_head(self) -> None:
        self.head_timer = self.loop.call_later(self.limits.head, self.turn_away)

    def stop_waiting(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def turn_away(self) -> None:
        """Close the connection, with an answer if none was sent on it yet: a second one would be taken for the next."""
        if self.cycle is None:
            self.refuse("408 Request Timeout", f"the head of the request was not here after {self.limits.head:g} s")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self.refuse("400 Bad Request", msg)

    def refuse(self, status: str, text: str, retry: int | None = None) -> None:
        """Say why there is no answer, and close the connection a little later: what still comes would tear it down."""
        self.refused = True
        self.connections.discard(self)
        self.stop_waiting()
        body = json.dumps({"error": text}).encode()
        head = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}"]
        head += ["connection: close", *([] if retry is None else [f"retry-after: {retry}"])]
        self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.write_eof()
        self.loop.call_later(self.limits.linger, self.transport.close)


def patient(limits: Limits) -> type[Patient]:
    """Patient with these limits; with fewer connections if this process may not have as many files open."""
    return type("Patient", (Patient,), {"limits": limits, "most": min(limits.connections, raise_open_files() - SPARE)})


def raise_open_files() -> int:
    """Let this process open as many files as it may without anybody's leave; how many that is, 65,536 at most."""
    if sys.platform == "win32":
        return 512  # what select takes there
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2**16 if hard == resource.RLIM_INFINITY else min(hard, 2**16)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def quiet(app: ASGIApp, limits: Limits) -> Config:
    """uvicorn's configuration: our connections, no websockets, no log of each request, and an end to draining."""
    return Config(
        app,
        http=patient(limits),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(limits.head),
        timeout_graceful_shutdown=math.ceil(limits.drain),
    )


# -- bodies -----------------------------------------------------------------------------------------------------------


async def each_part(request: Request, most: int, seconds: float, take: Callable[[bytes], object]) -> None:
    """Give the body of a request to `take`, part by part. Raises Refused for one that is too long or too slow.

    What is announced as too long is not read at all.
    """
    too_long = Refused(413, f"the body may have {most:,} bytes")
    if int(request.headers.get("content-length", "0")) > most:
        raise too_long
    have = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                have += len(part)
                if have > most:
                    raise too_long
                take(part)
    except TimeoutError:
        raise Refused(408, f"the body was not here after {seconds:g} s: {have:,} bytes had come") from None
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None


async def json_of(request: Request, limits: Limits) -> dict[str, Any]:
    """The JSON object in a request. Raises Refused, saying what is wrong, for anything else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"send JSON, with content-type: application/json; got {kind[:50] or 'none'}")
    body = bytearray()
    await each_part(request, limits.body_bytes, limits.body, body.extend)
    try:
        content = json.loads(body.decode(), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as problem:
        raise Refused(400, f"the body is no JSON: {str(problem)[:100]}") from None
    if not isinstance(content, dict):
        raise Refused(422, f"send an object, got {type(content).__name__}")
    return content


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


# -- fields -----------------------------------------------------------------------------------------------------------


def fields(content: Mapping[str, Any], **wanted: Callable[[Any], Any]) -> list[Any]:
    """The value of each field that is wanted, by its own check. Raises Refused for a field that nobody wants."""
    for name in content:
        if name not in wanted:
            raise Refused(422, f"there is no field {name[:50]!r}; there are: {', '.join(wanted)}")
    found = []
    for name, check in wanted.items():
        try:
            found.append(check(content.get(name)))
        except (ValueError, TypeError, OverflowError) as problem:
            raise Refused(422, f"{name}: {problem}") from None
    return found


def number(low: float, high: float, default: float | None, whole: bool = False) -> Callable[[Any], Any]:
    """A check for numbers of low..high; a field that is missing, or null, is the default."""

    def check(value: Any) -> float | None:
        if value is None:
            return default
        if type(value) not in ((int,) if whole else (int, float)) or not low <= value <= high:
            raise ValueError(f"a {'whole ' if whole else ''}number of {low:g} to {high:g} is needed, got {told(value)}")
        return value

    return check


def told(value: Any) -> str:
    """What was sent, in a few words."""
    try:
        text = json.dumps(value)
    except ValueError:  # an integer of thousands of digits
        text = "a number too long to show"
    return text if len(text) < 40 else f"{text[:40]}..."


# -- around every request ---------------------------------------------------------------------------------------------

POLICY = "; ".join(
    [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ]
)  # fmt: skip
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Answers in JSON what is Refused, adds HEADERS to all that is said, and lets in no page of another origin.

    `host` is the one that the service listens on. On loopback only loopback's names are hosts: a name that somebody
    else has pointed at this machine is none.
    """

    def __init__(self, app: ASGIApp, host: str):
        self.app = app
        self.local = host in LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self.check(Headers(scope=scope), scope["method"])
        except Refused as refusal:
            await refusal.answer()(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)

    def check(self, headers: Headers, method: str) -> None:
        """Raise Refused for another host, and for what a page of another origin sends."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.local and re.sub(r":\d*$", "", host) not in (*LOOPBACK, "[::1]"):
            raise Refused(421, f"this is a service of {', '.join(LOOPBACK)}, not of {host[:50]!r}")
        if method != "GET" and origin is not None and origin.partition("://")[2] != host:
            raise Refused(403, f"pages of {origin[:50]!r} may not do this")
