"""Assistants: real sessions of the Model Context Protocol with the page, by HTTP and over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx
import pytest

from store.library import Library
from tests.fakes import FakeSpace
from tests.page.conftest import Serve, Served
from ui import PageError
from ui import serve as serve_page

try:
    MCP = version("mcp").startswith("1.")
except PackageNotFoundError:
    MCP = False
needs_mcp = pytest.mark.skipif(not MCP, reason="the package mcp 1 is not installed")
ROOT = Path(__file__).parent.parent.parent


def converse(streams: Any, talk: Callable[[Any], Awaitable[Any]]) -> Any:
    """What `talk` returns of a session with the server behind these streams."""
    from mcp import ClientSession

    async def run() -> Any:
        async with streams as (read, write, *_), ClientSession(read, write) as session:
            await session.initialize()
            return await talk(session)

    # in a thread of its own: the browser of other tests keeps a loop running in this one
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asyncio.wait_for(run(), 60)).result()


async def look(session: Any) -> tuple[set[str], Any, Any]:
    """The tools there are, an answer, and the answer to a query of nothing."""
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    assert "text" in tools["search"].inputSchema["properties"]
    right = await session.call_tool("search", {"text": "red", "modality": "image", "k": 2})
    wrong = await session.call_tool("search", {"text": ""})
    return set(tools), right, wrong


@needs_mcp
class TestPage:
    @pytest.fixture(scope="class")
    def assisted(self, serve: Serve) -> Served:
        return serve(mcp=True)

    def test_an_assistant_searches(self, assisted: Served) -> None:
        from mcp.client.streamable_http import streamablehttp_client

        streams = streamablehttp_client(f"{assisted.address}/gradio_api/mcp/")
        tools, right, wrong = converse(streams, look)
        assert "search" in tools
        assert not right.isError
        hits = json.loads(right.content[0].text)
        assert hits[0]["title"] == "red"
        assert hits[0]["file"] == str(assisted.media / "red.png")
        assert wrong.isError
        assert "query is empty" in wrong.content[0].text

    def test_tools_are_described(self, assisted: Served) -> None:
        from mcp.client.streamable_http import streamablehttp_client

        async def ask(session: Any) -> tuple[Any, list[Any]]:
            return (await session.initialize()).serverInfo, (await session.list_tools()).tools

        streams = streamablehttp_client(f"{assisted.address}/gradio_api/mcp/")
        server, tools = converse(streams, ask)
        assert (server.name, server.version) == ("Anyfind", version("anyfind"))
        assert {"search", "classify", "compare"} <= {tool.name for tool in tools}
        for tool in tools:
            assert tool.description, tool.name
            for name, parameter in tool.inputSchema["properties"].items():
                assert parameter.get("description"), (tool.name, name)

    def test_other_names_and_sites_are_refused(self, assisted: Served) -> None:
        for header in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = httpx.post(
                f"{assisted.address}/gradio_api/mcp/",
                json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
                headers={"Accept": "application/json, text/event-stream"} | header,
            )
            assert answer.status_code in (400, 403)

    def test_over_stdin_and_stdout(self, tmp_path: Path) -> None:
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        script = (
            "import sys, pathlib\n"
            "from store.library import Library\n"
            "from tests.fakes import FakeSpace\n"
            "from tests.page.conftest import make_media\n"
            "from ui import serve\n"
            "from ui.bridge import bridge\n"
            "folder = pathlib.Path(sys.argv[1])\n"
            "with Library(folder / 'data', FakeSpace()) as library:\n"
            "    library.add([make_media(folder / 'media')])\n"
            "    with serve(library, port=0, prevent_thread_lock=True, mcp=True) as running:\n"
            "        bridge(running.address)\n"
        )
        streams = stdio_client(
            StdioServerParameters(
                command=sys.executable,
                args=["-c", script, str(tmp_path)],
                cwd=str(ROOT),
                env=dict(os.environ),
            )
        )
        tools, right, wrong = converse(streams, look)
        assert "search" in tools
        assert json.loads(right.content[0].text)[0]["title"] == "red"
        assert wrong.isError


def test_no_assistant_where_nobody_asked_for_one(served: Served) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    answer = httpx.post(f"{served.address}/gradio_api/mcp/", content=json.dumps(body))
    assert answer.status_code in (404, 405)


@pytest.mark.parametrize("options", [{"host": "0.0.0.0"}, {"auth": ("ann", "pw")}])
def test_assistants_are_of_this_machine(options: dict[str, Any], tmp_path: Path) -> None:
    with (
        Library(tmp_path / "data", FakeSpace()) as library,
        pytest.raises(PageError, match="assistants of this machine"),
    ):
        serve_page(library, port=0, prevent_thread_lock=True, mcp=True, **options)


@needs_mcp
def test_a_page_without_it_is_told(served: Served) -> None:
    from ui.bridge import bridge

    with pytest.raises(PageError, match="start it again with --mcp"):
        bridge(served.address)
    with pytest.raises(PageError, match="does not answer"):
        bridge("http://127.0.0.1:9")
