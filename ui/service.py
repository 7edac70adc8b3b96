"""The embedding service: `POST /v1/embeddings` and `GET /v1/models`, as OpenAI's clients speak.

An input is a text, or a picture or a sound as a data URL; nothing is ever fetched from an address
or read from a file of this machine. Knows no Gradio.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

import media
from encoders.batcher import Batcher, TooBusy
from media.limits import setting
from store.records import Space
from store.search import middle
from ui.errors import TOLD
from ui.guards import LOOPBACK, Key, guard
from ui.listener import Running, listen, start, stay

if TYPE_CHECKING:
    from collections.abc import Awaitable

MAX_INPUTS = int(setting("MAX_INPUTS", 2_048))
"""Of one request, as OpenAI has it."""
MAX_REQUEST_BYTES = int(setting("MAX_REQUEST_BYTES", 64 << 20))
MAX_HELD_BYTES = 4 * MAX_REQUEST_BYTES
"""Of all requests that are being answered."""
MAX_REQUESTS = 256
"""That are being answered."""
MAX_INPUT_CHARACTERS = int(setting("MAX_INPUT_CHARACTERS", 200_000))
"""Of a text, of which the text tower reads the beginning."""
MAX_INPUT_SECONDS = setting("MAX_INPUT_SECONDS", 600)
"""Of a sound."""
MAX_ANSWER_SECONDS = setting("MAX_ANSWER_SECONDS", 120)
"""From when a request has arrived until it is given up."""
LOOK_SECONDS = 0.2  # how often it is looked whether the caller is still there
CREATED = 1_735_689_600  # what OpenAI's clients want of a model, in seconds since 1970

MEDIA_DATA = re.compile(r"data:(image|audio|video)/", re.IGNORECASE)
SUFFIXES = {"mpeg": ".mp3", "xwav": ".wav", "wave": ".wav", "vndwave": ".wav", "mp4": ".m4a"}
"""Of sounds whose kind does not name it."""

log = logging.getLogger(__name__)


class Embedder(Space, Protocol):
    """What the service needs of a space."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]: ...


class Refusal(Exception):  # noqa: N818 (it is an answer)
    """A request that is not answered, as OpenAI tells of errors."""

    def __init__(self, message: str, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kinds = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error"}
        kinds |= {503: "server_error"}
        codes = {401: "invalid_api_key", 404: "model_not_found", 413: "request_too_large"}
        codes |= {429: "too_many_requests", 503: "timeout"}
        self.body = {
            "error": {
                "message": message,
                "type": kinds.get(status, "invalid_request_error"),
                "param": param,
                "code": codes.get(status),
            }
        }


@dataclass(frozen=True)
class Input:
    """A text, or a picture or a sound as a data URL."""

    content: str
    is_data: bool = False


@dataclass(frozen=True)
class Asked:
    """A request, checked."""

    inputs: list[Input]
    packed: bool
    """Vectors as base64 of float32, which clients ask for by themselves."""


class Service:
    """Answers for a space; `close` ends its threads."""

    def __init__(self, space: Any, together: bool = True) -> None:
        self._space: Embedder = space
        self._batcher = Batcher(space, together)
        self._requests, self._held = 0, 0  # being answered, and their bytes
        # one reads texts, sounds and pictures while the networks use the other cores
        self._readers = anyio.CapacityLimiter(max(2, (os.cpu_count() or 2) // 2))

    def close(self) -> None:
        """End the threads."""
        self._batcher.close()

    def add(self, app: FastAPI, gate: Callable[[Request], None]) -> None:
        """Put the routes into an app; `gate` raises HTTPException for who may not pass."""

        async def answered(request: Request, answer: Callable[[], Awaitable[Any]]) -> Response:
            try:
                try:
                    gate(request)
                except HTTPException as error:
                    raise Refusal(
                        f"{error.detail} A program shows USER:PASSWORD as its API key.", 401
                    ) from None
                return JSONResponse(await answer())
            except ClientDisconnect:
                return Response(status_code=499)
            except Refusal as refusal:
                headers = {"Retry-After": "1"} if refusal.status in (429, 503) else {}
                return JSONResponse(refusal.body, refusal.status, headers)
            except Exception:
                log.exception("embedding failed")
                told = "Something went wrong inside Anyfind; its log has the details."
                return JSONResponse(Refusal(told, 500).body, 500)

        @app.post("/v1/embeddings")
        async def embeddings(request: Request) -> Response:
            return await answered(request, lambda: self._answer(request))

        @app.get("/v1/models")
        async def models(request: Request) -> Response:
            async def answer() -> dict[str, Any]:
                return {"object": "list", "data": [self._model()]}

            return await answered(request, answer)

        @app.get("/v1/models/{name:path}")
        async def model(request: Request, name: str) -> Response:
            async def answer() -> dict[str, Any]:
                self._check_model(name)
                return self._model()

            return await answered(request, answer)

        @app.api_route("/v1/{rest:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
        async def unknown(request: Request, rest: str) -> Response:
            async def answer() -> Any:
                raise Refusal(
                    f"There is no {request.method} /v1/{rest[:80]} here: the service has "
                    "POST /v1/embeddings and GET /v1/models.",
                    404,
                )

            return await answered(request, answer)

    # The space as a model

    def _model(self) -> dict[str, Any]:
        space = self._space
        return {
            "id": space.name,
            "object": "model",
            "created": CREATED,
            "owned_by": "anyfind",
            "dimensions": space.dim,
            "modalities": sorted({*space.modalities, *(["text"] if space.reads_text else [])}),
            "version": space.version,
        }

    def _check_model(self, name: Any) -> None:
        if name != self._space.name:
            shown = str(name)[:80]
            raise Refusal(
                f"There is no model {shown!r} here: this service runs {self._space.name!r}.",
                404,
                "model",
            )

    # A request

    async def _answer(self, request: Request) -> dict[str, Any]:
        end = time.monotonic() + MAX_ANSWER_SECONDS
        with self._room() as hold:
            body = await _read(request, hold, end)
            asked = self._check(body)
            try:
                rows, tokens = await self._embed(request, asked.inputs, end)
            except TOLD as error:
                raise Refusal(str(error), param="input") from None
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _write(row, asked.packed)}
                for index, row in enumerate(rows)
            ],
            "model": self._space.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    @contextmanager
    def _room(self) -> Iterator[Callable[[int], None]]:
        """What takes so many more bytes for a request, until it is answered."""
        busy = Refusal("Too much is being embedded at once: ask again in a moment.", 429)
        if self._requests >= MAX_REQUESTS:
            raise busy
        own = 0

        def hold(count: int) -> None:
            nonlocal own
            if self._held + count > MAX_HELD_BYTES:
                raise busy
            own += count
            self._held += count

        self._requests += 1
        try:
            yield hold
        finally:
            self._requests -= 1
            self._held -= own

    def _check(self, body: Any) -> Asked:
        if not isinstance(body, dict):
            raise Refusal("The request is a JSON object with the fields model and input.")
        if "model" not in body:
            raise Refusal("The field model is missing.", param="model")
        self._check_model(body["model"])
        form = body.get("encoding_format") or "float"
        if form not in ("float", "base64"):
            raise Refusal("encoding_format is float or base64.", param="encoding_format")
        dimensions = body.get("dimensions")
        if dimensions is not None and dimensions != self._space.dim:
            # the first dimensions of these vectors mean no more than any others
            raise Refusal(
                f"The vectors of {self._space.name} have {self._space.dim} dimensions and cannot "
                "be shortened.",
                param="dimensions",
            )
        given = body.get("input")
        if isinstance(given, dict) or (isinstance(given, str) and given):
            given = [given]
        if given in ("", []):
            raise Refusal("input is empty.", param="input")
        if not isinstance(given, list):
            raise Refusal(
                "input is a text, or a list of texts, of data URLs, or of objects such as "
                '{"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}.',
                param="input",
            )
        if any(isinstance(one, int | list) for one in given):
            raise Refusal(
                "Token numbers cannot be embedded here: send the text itself.", param="input"
            )
        if len(given) > MAX_INPUTS:
            raise Refusal(
                f"There are {len(given):,} inputs, more than {MAX_INPUTS:,}: ask several times.",
                param="input",
            )
        return Asked([_plain(one, at) for at, one in enumerate(given)], form == "base64")

    async def _embed(
        self, request: Request, inputs: Sequence[Input], end: float
    ) -> tuple[np.ndarray, int]:
        """The vectors of texts and data URLs, float32 (n, dim), and how many tokens were read.

        Some at a time: so others get their turn, and who has gone is not worked for.
        """
        space, size = self._space, self._space.batch_size
        rows = np.zeros((len(inputs), space.dim), dtype=np.float32)
        texts = [at for at, one in enumerate(inputs) if not one.is_data]
        if texts and not space.reads_text:
            told = f"The model {space.name} reads no words: send pictures as data URLs."
            raise Refusal(told, param="input")
        tokens = 0
        for begin in range(0, len(texts), size):
            places = texts[begin : begin + size]
            chosen = [inputs[at].content for at in places]
            counts = await self._aside(lambda chosen=chosen: space.count_tokens(chosen))
            tokens += sum(counts)
            rows[places] = await self._encoded(request, "text", chosen, end)
        for at, one in enumerate(inputs):
            if one.is_data:
                url = one.content
                await _still(request, end)
                tower, prepared = await self._aside(lambda url=url, at=at: self._open(url, at))
                parts = [
                    await self._encoded(request, tower, prepared[begin : begin + size], end)
                    for begin in range(0, len(prepared), size)
                ]
                rows[at] = middle(np.concatenate(parts))
        return rows, tokens

    async def _aside(self, work: Callable[[], Any]) -> Any:
        return await anyio.to_thread.run_sync(work, limiter=self._readers)

    async def _encoded(
        self, request: Request, tower: str, prepared: Sequence[Any], end: float
    ) -> np.ndarray:
        await _still(request, end)
        try:
            future = self._batcher.submit(tower, prepared)
        except TooBusy:
            raise Refusal(
                "Too much is being embedded at once: ask again in a moment.", 429
            ) from None
        try:
            return await _awaited(request, future, end)
        finally:
            future.cancel()

    def _open(self, url: str, at: int) -> tuple[str, list[Any]]:
        """A data URL's tower and its prepared parts."""
        kind, content = _decode(url, at)
        with tempfile.TemporaryDirectory(prefix="anyfind-input-") as folder:
            subtype = re.sub(r"\W", "", kind.partition("/")[2])[:8]
            # some sounds are told by their names alone
            path = Path(folder) / f"input{SUFFIXES.get(subtype, f'.{subtype}')}"
            path.write_bytes(content)
            media.look_closer(self._space.picture_side)
            try:
                with media.open_media(path) as opened:
                    return opened.modality, self._prepare(opened, at)
            except media.MediaError as error:
                raise Refusal(f"Input {at} {error.reason}.", param="input") from None
            except (Refusal, *TOLD, OSError):
                raise
            except Exception as error:  # a file may break a decoder in any way
                told = f"Input {at} cannot be decoded ({type(error).__name__})."
                raise Refusal(told, param="input") from error

    def _prepare(self, opened: media.Media, at: int) -> list[Any]:
        modality = opened.modality
        if modality not in ("image", "audio"):
            told = (
                f"Input {at} holds {modality}: what is sent as a data URL is a picture or a sound."
            )
            raise Refusal(told, param="input")
        if modality not in self._space.modalities:
            told = f"The model {self._space.name} cannot embed input {at}, which holds {modality}."
            raise Refusal(told, param="input")
        prepared = []
        # a header may promise less than follows
        for part in opened.segments():
            if max(float(opened.details.get("seconds", 0)), part.end or 0) > MAX_INPUT_SECONDS:
                raise Refusal(
                    f"Input {at} is longer than {MAX_INPUT_SECONDS:,.0f} seconds: cut it into "
                    "parts.",
                    413,
                    "input",
                )
            prepared.append(self._space.prepare(modality, part.content))
        return prepared


async def _read(request: Request, hold: Callable[[int], None], end: float) -> Any:
    """The JSON of a request's body; Refusal where it has not come by `end`."""
    too_large = f"The request is larger than {MAX_REQUEST_BYTES >> 20} MiB: ask several times."
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_REQUEST_BYTES:
        raise Refusal(too_large, 413)
    body = bytearray()
    try:
        with anyio.fail_after(end - time.monotonic()):
            async for chunk in request.stream():
                if len(body) + len(chunk) > MAX_REQUEST_BYTES:
                    raise Refusal(too_large, 413)
                hold(len(chunk))
                body += chunk
    except TimeoutError:
        raise _too_long() from None
    try:
        return await anyio.to_thread.run_sync(json.loads, body)
    except (ValueError, RecursionError):
        raise Refusal("The request is no JSON.") from None


def _plain(one: Any, at: int) -> Input:
    """An input as it stands in the request."""
    if not isinstance(one, dict):
        if isinstance(one, str) and MEDIA_DATA.match(one):
            return Input(one, is_data=True)
        return _text(one, at)
    kind = str(one.get("type"))
    inner = one.get(kind)
    if kind == "text":
        return _text(inner, at)
    if kind == "image_url":
        url = inner.get("url") if isinstance(inner, dict) else inner
    elif kind == "input_audio" and isinstance(inner, dict):
        url = f"data:audio/{inner.get('format')};base64,{inner.get('data')}"
    else:
        told = f"Input {at} is of type {kind[:40]!r}: it is text, image_url or input_audio."
        raise Refusal(told, param="input")
    if not isinstance(url, str) or not MEDIA_DATA.match(url):
        told = f"Input {at} is no data URL, and nothing is fetched from other addresses."
        raise Refusal(told, param="input")
    return Input(url, is_data=True)


def _text(one: Any, at: int) -> Input:
    if not isinstance(one, str) or not one.strip():
        raise Refusal(f"Input {at} is empty, or no text.", param="input")
    if len(one) > MAX_INPUT_CHARACTERS:
        told = f"Input {at} has more than {MAX_INPUT_CHARACTERS:,} characters: cut it into parts."
        raise Refusal(told, param="input")
    return Input(one.encode("utf-8", "replace").decode())


def _decode(url: str, at: int) -> tuple[str, bytes]:
    """A data URL's media type and its bytes."""
    head, comma, data = url.partition(",")
    kind, *options = head.lower().removeprefix("data:").split(";")
    if not comma or "base64" not in options:
        told = f"Input {at} is no data URL of base64, such as data:image/png;base64,..."
        raise Refusal(told, param="input")
    try:
        return kind, base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(f"Input {at} is no valid base64.", param="input") from None


def _too_long() -> Refusal:
    return Refusal("This took too long: ask for less at once, or again in a moment.", 503)


async def _still(request: Request, end: float) -> None:
    """Refusal where it is past `end`, or nobody waits for the answer any longer."""
    if time.monotonic() > end:
        raise _too_long()
    if await request.is_disconnected():
        raise Refusal("The caller has gone.", 499)


async def _awaited(request: Request, future: Future[np.ndarray], end: float) -> np.ndarray:
    """A batch's result; Refusal as of `_still`."""
    waited = asyncio.wrap_future(future)
    try:
        while True:
            done, _ = await asyncio.wait({waited}, timeout=LOOK_SECONDS)
            if done:
                return waited.result()
            await _still(request, end)
    finally:
        waited.cancel()


def _write(row: np.ndarray, packed: bool) -> str | list[float]:
    if packed:
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    return [float(value) for value in row]


def serve_space(
    space: Any,
    *,
    host: str,
    port: int,
    auth: tuple[str, str] | None,
    prevent_thread_lock: bool,
    together: bool = True,
) -> Running:
    """See `ui.serve_space`."""
    listening = listen(host, port)
    key, service = Key(auth), Service(space, together)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def gate(request: Request) -> None:
        if key.asked and not key.fits(request):
            raise HTTPException(401, "This service asks for a key.")

    service.add(app, gate)
    guard(app, [*LOOPBACK, "[::1]"] if host in LOOPBACK and auth is None else None)
    running = start(app, listening, host, [service.close])
    if not prevent_thread_lock:
        stay(running, "The embedding service")
    return running
