"""What the supervisors of all processes share: store, record, host, adapters, and the way they end."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
from sqlmodel import col, func, select

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.core.errors import Unavailable
from aetherd.events import Hub
from aetherd.kernel.process.host import Host
from aetherd.kernel.process.models import ProcessSpawn
from aetherd.kernel.process.ports import AgentRecord, Agents, Approvals, Quotas, Skills, Templates, Workspaces
from aetherd.kernel.process.record import Record
from aetherd.kernel.process.states import LIVE, State
from aetherd.kernel.process.tables import ProcessRow
from aetherd.kernel.process.vault import Secrets, Vault
from aetherd.kernel.process.walls import HOST, Walls
from aetherd.operations.beside import Place
from aetherd.operations.doors import Doors, Relay
from aetherd.operations.errands import Mount
from aetherd.operations.gateway import own
from aetherd.operations.operation import Call
from aetherd.operations.sandboxes import HTTP_PORT
from aetherd.runtime import Door, Gateway, Runtime, Spawn
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

StepHook = Callable[[Tx, int, str | None], None]  # (tx, pid, step): the control room shows and ends leases by it
StartHook = Callable[[int, str], Awaitable[None]]  # (pid, agent): it is running and can be told things
LaunchEnv = Callable[[Place], Awaitable[Mapping[str, str]]]  # what programs of a process get in their environment
SpawnGate = Callable[[Tx, int, Call], None]  # (tx, the new pid, who spawns): raises when it may not be
# (tx, the new pid, its agent, what is wished, environment that comes from a person, who spawns): raises when it may not
SpawnRule = Callable[[Tx, int, AgentRecord, ProcessSpawn, Mapping[str, str], Call], None]
Gateways = Callable[[str, str], frozenset[str]]  # (user, org) -> providers of models that can be asked through us
RollBack = Callable[[Tx, int, str], None]  # (tx, pid, why): the hand-over ended by itself


async def _nothing(pid: int) -> None:
    """Stand for what is not wired yet."""


class Workshop:
    """The shared bench."""

    def __init__(
        self,
        *,
        store: Store,
        hub: Hub,
        clock: Clock,
        settings: Settings,
        relay: Relay,
        record: Record,
        approval: Approvals,
        doors: Doors,
        runtimes: Mapping[str, Runtime],
        agent: Agents,
    ) -> None:
        self.store, self.hub, self.clock, self.settings = store, hub, clock, settings
        self.record, self.approval, self.doors, self.runtimes = record, approval, doors, runtimes
        self.agent = agent
        self.host = Host(settings)
        self.vault = Vault(settings.home)
        self.step_hooks: list[StepHook] = []
        self.roll_back_hooks: list[RollBack] = []
        self.spawn_gates: list[SpawnGate] = []
        self.spawn_rules: list[SpawnRule] = []
        self.start_hooks: list[StartHook] = []
        self.place_hooks: list[StartHook] = []  # its place stands, and its runtime is about to be started in it
        self.launch_env: list[LaunchEnv] = []
        self.workspaces: list[Workspaces] = []
        self.skills: list[Skills] = []
        self.templates: list[Templates] = []
        self.quotas: list[Quotas] = []
        self.gateways: list[Gateways] = []
        self.address: Callable[[], str | None] = lambda: None  # where the HTTP face is served
        self.look: Callable[[int], Awaitable[None]] = _nothing  # bounds.py: tell who was killed for memory
        self.on_parked: Callable[[ProcessRow], None] = lambda row: None  # after the commit
        self.on_room: Callable[[], Awaitable[None]] | None = None  # one less runs
        self.on_closed: Callable[[ProcessRow], Awaitable[None]] | None = None
        self.relay = relay
        self.still = anyio.Lock()  # held while a tree is made to stand still or go on, with what is written of it
        self.walls = Walls(self)
        record.parks = lambda row: row.runtime in runtimes and runtimes[row.runtime].capabilities.texts

    def shim_dir(self, pid: int, incarnation: int) -> Path:
        """Return where the shim of an incarnation keeps its files."""
        return self.host.shims / f"p{pid}-{incarnation}"

    def adapter(self, name: str) -> Runtime:
        """Return a runtime adapter; `Unavailable` names those there are."""
        found = self.runtimes.get(name)
        if found is None:
            known = ", ".join(sorted(self.runtimes)) or "none"
            raise Unavailable(f"no runtime named {name!r}; there are: {known}", runtime=name)
        return found

    async def spawn_of(self, row: ProcessRow, mode: str, resume: bool) -> tuple[Spawn, Runtime]:
        """Return what the adapter needs to launch, or to decode what was launched."""
        assert row.pid is not None
        adapter = self.adapter(row.runtime)
        place = self.settings.home / "agents" / row.agent
        secrets = self.vault.take(row.secret)
        python = self.walls.python(row)
        door = Door(
            self.relay.command if python is None else (python, *self.relay.command[1:]),
            {
                "AETHER_SOCKET": str(self.walls.door(row) / "s"),
                "AETHER_TOKEN": secrets.token,
                "AETHER_AGENT": row.agent,
                "AETHER_PID": str(row.pid),
            },
        )
        spawn = Spawn(
            pid=row.pid,
            agent=row.agent,
            name=row.name,
            goal=row.goal,
            argv=tuple(json.loads(row.argv)),
            home=place / "home",
            config=place / "runtime",
            cwd=Path(row.cwd),
            env=secrets.env,
            door=door,
            python=python,
            model=row.model,
            context=row.context,
            session=row.session if resume else None,
            resume=resume,
            mode="tui" if mode == "tui" else "headless",
            idle_exit_s=self.settings.idle_exit_s,
            rows=row.rows,
            cols=row.cols,
            walled=row.tier != HOST,
            gateway=self._gateway(row, secrets),
        )
        return spawn, adapter

    def _gateway(self, row: ProcessRow, secrets: Secrets) -> Gateway | None:
        """Return the way to models; None for none, and for providers that the person gave a credential of."""
        ready = {name for look in self.gateways for name in look(row.user, row.org)} - own(secrets.env)
        where = self.address() if row.tier == HOST else f"http://127.0.0.1:{HTTP_PORT}"
        if not where or not ready:
            return None
        return Gateway(f"{where}/llm", secrets.token, frozenset(ready), frugal=row.budget_nano is not None)

    async def launching(self, row: ProcessRow, mode: str, resume: bool) -> tuple[Spawn, Runtime]:
        """Return what the adapter needs to launch: with the skills the agent has just now."""
        spawn, adapter = await self.spawn_of(row, mode, resume)
        if adapter.capabilities.skills:
            found = [skill for room in self.skills for skill in await room.skills_of(row.agent)]
            spawn = replace(spawn, skills=tuple(found))
        return spawn, adapter

    async def mounts(self, agent: str) -> Sequence[Mount]:
        """Return the shared directories an agent that is now started gets."""
        return [mount for room in self.workspaces for mount in await room.mounts_of(agent)]

    def full(self, tx: Tx) -> bool:
        """Tell, as it is written, whether as many processes run as may."""
        states = [str(state) for state in LIVE]
        query = select(func.count()).select_from(ProcessRow).where(col(ProcessRow.state).in_(states))
        return tx.session.exec(query).one() >= self.settings.max_running

    def can_change_mode(self, row: ProcessRow) -> bool:
        """Tell whether this runtime opens a TUI on its conversation."""
        return row.runtime in self.runtimes and self.runtimes[row.runtime].capabilities.takeover

    def can_rest(self, row: ProcessRow) -> bool:
        """Tell whether it goes on in its conversation after its runtime was let go of."""
        adapter = self.runtimes.get(row.runtime)
        return (
            row.session is not None and adapter is not None and adapter.capabilities.resume and self.record.parks(row)
        )

    def step(self, tx: Tx, row: ProcessRow, step: str | None) -> None:
        """Say where a hand-over is."""
        if row.step != step:
            row.step = step
            tx.session.add(row)
            assert row.pid is not None
            for hook in self.step_hooks:
                hook(tx, row.pid, step)

    async def read_row(self, pid: int) -> ProcessRow:
        """Return the row as it is committed."""
        return await self.store.read(lambda session: session.get_one(ProcessRow, pid))

    async def kill_tree(self, pid: int) -> list[int]:
        """Kill every process of the tree, also those that left its session; returns survivors."""
        identity = self.host.identity(f"p{pid}", None)
        survivors = await anyio.to_thread.run_sync(self.host.trees.kill, identity.tree, identity.marker)
        if survivors:
            logger.error("process %d: could not kill os pids %s", pid, survivors)
        else:
            await anyio.to_thread.run_sync(self.host.trees.remove, identity.tree)
        return survivors

    async def closed(self, row: ProcessRow) -> None:
        """Shut the door and forget the secrets of a process that has ended."""
        assert row.pid is not None
        await self.doors.close(row.pid)
        self.host.drop_door(row.pid)
        self.vault.drop(row.secret)
        await self.walls.drop(row)
        await anyio.to_thread.run_sync(self.host.forget_pool, f"p{row.pid}")
        if self.on_closed is not None:
            await self.on_closed(row)

    async def rest(self, row: ProcessRow) -> None:
        """Let go of the walls of a process that has no runtime for a while, unless something stands beside it."""
        if await anyio.to_thread.run_sync(self.host.forget_pool, f"p{row.pid}"):
            await self.walls.drop(row)

    def live(self, row: ProcessRow) -> bool:
        """Tell whether a supervisor shall attend the row."""
        return State(row.state) not in (State.EXITED, State.LOST, State.QUEUED, State.CREATED)
