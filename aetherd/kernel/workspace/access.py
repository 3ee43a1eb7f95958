"""Who may do what with which workspace: who made it, a person, and for use whoever has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aetherd.core.errors import Forbidden, Invalid, NotFound
from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.ports import Agents, Files, Identity
from aetherd.kernel.workspace.reservations import Party
from aetherd.kernel.workspace.tables import WorkspaceRow
from aetherd.kernel.workspace.use import Use
from aetherd.kernel.workspace.watcher import Watcher
from aetherd.operations.operation import Call, Owner


class Access:
    """Finds workspaces, and what a caller is in them."""

    def __init__(
        self, book: Book, watcher: Watcher, agents: Agents, files: Files, ground: Path, now: Callable[[], str]
    ) -> None:
        self._book, self._watcher, self._agents, self._files = book, watcher, agents, files
        self._ground, self._now = ground, now

    def named(self, ref: str, user: str, org: str) -> WorkspaceRow:
        """Return a living workspace of that user by id or name."""
        rows = self._book.rows
        for row in (rows[ref], *rows.values()) if ref in rows else rows.values():
            if (row.user, row.org) == (user, org) and ref in (row.id, row.name):
                return row
        raise NotFound(f"no workspace {ref!r}; workspace.list shows those there are", kind="workspace", id=ref)

    async def owner(self, row: WorkspaceRow) -> Owner:
        """Return whose it is: the agent's that made it, or a person's."""
        if row.agent is not None:
            try:
                return await self._agents.owner(row.agent)
            except NotFound:  # the agent was removed
                return Owner(row.agent, row.user, row.org)
        return Owner(None, row.user, row.org)

    async def sees(self, row: WorkspaceRow, call: Call) -> bool:
        """Tell whether the caller has it, made it, or is the person it belongs to."""
        if (row.user, row.org) != (call.user, call.org):
            return False
        return call.agent is None or call.agent in self._book.mounts[row.id] or call.owns(await self.owner(row))

    async def usable(self, ref: str, call: Call) -> WorkspaceRow:
        """Return a workspace the caller sees."""
        row = self.named(ref, call.user, call.org)
        if not await self.sees(row, call):
            raise Forbidden(
                f"workspace {ref} is not mounted for you; ask who made it to workspace.mount it", kind="workspace"
            )
        return row

    async def workspace_id(self, ref: str, call: Call) -> str:
        """Return the id of a workspace the caller sees."""
        return (await self.usable(ref, call)).id

    def workspaces_of(self, agent: str) -> list[str]:
        """Return the ids of the workspaces an agent has or made."""
        return [row.id for row in self._book.rows.values() if row.agent == agent or agent in self._book.mounts[row.id]]

    async def target(self, ref: str | None, call: Call) -> Identity:
        """Return the agent that is meant, by default the caller."""
        if ref is None and call.agent is None:
            raise Invalid("which agent? name one with `agent`", field="agent")
        return await self._agents.find(ref or str(call.agent), call)

    async def may_give(self, row: WorkspaceRow, target: Identity, mode: str, call: Call) -> None:
        """Refuse to give a workspace: who only has it gives it to agents it made, and no more than it has."""
        if call.owns(await self.owner(row)):
            return
        own = self._book.mounts[row.id].get(call.agent or "")
        if own is None or target.parent != call.agent:
            raise Forbidden(
                f"workspace {row.name} is another's: you may give it only to agents you made", kind="workspace"
            )
        if own.mode == "ro" and mode == "rw":
            raise Forbidden("you may only look at it yourself; give it with mode ro", kind="workspace", id=row.id)

    async def may_take(self, row: WorkspaceRow, target: Identity, call: Call) -> None:
        """Refuse to take a workspace from an agent of somebody else."""
        if call.agent not in (target.id, target.parent) and not call.owns(await self.owner(row)):
            raise Forbidden(f"agent {target.name} is not yours", kind="agent", id=target.id)

    async def party(self, row: WorkspaceRow, call: Call, *, write: bool = False) -> Party:
        """Return as whom the caller reserves and writes."""
        if call.agent is None:
            return Party(None, call.actor.removeprefix("user:"))
        mount = self._book.mounts[row.id].get(call.agent)
        if mount is None:  # it made it, or an agent it made did, and does not have it itself
            return Party(call.agent, (await self._agents.find(call.agent, call)).name)
        if write and mount.mode == "ro":
            raise Forbidden(f"you may only look at workspace {row.name}: it is mounted ro", kind="workspace", id=row.id)
        return Party(call.agent, mount.name)

    async def use(self, row: WorkspaceRow, call: Call, party: Party) -> Use:
        """Return a workspace as the caller uses it through the fs room."""
        uid = None
        if self._watcher.own_uids:
            uid = row.gid if call.agent is None else (await self._agents.find(call.agent, call)).uid
        return Use(row, self._ground / row.id, uid, party, self._book, self._watcher, self._now)

    async def path(self, row: WorkspaceRow, call: Call, path: str) -> str:
        """Return the one name of a path; one that is absolute and in the workspace is fine too."""
        place = self._ground / row.id
        inner = path.removeprefix(str(place)).lstrip("/") if path.startswith(f"{place}/") else path
        found = await self._files.canonical(await self.use(row, call, await self.party(row, call)), inner or ".")
        try:
            found.encode()
        except UnicodeEncodeError:
            raise Invalid("path is not valid Unicode", field="path") from None
        return found
