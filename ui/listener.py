"""A web server in a thread of its own, from a bound socket to the last request. Knows no Gradio."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from ui import PageError

START_SECONDS = 60


class Running:
    """A page being served. `close` stops it and waits for the file in hand."""

    def __init__(
        self,
        server: uvicorn.Server,
        thread: threading.Thread,
        address: str,
        closing: Sequence[Callable[[], Any]],
    ) -> None:
        self.address = address
        self._server = server
        self._thread = thread
        self._closing = list(closing)

    def wait(self) -> None:
        """Blocks until the page is closed, or until Ctrl-C or SIGTERM, which close it."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            while self._thread.is_alive():
                self._thread.join(timeout=0.5)
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stops serving, adding and removes what was uploaded and not added. Idempotent."""
        # The streams of open pages are cut off, which uvicorn reports with tracebacks.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.should_exit = True
        self._thread.join(timeout=10)
        while self._closing:
            self._closing.pop()()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(
    app: Any, listening: socket.socket, host: str, closing: Sequence[Callable[[], Any]] = ()
) -> Running:
    """Serve an app on a bound socket; returns once it answers. Raises PageError.

    `closing` is what is done when it has ended, the last first.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,  # the page's event streams never end by themselves
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="anyfind-page", daemon=True
    )
    port = listening.getsockname()[1]
    running = Running(server, thread, f"http://{_shown(host)}:{port}", closing)
    thread.start()
    _await(server, thread, running)
    return running


def stay(running: Running, what: str) -> None:
    """Say where it is, and block until it is closed."""
    print(f"{what} is at {running.address} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    running.wait()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is one sentence and port 0 is known at once."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, proto)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        raise PageError(
            f"The page cannot be served at {host}:{port} ({error}); choose another port or host."
        ) from error
    return listening


def _shown(host: str) -> str:
    """A host as a browser on this machine writes it."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _await(server: uvicorn.Server, thread: threading.Thread, running: Running) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            running.close()
            raise PageError("The page's server did not start; its log has the details.")
        time.sleep(0.01)
