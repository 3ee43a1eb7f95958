"""Resources over MCP: lists, templates and reads, each through the Dispatcher as the caller it is for."""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from pydantic import BaseModel

from aetherd.core.errors import NotFound
from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd_mcp.large import PAGES, LargeResults
from aetherd_mcp.looks import icons
from aetherd_mcp.refusals import as_protocol_errors
from aetherd_mcp.sources import JSON, SOURCES, TEXT, Source
from aetherd_mcp.toolsets import may

LONGEST = 4096  # characters of a URI
PAGE = 50  # agents, or processes, of one page
AGENT, PROCESS, OUTPUT = (
    next(source for source in SOURCES if (source.operation, source.about) == wanted)
    for wanted in (("agent.get", "agent"), ("process.get", "pid"), ("process.output", "pid"))
)
BODY = {"text", "base64", "lines"}  # fields that are the body of what is no JSON

Ask = Callable[[], Awaitable[Call]]  # who asks; raises an error of the protocol
Run = Callable[[str, dict[str, Any], Call], Awaitable[BaseModel]]
Page = tuple[list[types.Resource], str | None]


class Resources:
    """What can be read by URI."""

    def __init__(self, house: House, large: LargeResults, ask: Ask, run: Run) -> None:
        self._house, self._large, self._ask, self._run = house, large, ask, run
        self._sections = {"house": self._of_house, "agents": self._of_agents, "processes": self._of_processes}

    async def listing(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """List what there is for the caller now: the house, its agents, its living processes."""
        call = await self._ask()
        with as_protocol_errors(ctx.method):
            section, _, inner = ((params and params.cursor) or "house:").partition(":")
            if section not in self._sections:
                raise NotFound("this is no cursor of resources/list", kind="cursor", id=section[:100])
            found, more = await self._sections[section](call, inner or None)
            order = list(self._sections)
            following = order[order.index(section) + 1 :]
            cursor = f"{section}:{more}" if more else f"{following[0]}:" if following else None
            return types.ListResourcesResult(resources=found, next_cursor=cursor)

    async def templates(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """List the forms of URI the caller may read."""
        call = await self._ask()
        found = [
            types.ResourceTemplate(
                uri_template=source.template,
                name=source.operation,
                title=source.title,
                description=source.doc,
                mime_type=source.mime,
                icons=icons(source.room),
            )
            for source in self.open_to(call)
            if source.uri.variable_names
        ]
        found.append(
            types.ResourceTemplate(
                uri_template=PAGES.template,
                name="result page",
                title="A large result, page by page",
                description="Where a tool's answer that was cut goes on; the answer names it.",
                mime_type=TEXT,
                icons=icons("tool"),
            )
        )
        return types.ListResourceTemplatesResult(resource_templates=found)

    async def read(
        self, ctx: ServerRequestContext[Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Read one."""
        call = await self._ask()
        with as_protocol_errors(ctx.method, uri=params.uri):
            kept = self._large.read(params.uri, call)
            if kept is not None:
                return kept
            source, variables = self.find(params.uri)
            return _contents(params.uri, source, variables, await self._value(source, variables, call))

    async def watched(self, uri: str, call: Call) -> tuple[str, Any]:
        """Return what the events of a resource are about: its template and key; whoever may not read it may not know.

        Reading it is the check, so it goes through every guard.
        """
        source, variables = self.find(uri)
        await self._value(source, variables, call)
        if source.about == "agent":
            agent: Any = await self._run("agent.get", {"agent": variables["name"]}, call)
            return source.template, agent.id
        if source.about == "workspace":
            space: Any = await self._run("workspace.get", {"workspace": variables["workspace"]}, call)
            return source.template, space.id
        if source.about == "pid":
            return source.template, int(variables["pid"])
        return source.template, next(iter(variables.values()), None)

    def find(self, uri: str) -> tuple[Source, dict[str, Any]]:
        """Return the source of a URI and the variables in it; raises `NotFound`."""
        for source in SOURCES:
            variables = source.uri.match(uri, max_uri_length=LONGEST)
            if variables is not None:
                return source, variables
        raise NotFound(
            f"no resource {uri[:200]!r}; resources/templates/list has the forms", kind="resource", id=uri[:200]
        )

    def open_to(self, call: Call) -> list[Source]:
        """Return the sources a caller may use at all."""
        return [source for source in SOURCES if may(self._house.registry[source.operation], call)]

    async def _value(self, source: Source, variables: dict[str, Any], call: Call) -> BaseModel:
        return await self._run(source.operation, source.input(variables), call)

    # The sections of the list -----------------------------------------------------------------------

    async def _of_house(self, call: Call, cursor: str | None) -> Page:
        return [_listed(source, {}) for source in self.open_to(call) if not source.uri.variable_names], None

    async def _of_agents(self, call: Call, cursor: str | None) -> Page:
        if not may(self._house.registry["agent.list"], call):
            return [], None
        page: Any = await self._run("agent.list", {"limit": PAGE, "cursor": cursor}, call)
        found = [
            _listed(AGENT, {"name": agent.name}, f"Agent {agent.name}", agent.role, agent.created_at)
            for agent in page.agents
        ]
        return found, page.cursor

    async def _of_processes(self, call: Call, cursor: str | None) -> Page:
        if not may(self._house.registry["process.list"], call):
            return [], None
        page: Any = await self._run("process.list", {"state": "live", "limit": PAGE, "cursor": cursor}, call)
        found = []
        for process in page.processes:
            variables, named = {"pid": str(process.pid)}, f"{process.name}, process {process.pid}"
            found.append(_listed(PROCESS, variables, named, process.goal and process.goal[:200], process.phase_at))
            found.append(_listed(OUTPUT, variables, f"Output of {named}", None, None))
        return found, page.cursor


def _listed(
    source: Source,
    variables: dict[str, str],
    title: str | None = None,
    doc: str | None = None,
    modified: str | None = None,
) -> types.Resource:
    return types.Resource(
        uri=source.uri.expand(variables),
        name="/".join((source.operation, *variables.values())),
        title=title or source.title,
        description=doc or source.doc,
        mime_type=source.mime,
        icons=icons(source.room),
        annotations=types.Annotations(audience=["user", "assistant"], last_modified=modified),
    )


def _contents(uri: str, source: Source, variables: dict[str, Any], value: BaseModel) -> types.ReadResourceResult:
    """Return an output as JSON, or its body as text or bytes with the rest of it in `_meta`."""
    found: types.TextResourceContents | types.BlobResourceContents
    if source.mime == JSON:
        found = types.TextResourceContents(uri=uri, text=value.model_dump_json(), mime_type=JSON)
    else:
        output = value.model_dump(mode="json")
        rest = {name: item for name, item in output.items() if name not in BODY}
        text = "\n".join(output["lines"]) if "lines" in output else output["text"]
        guessed = source.mime or mimetypes.guess_type(str(variables["path"]))[0]
        if not text and output.get("base64"):
            mime = guessed or "application/octet-stream"
            found = types.BlobResourceContents(uri=uri, blob=output["base64"], mime_type=mime, _meta=rest)
        else:
            found = types.TextResourceContents(uri=uri, text=text, mime_type=guessed or TEXT, _meta=rest)
    return types.ReadResourceResult(contents=[found])
