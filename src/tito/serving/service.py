"""The service: an ASGI app on Starlette. Each route is a short function that checks, asks a model, and answers."""

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tinytorch import serialization
from tinytorch.mlops import Busy, Late, RegistryError
from tinytorch.tokenization import CharTokenizer
from tito.serving.limits import LOOPBACK, Guard, Limits, Refused, each_part, fields, json_of, number, told
from tito.serving.live import Answering, Live, Registered
from tito.serving.metrics import Metrics
from tito.serving.models import PIXELS, model_of
from tito.serving.writer import Full, Text

PAGE = Path(__file__).with_name("page")
MOST_TOKENS, MOST_PROMPT = 1000, 10_000


class Service:
    """Models by name, their limits and their numbers, and the routes to them. `host` is the one that is listened on."""

    def __init__(self, models: Mapping[str, Live], metrics: Metrics, limits: Limits, host: str):
        self.models, self.metrics, self.limits, self.host = models, metrics, limits, host
        self.ending = self.uploading = False
        self.following: list[asyncio.Task] = []

    def app(self) -> Starlette:
        """The ASGI app."""
        of = "/models/{name}"
        routes = [
            Route("/", self.page),
            Mount("/page", StaticFiles(directory=PAGE), name="page"),
            Route("/health", self.health),
            Route("/ready", self.ready),
            Route("/metrics", self.numbers),
            Route("/models", self.listing),
            Route(f"{of}/read", self.read, methods=["POST"]),
            Route(f"{of}/write", self.write, methods=["POST"]),
            Route(f"{of}/versions", self.versions),
            Route(f"{of}/versions", self.upload, methods=["POST"]),
            Route(f"{of}/promote", self.promote, methods=["POST"]),
            Route(f"{of}/rollback", self.rollback, methods=["POST"]),
        ]
        around = [Middleware(Counted, service=self), Middleware(Guard, host=self.host)]
        handlers: dict[Any, Callable] = {Refused: refused, HTTPException: http_error, Exception: broken}
        return Starlette(routes=routes, middleware=around, exception_handlers=handlers, lifespan=self.lifespan)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Models are followed while the service runs, and answer what waits when it ends."""
        self.following = [asyncio.create_task(model.follow()) for model in self.models.values()]
        yield
        for task in self.following:
            task.cancel()
        for model in self.models.values():
            await asyncio.to_thread(model.close)

    def model(self, request: Request, writes: bool | None = None) -> Live:
        """The model that a path names. Raises Refused if there is none, or none that does this."""
        name = request.path_params["name"]
        if name not in self.models:
            raise Refused(404, f"there is no model {name[:50]!r}; there are: {', '.join(self.models)}")
        if writes is not None and self.models[name].writes != writes:
            verb = "write" if self.models[name].writes else "read"
            raise Refused(409, f"{name} does not do this: POST /models/{name}/{verb}")
        return self.models[name]

    # -- what it is ---------------------------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def health(self, request: Request) -> Response:
        """Whether the process answers at all."""
        return JSONResponse({"alive": True})

    async def ready(self, request: Request) -> Response:
        """Whether requests should be sent here: not any more once it is about to end."""
        if self.ending:
            raise Refused(503, "this service is about to end", retry=1)
        for model, task in zip(self.models.values(), self.following):
            if not model.alive() or task.done():
                raise Refused(503, f"{model.name} has stopped: the log of the service says why")
        return JSONResponse({"ready": True})

    async def numbers(self, request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def listing(self, request: Request) -> Response:
        return JSONResponse({"models": [described(model) for model in self.models.values()]})

    # -- answers ------------------------------------------------------------------------------------------------------

    async def read(self, request: Request) -> Response:
        """POST {"image": 64 numbers of 0..1}: the probability of each digit."""
        model = self.model(request, writes=False)
        (image,) = fields(await json_of(request, self.limits), image=image_of)
        too_late = Refused(503, f"there was no answer within {self.limits.answer:g} s", retry=1)
        try:
            async with asyncio.timeout(self.limits.answer):
                probabilities, version = await asyncio.wrap_future(model.read(image, self.limits.answer))
        except Busy as problem:
            raise Refused(429, str(problem), retry=1) from None
        except (Late, TimeoutError):
            raise too_late from None
        answer = {"digit": int(probabilities.argmax()), "probabilities": [round(p, 6) for p in probabilities.tolist()]}
        return JSONResponse({**answer, "model": model.name, "version": version})

    async def write(self, request: Request) -> Response:
        """POST {"prompt": text, "tokens": 100, "temperature": 0.8, "top_k": null, "seed": null}: a stream of events."""
        model = self.model(request, writes=True)
        began = time.perf_counter()
        prompt, *options = fields(
            await json_of(request, self.limits),
            prompt=prompt_of,
            tokens=number(1, MOST_TOKENS, 100, whole=True),
            temperature=number(0, 10, 0.8),
            top_k=number(1, 10**6, None, whole=True),
            seed=number(0, 2**32 - 1, None, whole=True),
        )
        heard = Heard(asyncio.get_running_loop())
        try:
            count, *how = options
            now, heard.text = model.write(prompt, count, heard, *how)
        except Full as problem:
            raise Refused(429, str(problem), retry=1) from None
        except ValueError as problem:
            raise Refused(422, f"prompt: {problem}") from None
        await heard.first(self.limits.answer)
        self.metrics.first.labels(model.name).observe(time.perf_counter() - began)
        return Events(heard, now, self.limits.send, self.metrics.tokens.labels(model.name).inc)

    # -- versions -----------------------------------------------------------------------------------------------------

    def registered(self, request: Request) -> tuple[Live, Registered]:
        """The model that a path names, and its registry. Raises Refused unless it has one and the client is here."""
        model = self.model(request)
        if request.client is None or request.client.host not in LOOPBACK:
            raise Refused(403, "models are changed from the machine of the service alone")
        if not isinstance(model.source, Registered):
            raise Refused(409, f"{model.name} is served from a file, not from a registry")
        return model, model.source

    async def versions(self, request: Request) -> Response:
        """GET: all versions of a model, each with its stage, its metrics and where it comes from."""
        model, source = self.registered(request)
        found = await asyncio.to_thread(source.registry.versions, model.name)
        names = ("version", "stage", "metrics", "lineage", "fingerprint", "at")
        return JSONResponse({"versions": [{name: getattr(each, name) for name in names} for each in found]})

    async def upload(self, request: Request) -> Response:
        """POST weights in the format safetensors: they become a candidate. One upload at a time."""
        model, source = self.registered(request)
        if request.headers.get("content-type") != "application/octet-stream":
            raise Refused(415, "weights are sent as safetensors, with content-type: application/octet-stream")
        if self.uploading:
            raise Refused(429, "another upload is under way", retry=5)
        self.uploading = True
        try:
            version = await self.receive(request, model, source)
        finally:
            self.uploading = False
        return JSONResponse({"model": model.name, "version": version, "stage": "candidate"}, 201)

    async def receive(self, request: Request, model: Live, source: Registered) -> int:
        """Take an upload into a file, look at it, and register it."""
        handle, path = tempfile.mkstemp(suffix=".safetensors")
        try:
            with open(handle, "wb") as file:
                await each_part(request, self.limits.upload_bytes, self.limits.upload, file.write)
            return await asyncio.to_thread(self.register, path, model, source)
        except (RegistryError, OSError) as problem:
            raise Refused(507, f"the weights could not be kept: {problem}") from None
        finally:
            os.unlink(path)

    def register(self, path: str, model: Live, source: Registered) -> int:
        """Register the weights of a file. Raises Refused unless they are whole, and fit what is served."""
        try:
            arrays = serialization.load(path)
            model.refuse_other_task(model_of(arrays))
        except ValueError as problem:
            raise Refused(422, str(problem).removeprefix(f"{path}: ")) from None
        return source.registry.register(model.name, arrays, lineage={"source": "upload"})

    async def promote(self, request: Request) -> Response:
        """POST {"version": 2}: it becomes the live one."""
        model, source = self.registered(request)
        (version,) = fields(await json_of(request, self.limits), version=number(1, 2**31, None, whole=True))
        if version is None:
            raise Refused(422, "version: a whole number is needed")
        return await self.changed(model, source.registry.promote, model.name, version, "live", "promoted over HTTP")

    async def rollback(self, request: Request) -> Response:
        """POST {}: the version that was live before becomes the live one again."""
        model, source = self.registered(request)
        fields(await json_of(request, self.limits))
        return await self.changed(model, source.registry.rollback, model.name, "rolled back over HTTP")

    async def changed(self, model: Live, change: Callable, *arguments: Any) -> Response:
        """Change the registry, serve what is live then, and say what is served."""
        try:
            await asyncio.to_thread(change, *arguments)
        except RegistryError as problem:
            raise Refused(409, str(problem)) from None
        model.try_after = 0.0
        await asyncio.to_thread(model.refresh)
        if model.problem:
            raise Refused(409, f"version {model.current.version} goes on: {model.problem}")
        return JSONResponse(described(model))


def described(model: Live) -> dict[str, Any]:
    """A model in a few words."""
    now = model.current
    about = {"name": model.name, "kind": now.model.kind, "does": "write" if model.writes else "read"}
    return {**about, "version": now.version, "weights": now.model.weights, "problem": model.problem or None}


def image_of(value: Any) -> np.ndarray:
    """An image (64,) from a list. Raises ValueError, saying what is wrong with it."""
    if not isinstance(value, list) or len(value) != PIXELS:
        found = f"{len(value)} of them" if isinstance(value, list) else told(value)
        raise ValueError(f"a list of {PIXELS} numbers of 0 to 1 is needed, row by row; got {found}")
    check = number(0, 1, None)
    for i, pixel in enumerate(value):
        if check(pixel) is None:
            raise ValueError(f"pixel {i} is null")
    return np.array(value, np.float32)


def prompt_of(value: Any) -> str:
    """A prompt. Raises ValueError for what is none."""
    if not isinstance(value, str) or not 1 <= len(value) <= MOST_PROMPT:
        found = f"{len(value):,}" if isinstance(value, str) else told(value)
        raise ValueError(f"a text of 1 to {MOST_PROMPT:,} characters is needed, got {found}")
    return value


# -- a stream ---------------------------------------------------------------------------------------------------------


class Heard:
    """What a writer's thread says of a text, for the event loop to hear: each token, then None."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop, self.tokens = loop, asyncio.Queue[int | None]()
        self.text: Text | None = None
        self.token: int | None = None  # the one heard last

    def __call__(self, token: int | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the service has ended
            self.loop.call_soon_threadsafe(self.tokens.put_nowait, token)

    async def next(self) -> int | None:
        self.token = await self.tokens.get()
        return self.token

    async def first(self, seconds: float) -> None:
        """Wait for the first token. Raises Refused if it takes too long, RuntimeError if there is none."""
        try:
            async with asyncio.timeout(seconds):
                await self.next()
        except TimeoutError:
            self.cancel()
            raise Refused(503, f"there was no token within {seconds:g} s", retry=1) from None
        if self.token is None:
            raise RuntimeError("the text ended before its first token")

    def cancel(self) -> None:
        """Let nothing more be written."""
        if self.text is not None:
            self.text.cancelled = True

    def ended(self) -> str:
        """Why there are no more tokens: all that were wanted are there, or the writer has failed."""
        return "length" if self.text is not None and self.text.wanted <= 0 else "failed"


class Events(Response):
    """Tokens as they come, as server-sent events: `data: {"text": ...}` each, then `event: end` with the reason.

    If the client goes, or takes no piece for `seconds`, the text is not written on. `count` is called for each token.
    """

    def __init__(self, heard: Heard, now: Answering, seconds: float, count: Callable[[], None]):
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.heard, self.now, self.seconds, self.count = heard, now, seconds, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(until_gone(receive, self.heard.cancel))
        spell = cast(CharTokenizer, self.now.model.tokenizer).decode
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while self.heard.token is not None:
                await self.say(send, f"data: {json.dumps({'text': spell([self.heard.token])})}\n\n")
                self.count()
                await self.heard.next()
            about = {"reason": self.heard.ended(), "version": self.now.version}
            await self.say(send, f"event: end\ndata: {json.dumps(about)}\n\n", more=False)
        finally:
            self.heard.cancel()
            gone.cancel()

    async def say(self, send: Send, piece: str, more: bool = True) -> None:
        async with asyncio.timeout(self.seconds):
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": more})


async def until_gone(receive: Receive, then: Callable[[], None]) -> None:
    """Call `then` when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    then()


# -- around every request ---------------------------------------------------------------------------------------------


class Counted:
    """Counts each request and its seconds, by model and route; names that are no model's share one label."""

    def __init__(self, app: ASGIApp, service: Service):
        self.app, self.service, self.metrics = app, service, service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.service.ending:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            name = scope.get("path_params", {}).get("name")
            labels = name if name in self.service.models else "", getattr(scope.get("endpoint"), "__name__", "")
            self.metrics.requests.labels(*labels, status).inc()
            self.metrics.seconds.labels(*labels).observe(time.perf_counter() - began)


async def refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refused)
    return refusal.answer()


async def http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def broken(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "this went wrong here; the service's log has more"}, 500)
