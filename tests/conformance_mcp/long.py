"""Tools that take long, for the tasks extension: what they do is scripted, how they are held and polled is ours."""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types

from aetherd_mcp.task import Task, Work
from aetherd_mcp.tasks import declared, undeclared
from tests.conformance_mcp.fixtures import Context, Fixtures, Params, question, said
from tests.conformance_mcp.questions import NAME, answered, content, wanting

CONFIRM = {"type": "boolean"}


def add_long_tools(fixtures: Fixtures) -> None:
    """Add them."""
    tasks, caller = fixtures.tools.tasks, fixtures.tools.caller

    async def as_task(work: Work) -> Any:
        return await tasks.start(tasks.new(await caller()), work)

    @fixtures.tool("greet", {"type": "object", "properties": {"name": NAME}})
    async def greet(ctx: Context, params: Params) -> Any:
        return said(f"Hello, {(params.arguments or {}).get('name')}!")

    @fixtures.tool("slow_compute", {"type": "object", "properties": {"seconds": {"type": "number"}, "label": NAME}})
    async def slow(ctx: Context, params: Params) -> Any:
        given = params.arguments or {}

        async def work(task: Task | None = None) -> types.CallToolResult:
            await anyio.sleep(float(given.get("seconds", 0)))
            return said(f"computed {given.get('label')}")

        return await (as_task(work) if declared(ctx) else work())

    @fixtures.tool("failing_job")
    async def failing(ctx: Context, params: Params) -> Any:
        if not declared(ctx):
            raise undeclared()

        async def work(task: Task) -> types.CallToolResult:
            await anyio.sleep(1)
            return said("it did not work", error=True)

        return await as_task(work)

    @fixtures.tool("protocol_error_job")
    async def crashing(ctx: Context, params: Params) -> Any:
        async def work(task: Task) -> types.CallToolResult:
            await anyio.sleep(0.5)
            raise RuntimeError("a crash the suite asks for")

        return await as_task(work)

    @fixtures.tool("confirm_delete", {"type": "object", "properties": {"filename": NAME}})
    async def confirm(ctx: Context, params: Params) -> Any:
        async def work(task: Task) -> types.CallToolResult:
            answers = await task.ask(confirm=question("Delete it?", confirm=CONFIRM))
            return said(answers["confirm"].model_dump_json())

        return await as_task(work)

    @fixtures.tool("multi_input")
    async def several(ctx: Context, params: Params) -> Any:
        async def work(task: Task) -> types.CallToolResult:
            answers = await task.ask(name=question("Who?", name=NAME), confirm=question("Really?", confirm=CONFIRM))
            return said(*(one.model_dump_json() for one in answers.values()))

        return await as_task(work)

    @fixtures.tool("test_tool_with_task")
    async def asked_first(ctx: Context, params: Params) -> Any:
        if not answered(params, "user_name"):
            return wanting("asked for the name", user_name=question("What is your name?", name=NAME))

        async def work(task: Task) -> types.CallToolResult:
            await anyio.sleep(0.5)
            return said(f"Hello, {content(params, 'user_name').get('name')}!")

        return await as_task(work)
