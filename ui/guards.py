"""What every answer passes through: nothing is done for a page of another site, and no other name
leads here. Knows no Gradio."""

from __future__ import annotations

import base64
import hmac

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = {"127.0.0.1", "localhost", "::1"}

# Gradio's page needs eval (its HTML component) and inline styles; what matters here is that it
# can load from and speak to nobody but this server, whatever a file's title may hold.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


class Key:
    """What a program shows instead of signing in: `Authorization: Bearer USER:PASSWORD`, or the
    same two as HTTP's basic login."""

    def __init__(self, auth: tuple[str, str] | None) -> None:
        self._key = ":".join(auth).encode() if auth else None

    @property
    def asked(self) -> bool:
        """Whether there is one at all."""
        return self._key is not None

    def fits(self, request: Request) -> bool:
        """Whether a request shows it."""
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        given = shown.strip().encode("utf-8", "replace")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True)
            except ValueError:
                return False
        elif kind.lower() != "bearer":
            return False
        return self._key is not None and hmac.compare_digest(given, self._key)


class _Headers:
    """Adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in HEADERS if name not in present),
                ]
            await send(message)

        await self._app(scope, receive, dress)


class _OwnPage:
    """Refuses what a page of another site asks for: browsers tell where a request comes from."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and scope["method"] == "POST":
            site = Headers(scope=scope).get("sec-fetch-site", "none")  # gradio_client sends none
            if site not in ("same-origin", "none"):
                app = JSONResponse({"detail": "Another site asked for this."}, status_code=403)
        await app(scope, receive, send)


HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)


def guard(app: FastAPI, hosts: list[str] | None) -> None:
    """Security headers on everything, and nothing is done for a page of another site.

    Where `hosts` are given, no other name leads here.
    """
    app.add_middleware(_OwnPage)
    app.add_middleware(_Headers)
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
