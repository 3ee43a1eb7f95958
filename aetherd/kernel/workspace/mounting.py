"""How agents come by workspaces: what is written of it, and what the process room asks at a start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import func, select

from aetherd.core.errors import Exhausted, NotFound
from aetherd.kernel.workspace.access import Access
from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.events import WorkspaceMounted
from aetherd.kernel.workspace.ports import Identity
from aetherd.kernel.workspace.queries import View
from aetherd.kernel.workspace.tables import MountRow, WorkspaceRow
from aetherd.kernel.workspace.watcher import Watcher
from aetherd.operations.operation import Call
from aetherd.store import Tx

MOUNTS = 200  # of one workspace
TOLD = 10  # workspaces an agent is told of at its start


@dataclass(frozen=True, slots=True)
class Wanted:
    """A workspace an agent is to be run in."""

    id: str
    path: Path
    note: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A workspace as a starting process gets it."""

    path: Path
    readonly: bool
    gid: int | None


class Mounting:
    """What the process room gets in its list of workspaces."""

    def __init__(
        self, book: Book, watcher: Watcher, view: View, access: Access, ground: Path, now: Callable[[], str]
    ) -> None:
        self._book, self._watcher, self._view, self._access = book, watcher, view, access
        self._ground, self._now = ground, now

    def mount(self, tx: Tx, row: WorkspaceRow, agent: Identity, mode: str, call: Call) -> MountRow:
        """Write that an agent has a workspace, or has it in another mode."""
        mount = tx.session.get(MountRow, (row.id, agent.id))
        if mount is None:
            count = select(func.count()).select_from(MountRow).where(MountRow.workspace == row.id)
            if tx.session.exec(count).one() >= MOUNTS:
                raise Exhausted(f"{MOUNTS} agents have workspace {row.name}; unmount one first")
            mount = MountRow(
                workspace=row.id, agent=agent.id, name=agent.name, mode="", created_at="", created_by=call.actor
            )
        if mount.mode != mode:
            mount.mode, mount.created_at = mode, self._now()
            mount.uid = agent.uid if self._watcher.own_uids else None
            self._book.put_mount(tx, mount)
            live = self._view.mounted(row, mount).live
            tx.emit(WorkspaceMounted(agent=agent.id, workspace=row.id, name=row.name, mode=mode, live=live))
        return mount

    async def wanted(self, ref: str, agent: str | None, call: Call) -> Wanted:
        """Return a workspace in which the caller may run an agent."""
        row = await self._access.usable(ref, call)
        note = "" if agent in self._book.mounts[row.id] else self._told([(row, "rw")])
        return Wanted(row.id, self._ground / row.id, note)

    def mount_in(self, tx: Tx, workspace: str, agent: Identity, call: Call) -> None:
        """Mount it for an agent that is spawned, if it is not yet; it may do there what its spawner may."""
        row = self._book.rows.get(workspace)
        if row is None:
            raise NotFound("the workspace was removed meanwhile", kind="workspace", id=workspace)
        if tx.session.get(MountRow, (workspace, agent.id)) is None:
            own = self._book.mounts[workspace].get(call.agent or "")
            self.mount(tx, row, agent, "rw" if own is None else own.mode, call)

    async def mounts_of(self, agent: str) -> Sequence[Mount]:
        """Return what a process of an agent gets that is started now."""
        found = []
        for row, mount in list(self._book.of_agent(agent)):
            await self._watcher.ready(row.id)
            gid = row.gid if self._watcher.own_uids else None
            found.append(Mount(self._ground / row.id, mount.mode == "ro", gid))
        return found

    async def context(self, agent: str, user: str, org: str, goal: str | None) -> str:
        """Tell a starting agent which workspaces it has."""
        return self._told([(row, mount.mode) for row, mount in self._book.of_agent(agent)][:TOLD])

    def _told(self, found: Sequence[tuple[WorkspaceRow, str]]) -> str:
        if not found:
            return ""
        lines = [
            f"- {row.name} ({'read and write' if mode == 'rw' else 'only look'}): {self._ground / row.id}"
            + (f": {' '.join(row.description.split())[:200]}" if row.description else "")
            for row, mode in found
        ]
        return (
            "Workspaces you share with other agents (before you change files there, reserve them with "
            "aether_workspace_reserve, found by aether_tool_search):\n" + "\n".join(lines)
        )
