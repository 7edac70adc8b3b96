"""Addresses beside Gradio's: media, previews and uploads, all behind the page's login."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount

from media import MediaError, limits, picture_at
from store.files import save_preview
from store.records import LibraryError
from ui import cards, theme
from ui.guards import Key
from ui.page import Page

if TYPE_CHECKING:
    from store.library import Item

DECODING, DECODING_SECONDS = 2, 5.0  # pictures out of films at a time, and how long they wait
RECENT, FOLDERS = 2_000, 100  # items looked at, and folders offered to the filter

# An original opened by itself is a document that the browser makes around it: a player or a
# picture, with a style of its own. It may load itself (as the same origin, for the login's cookie)
# and nothing else, and no script runs in it.
ALONE = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
    "sandbox allow-same-origin"
)

# What a browser may show in place, by the content's first bytes: (offset, bytes, type). A
# container that holds sounds or films is served as what the library took it for.
SIGNATURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (4, b"ftypavif", "image/avif"),
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"OggS", "video/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (8, b"AIFF", "audio/aiff"),
    (8, b"AIFC", "audio/aiff"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (4, b"ftyp", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "audio/webm"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    *((0, bytes((0xFF, second)), "audio/mpeg") for second in (0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2)),
)
UNKNOWN = "application/octet-stream"
ENCODING = re.compile(r"[a-z0-9_-]{1,20}")

# What Gradio would serve or fetch by an address of the caller's choosing, and its own way in for
# files, which this page does not use.
CLOSED = (
    "/file={rest:path}",
    "/file/{rest:path}",
    "/gradio_api/file={rest:path}",
    "/gradio_api/file/{rest:path}",
    "/proxy={rest:path}",
    "/gradio_api/proxy={rest:path}",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/gradio_api/deep_link",
    "/gradio_api/runs",
    "/monitoring",
    "/monitoring/{rest:path}",
)


def content_type(path: Path, item: Item) -> str:
    """The type to serve a file as: a known picture, sound or film as the library holds it, a PDF,
    a text without markup; or bytes to be saved."""
    with path.open("rb") as file:
        head = file.read(1024)
    if item.modality == "text":
        return _text_type(head, path.suffix.lower(), str(item.details.get("encoding", "")))
    family = {"film": "video/"}.get(item.modality, item.modality + "/")
    for offset, signature, kind in SIGNATURES:
        if head[offset : offset + len(signature)] == signature and kind.startswith(family):
            return kind
    return UNKNOWN


def _text_type(head: bytes, suffix: str, encoding: str) -> str:
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    # A web page would be one of this address: it is saved, as what has no text in it.
    if suffix in cards.SAVED or not ENCODING.fullmatch(encoding):
        return UNKNOWN
    if head.startswith(b"PK") or (b"\0" in head and not encoding.startswith("utf-16")):
        return UNKNOWN
    return f"text/plain; charset={encoding.replace('_', '-')}"


class Gate:
    """Lets pass who is signed in to Gradio's page or shows the key, and everyone where no login is
    asked for."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._page: gr.routes.App | None = None

    def open(self, app: FastAPI) -> None:
        """Learn which of the app's parts is Gradio's; until then nobody passes."""
        mounts = [route.app for route in app.routes if isinstance(route, Mount)]
        self._page = next(part for part in mounts if isinstance(part, gr.routes.App))

    def __call__(self, request: Request) -> None:
        page = self._page
        if page is not None:
            if page.auth is None or self._key.fits(request):
                return
            # The same two cookies that Gradio's own routes look at.
            for name in ("access-token", "access-token-unsecure"):
                if page.tokens.get(request.cookies.get(f"{name}-{page.cookie_id}")) is not None:
                    return
        raise HTTPException(401, "Sign in to Anyfind's page first.")


def add(app: FastAPI, page: Page, gate: Gate, max_upload: int) -> None:
    """Puts the routes into the app; they must come before Gradio's, which takes all the rest."""

    @app.api_route("/media/{item_id}", methods=["GET", "HEAD"])
    def media(item_id: str, request: Request) -> Response:
        gate(request)
        item = page.library.get(item_id)
        if item is None:
            raise HTTPException(404, "There is no such item in the library.")
        path = page.library.original(item_id)
        try:
            kind = content_type(path, item) if path is not None else None
        except OSError:
            kind = None
        if path is None or kind is None:
            raise HTTPException(404, "The original file is gone.")
        known = item.title.lower().endswith(path.suffix.lower())
        name = item.title if known else item.title + path.suffix
        place = "attachment" if kind == UNKNOWN else "inline"
        headers = {
            "Cache-Control": "private, max-age=3600",
            "Content-Security-Policy": ALONE,
            "Content-Disposition": f"{place}; filename*=UTF-8''{quote(name, safe='')}",
        }
        return FileResponse(path, media_type=kind, headers=headers)

    _tell(app, page, gate)

    @app.post("/upload")
    async def upload(request: Request, name: str, drop: str = "") -> Response:
        gate(request)
        _asked_here(request, "upload")
        arriving = page.uploads.start(name)
        too_big = f"{arriving.name} is larger than {max_upload // 1_000_000} MB, the upload limit."
        try:
            if int(request.headers.get("content-length") or 0) > max_upload:
                raise HTTPException(413, too_big)
            size = 0
            async with await anyio.open_file(arriving.path, "wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > max_upload:
                        raise HTTPException(413, too_big)
                    await file.write(chunk)
        except BaseException:
            await anyio.to_thread.run_sync(page.uploads.drop, arriving)
            raise
        page.uploads.keep(arriving)
        if drop:  # for the library; else it waits to be searched by
            page.intake.put(arriving, drop[:40])
        return JSONResponse({"token": arriving.token})

    for address, content, kind in (
        ("/page.js", theme.JS, "text/javascript"),
        ("/page.css", theme.CSS, "text/css"),
        ("/favicon.ico", theme.ICON, "image/png"),
    ):
        app.add_api_route(address, _constant(content, kind), methods=["GET"])

    for path in CLOSED:
        app.add_api_route(path, _closed, methods=["GET", "HEAD", "POST"], include_in_schema=False)

    @app.exception_handler(HTTPException)
    async def sentence(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"detail": error.detail}, status_code=error.status_code)


def _tell(app: FastAPI, page: Page, gate: Gate) -> None:
    """What the page asks of an item, and of all."""

    decoding = threading.BoundedSemaphore(DECODING)

    @app.get("/preview/{item_id}")
    def preview(item_id: str, request: Request, at: float | None = None) -> Response:
        gate(request)
        item = page.library.get(item_id)
        if item is None or item.modality == "node":
            raise HTTPException(404, "There is no such item in the library.")
        path = page.library.preview(item_id)
        if not path.is_file():
            raise HTTPException(404, "This item has no preview.")
        headers = {"Cache-Control": "private, max-age=86400"}
        if at is not None and item.modality == "film":
            picture = _moment(page.library.original(item_id), at, decoding)
            if picture is not None:
                return Response(picture, media_type="image/jpeg", headers=headers)
            headers = {"Cache-Control": "no-cache"}  # another time it may be had
        kind = "image/webp" if path.suffix == ".webp" else "image/jpeg"
        return FileResponse(path, media_type=kind, headers=headers)

    @app.get("/item/{item_id}")
    def item(item_id: str, request: Request) -> Response:
        gate(request)
        found = page.library.get(item_id)
        if found is None:
            raise HTTPException(404, "This is not in the library, or says nothing to be found by.")
        told = cards.data(found, None, None, cards.Look(page.paths, steered=True))
        return Response(cards.plain(json.dumps(told)), media_type="application/json")

    @app.post("/remove/{item_id}")
    def remove(item_id: str, request: Request) -> Response:
        gate(request)
        _asked_here(request, "remove")
        try:
            gone = page.library.remove([item_id])
        except LibraryError as error:
            raise HTTPException(409, str(error)) from None
        finally:
            page.intake.changed()
        if not gone:
            raise HTTPException(404, "This is not in the library any more.")
        return JSONResponse({})

    @app.get("/around/{item_id}")
    def around(item_id: str, said: str, request: Request) -> Response:
        gate(request)
        found = page.library.get(item_id)
        if found is None or found.modality != "text":
            raise HTTPException(404, "There is no such text in the library.")
        before, after = page.library.around(item_id, said)
        return JSONResponse({"before": before, "after": after})

    @app.get("/folders")
    def folders(request: Request) -> Response:
        gate(request)
        if not page.paths:
            raise HTTPException(404, "There is nothing here.")
        recent = page.library.items(limit=RECENT)
        found = Counter(os.path.dirname(item.path) for item in recent if not item.copied)
        names = sorted(cards.plain(name) for name, _ in found.most_common(FOLDERS))
        return JSONResponse(names)


def _moment(
    path: Path | None, seconds: float, decoding: threading.BoundedSemaphore
) -> bytes | None:
    """What is seen in a film at a moment, as JPEG; None where that cannot be had soon."""
    if path is None or not 0 <= seconds < limits.MAX_SECONDS:
        return None
    if not decoding.acquire(timeout=DECODING_SECONDS):
        return None
    try:
        picture = picture_at(path, seconds)
    except MediaError:
        return None
    finally:
        decoding.release()
    if picture is None:
        return None
    stream = io.BytesIO()
    save_preview(picture, stream)
    return stream.getvalue()


def _asked_here(request: Request, what: str) -> None:
    """Refuse what lacks a header that a form of another site cannot send without asking first."""
    if request.headers.get("x-anyfind") != what:
        raise HTTPException(400, "This was not asked by Anyfind's page.")


def _constant(content: str | bytes, kind: str) -> Callable[[], Response]:
    def answer() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer


def _closed() -> Any:
    raise HTTPException(404, "There is nothing here.")
