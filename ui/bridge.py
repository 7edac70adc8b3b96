"""Assistants (MCP): how the page answers them, and how those that speak over stdin and stdout
reach a page that was started with --mcp."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx

from ui import PageError, check_mcp

ENDPOINT = "/gradio_api/mcp/"


def assist(server: Any, version: str) -> None:
    """Have Gradio's server for assistants answer in JSON, and tell Anyfind's version."""

    def as_json(data: Any, root_url: str) -> list[Any]:  # else it writes what Python would
        told = [json.dumps(output, ensure_ascii=False, allow_nan=False) for output in data]
        return [server.types.TextContent(type="text", text=text) for text in told]

    server.postprocess_output_data = as_json
    server.mcp_server.version = version


def bridge(address: str) -> None:
    """Pass messages on until stdin ends. Raises PageError where there is nobody to speak with."""
    check_mcp()
    try:
        found = httpx.get(f"{address}{ENDPOINT}", follow_redirects=True, timeout=10).status_code
    except httpx.HTTPError as error:
        raise PageError(f"Anyfind's page does not answer at {address} ({error}).") from error
    if found != 200:
        raise PageError(
            f"The page at {address} does not speak with assistants: start it again with --mcp."
        )
    anyio.run(_bridge, f"{address}{ENDPOINT}")


async def _bridge(address: str) -> None:
    from mcp.client.streamable_http import streamablehttp_client
    from mcp.server.stdio import stdio_server

    async def pass_on(source: Any, target: Any) -> None:
        async for message in source:
            if not isinstance(message, Exception):  # what is no message is nobody's to answer
                await target.send(message)

    async with (
        streamablehttp_client(address) as (answers, questions, _),
        stdio_server() as (read, write),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(pass_on, answers, write)
        await pass_on(read, questions)
        tasks.cancel_scope.cancel()
