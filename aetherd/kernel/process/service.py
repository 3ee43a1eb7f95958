"""Processes: runs of agents, each supervised, each outliving the daemon."""

from __future__ import annotations

import math
import signal as signals
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.core.errors import Conflict, Forbidden, NotFound
from aetherd.events import Hub
from aetherd.kernel.process import housekeeping, queries, spawning
from aetherd.kernel.process import models as m
from aetherd.kernel.process.beside import Beside
from aetherd.kernel.process.bounds import Bounds
from aetherd.kernel.process.errands import Errands
from aetherd.kernel.process.events import ProcessPriorityChanged
from aetherd.kernel.process.money import bounded_in, metered_in
from aetherd.kernel.process.output import read_part, stream_output
from aetherd.kernel.process.ports import Agents, Approvals, Tokens
from aetherd.kernel.process.record import EndHook, Record, RunHook
from aetherd.kernel.process.roster import Living, Roster
from aetherd.kernel.process.standstill import Standstill
from aetherd.kernel.process.states import ENDED, Phase, State
from aetherd.kernel.process.tables import ProcessRow
from aetherd.kernel.process.wish import Words, understood
from aetherd.kernel.process.workshop import Workshop
from aetherd.operations.doors import Doors, Relay
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.runtime import Runtime
from aetherd.store import Store, Tx

LAUNCH_S = 10.0  # how long spawn waits for the first launch before it answers `starting`
SETTLE_S = 1.0  # file times and our clock may differ by a tick
QUEUED_S, PARKED_S = 0.1, 1.0  # between looks at a process that nobody supervises yet
ONE = Subject("process", "pid")

InputGate = Callable[[int, Call | None], str | None]


class ProcessService:
    """The process table, its supervisors and their operations."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        settings: Settings,
        doors: Doors,
        relay: Relay,
        lifecycle: Lifecycle,
        runtimes: Mapping[str, Runtime],
        agent: Agents,
        token: Tokens,
        approval: Approvals,
    ) -> None:
        self._store, self._clock, self._settings = store, clock, settings
        self._lifecycle = lifecycle
        self._agent, self._token, self._approval = agent, token, approval
        self.input_gates: list[InputGate] = []  # (pid, call) -> why it may not be told anything now
        self.holders: list[Callable[[int], str | None]] = []  # pid -> the person who holds its keyboard
        self.wishes: list[Callable[[int], str | None]] = []  # pid -> why its agent asks for a person
        self.renewals: list[Callable[[int, Call | None], None]] = []  # the holder was seen
        self._words = Words()
        self.context_sources, self.notes = self._words.sources, self._words.notes
        self.end_hooks: list[EndHook] = []
        self.run_hooks: list[RunHook] = []
        self._record = Record(clock, approval, token, self.end_hooks, self.run_hooks)
        self._w = Workshop(
            store=store,
            hub=hub,
            clock=clock,
            settings=settings,
            record=self._record,
            approval=approval,
            doors=doors,
            relay=relay,
            runtimes=runtimes,
            agent=agent,
        )
        self.step_hooks, self.roll_back_hooks = self._w.step_hooks, self._w.roll_back_hooks
        self.launch_env, self.place_hooks = self._w.launch_env, self._w.place_hooks
        self.start_hooks, self.workspaces = self._w.start_hooks, self._w.workspaces
        self.templates, self.skills = self._w.templates, self._w.skills
        self.spawn_gates, self.spawn_rules, self.costs = self._w.spawn_gates, self._w.spawn_rules, queries.costs
        self.text_hooks = self._record.text_hooks
        self._wire = queries.Wire(runtimes, self._holder_of, self._wish_of, approval.pending)
        self.runs, self.tool_calls = queries.runs, queries.tool_calls  # of an agent
        self._roster = Roster(self._w)
        beside = Beside(self._w)
        self.place_of, self.terminal_dir = beside.place_of, beside.terminal_dir
        self.start_beside, self.end_beside = beside.start_beside, beside.end_beside
        walls = self._w.walls
        self.sandboxes, self.open_ports, self.devices = walls.sandboxes, walls.open_ports, walls.devices
        self.errands, self.mounts = Errands(self._w), self._w.mounts
        self.bounds, self.quotas = Bounds(self._w, self._roster.poke), self._w.quotas
        self.gateways = self._w.gateways
        served = f"http://{settings.host}:{settings.port}" if settings.port else None
        self._w.address = lambda: lifecycle.address or served
        self.oom_hooks, self.metered_in, self.bounded_in = self.bounds.oom_hooks, metered_in, bounded_in
        self.still = Standstill(self._w)

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a process; take a person's answers to it; keep agents that run from being removed."""
        return {
            "owners.process": self.owner,
            "approval.decision_hooks": self.answered,
            "approval.question_hooks": self.asked,
            "agent.removal_gates": self._unused,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Re-adopt every living process before anything else happens."""
        await self._w.host.start()
        self._lifecycle.own_uids = self._w.host.own_uids
        try:
            async with self._roster.running(), anyio.create_task_group() as group:
                group.start_soon(housekeeping.sweep, self._w)
                group.start_soon(self.bounds.watch)
                yield
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._w.host.stop()

    # Spawning ----------------------------------------------------------------------------------------

    @operation("process.spawn", access=Subject("agent", "agent"), positional=())
    async def spawn(self, input: m.ProcessSpawn, call: Call) -> m.Process:
        """Start an agent in a runtime and give it its goal, in one durable step.

        It runs on its own from here: it survives a restart of aetherd. Follow it with process.wait,
        process.timeline and process.result; talk to it with process.send.
        """
        return await self._spawn(input, call)

    async def start(self, call: Call, also: spawning.Also, past: spawning.Past | None = None, **wish: Any) -> m.Process:
        """Spawn for another room, which writes something in the same transaction; keywords as in process.spawn."""
        return await self._spawn(m.ProcessSpawn(**wish), call, also, past)

    async def _spawn(
        self,
        input: m.ProcessSpawn,
        call: Call,
        also: spawning.Also | None = None,
        past: spawning.Past | None = None,
    ) -> m.Process:
        start = await understood(self._w, self._agent, self._words, input, call)
        row = await spawning.accept(self._w, self._agent, self._token, start, call, also, past)
        assert row.pid is not None
        if row.state == State.QUEUED:
            await self._roster.admit()  # room may have come in between
            return await self._get(row.pid)
        supervisor = self._roster.supervise(row)
        with anyio.move_on_after(LAUNCH_S):
            await supervisor.launched.wait()
        if supervisor.failure is not None:
            supervisor.failure.data.setdefault("pid", row.pid)
            raise supervisor.failure
        if supervisor.row.state == State.RUNNING and supervisor.incarnation is not None:
            return self._wire.fresh(supervisor.row, supervisor.incarnation)
        return await self._get(row.pid)

    # Reading -----------------------------------------------------------------------------------------

    @operation("process.list", effect=Effect.READ, access=Rule.OWN)
    async def list_processes(self, input: m.ProcessList, call: Call) -> m.Processes:
        """List processes, newest first; an agent sees its own and those it spawned."""

        def query(session: Session) -> m.Processes:
            rows = queries.page(
                session, call, state=input.state, agent=input.agent, cursor=input.cursor, limit=input.limit + 1
            )
            more = len(rows) > input.limit
            rows = rows[: input.limit]
            return m.Processes(
                processes=self._wire.processes(session, rows), cursor=str(rows[-1].pid) if more else None
            )

        return await self._store.read(query)

    @operation("process.get", effect=Effect.READ, access=ONE, positional=("pid",))
    async def get(self, input: m.ProcessRef, call: Call) -> m.Process:
        """Show one process: state, phase, exit, cost, and where each is known from."""
        return await self._get(input.pid)

    @operation("process.tree", effect=Effect.READ, access=ONE, positional=("pid",))
    async def tree(self, input: m.OwnProcessRef, call: Call) -> m.ProcessTree:
        """Show who spawned whom; with a pid also the kernel's processes under it."""

        def query(session: Session) -> list[m.Process]:
            rows = queries.page(session, call, state=None, agent=None, cursor=None, limit=500)
            return self._wire.processes(session, rows)

        roots = queries.forest(await self._store.read(query))
        if input.pid is None:
            return m.ProcessTree(roots=roots, os_pids=[])
        found = queries.find(roots, input.pid)
        return m.ProcessTree(roots=[found] if found else [], os_pids=sorted(await self._members(input.pid)))

    @operation("process.timeline", effect=Effect.READ, access=ONE, positional=("pid",))
    async def timeline(self, input: m.Timeline, call: Call) -> m.TimelineEvents:
        """Show what a process did: thoughts, texts, tool calls and results, approvals, state changes."""
        return await self._store.read(lambda session: queries.timeline(session, input))

    @operation("process.wait", effect=Effect.READ, access=ONE, positional=("pid",), long=True)
    async def wait(self, input: m.ProcessWait, call: Call) -> AsyncIterator[m.ProcessResult]:
        """Wait until a process has its result, or has ended; outcome `running` means the time was up."""
        row = await self._row(input.pid)
        last = None
        until = anyio.current_time() + input.timeout_s
        # No cancel scope around a yield: it would end whatever the reader does at that moment.
        while not self._done(row, input.until) and (left := until - anyio.current_time()) > 0:
            supervisor = self._roster.get(input.pid)
            changed = supervisor.changed if supervisor is not None else None
            row = await self._row(input.pid)
            if self._done(row, input.until):
                break
            if row.phase != last:
                last = row.phase
                if call.progress is not None:
                    await call.progress(0, None, f"{row.state}, {row.phase or 'starting'}")
                yield queries.result_of(row, [])
            if changed is None:
                await anyio.sleep(min(QUEUED_S if row.limited_until is None else PARKED_S, left))
            else:
                with anyio.move_on_after(min(5, left)):
                    await changed.wait()
            row = await self._row(input.pid)
        yield await self._result(await self._row(input.pid))

    @operation("process.result", effect=Effect.READ, access=ONE, positional=("pid",))
    async def result(self, input: m.ProcessRef, call: Call) -> m.ProcessResult:
        """Show what came of a process: final text, outcome, cost, files changed."""
        return await self._result(await self._row(input.pid))

    @operation("process.output", effect=Effect.READ, access=ONE, positional=("pid",))
    async def output(self, input: m.ProcessOutput, call: Call) -> AsyncIterator[m.OutputPart]:
        """Read what a process printed, from an absolute byte offset."""
        row = await self._row(input.pid)
        number = input.incarnation or row.incarnation
        if not 1 <= number <= row.incarnation:
            raise NotFound(f"process {input.pid} has no incarnation {number}", kind="incarnation", id=number)
        directory = self._w.shim_dir(input.pid, number)
        if input.follow and not input.stderr:
            async for part in stream_output(directory, input, number):
                yield part
        else:
            yield await read_part(directory, input, number)

    @operation("process.whoami", effect=Effect.READ, access=Rule.ANYONE)
    async def whoami(self, input: m.Nothing, call: Call) -> m.Whoami:
        """Show who you are: your agent, process, home, scopes."""
        row = None if call.pid is None else await self._row(call.pid)
        home = None if call.agent is None else str(self._settings.home / "agents" / call.agent / "home")
        return m.Whoami(
            actor=call.actor,
            agent=call.agent,
            name=row.name if row else None,
            pid=call.pid,
            runtime=row.runtime if row else None,
            home=home,
            user=call.user,
            org=call.org,
            toolset=call.toolset,
            scopes=sorted(call.scopes),
            tools=None if call.tools is None else sorted(call.tools),
        )

    # Acting ------------------------------------------------------------------------------------------

    @operation("process.send", access=ONE, positional=("pid", "text"))
    async def send(self, input: m.ProcessSend, call: Call) -> m.Sent:
        """Tell a running agent something; it is delivered at most once, by the runtime's own protocol."""
        self._gate(input.pid, call)
        row = await self._living(input.pid)
        if not self._w.adapter(row.runtime).capabilities.texts:
            raise Conflict(
                f"runtime {row.runtime} takes no text from aetherd; type in its terminal (terminal.send)", pid=input.pid
            )

        def work(tx: Tx) -> str:
            fresh = self._record.row(tx, input.pid)
            return self._record.add_input(tx, fresh, "say", input.text, by=call.actor, priority=input.priority).id

        key = await self._store.write(work)
        self._roster.poke(input.pid)
        return m.Sent(id=key, pid=input.pid, state="queued")

    @operation("process.interrupt", access=ONE, positional=("pid",))
    async def interrupt(self, input: m.ProcessRef, call: Call) -> m.Process:
        """Stop the current turn; the process lives on and waits for input."""
        self._gate(input.pid, call)
        row = await self._living(input.pid)
        if self._w.adapter(row.runtime).capabilities.interrupt:
            await self._store.write(
                lambda tx: (
                    self._record.add_input(tx, self._record.row(tx, input.pid), "interrupt", "", by=call.actor).id
                )
            )
            self._roster.poke(input.pid)
        else:
            await self._signal_tree(input.pid, signals.SIGINT)
        return await self._get(input.pid)

    @operation("process.pause", access=ONE, positional=("pid",))
    async def pause(self, input: m.ProcessRef, call: Call) -> m.Process:
        """Freeze every process of its tree where it stands."""
        row = await self._living(input.pid)
        if row.state == State.PAUSED:
            return await self._get(input.pid)
        await self.bounds.freeze(input.pid, f"paused by {call.actor}", "user")
        self._roster.poke(input.pid)
        return await self._get(input.pid)

    @operation("process.resume", access=ONE, positional=("pid",))
    async def resume(self, input: m.ProcessRef, call: Call) -> m.Process:
        """Thaw a paused process: it goes on exactly where it was; one that waits for a usage limit tries again now."""
        row = await self._living(input.pid)
        if row.limited_until is not None and row.state != State.PAUSED:
            await self._roster.waking.wake(input.pid)
            return await self._get(input.pid)
        if row.state != State.PAUSED:
            raise Conflict(f"process {input.pid} is {row.state}, not paused", state=row.state, pid=input.pid)
        identity = self._w.host.identity(f"p{input.pid}", None)
        with anyio.CancelScope(shield=True):
            async with self._w.still:
                await anyio.to_thread.run_sync(self._w.host.trees.thaw, identity.tree, identity.marker)
                await self._store.write(lambda tx: self._to(tx, input.pid, State.RUNNING, f"resumed by {call.actor}"))
        self._roster.poke(input.pid)
        if (supervisor := self._roster.get(input.pid)) is not None:
            await supervisor.welcome()
        self._roster.waking.look()
        return await self._get(input.pid)

    @operation("process.signal", access=ONE, positional=("pid", "signal"))
    async def signal(self, input: m.ProcessSignal, call: Call) -> m.Signalled:
        """Send a signal to every process of its tree."""
        if input.signal in ("STOP", "CONT"):
            await (self.pause if input.signal == "STOP" else self.resume)(m.ProcessRef(pid=input.pid), call)
            return m.Signalled(pid=input.pid, signal=input.signal, processes=len(await self._members(input.pid)))
        row = await self._living(input.pid)
        if input.signal == "KILL" and call.agent is not None:
            raise Forbidden("agents use process.kill, which asks a person, or send TERM", signal="KILL")
        if input.signal in ("TERM", "KILL") and row.state == State.QUEUED:  # no runtime that could hear it
            await self._roster.kill(input.pid, call.actor)
            return m.Signalled(pid=input.pid, signal=input.signal, processes=0)
        if input.signal in ("TERM", "KILL"):
            await self._store.write(lambda tx: self._roster.stopping(tx, input.pid, call.actor))
            self._roster.poke(input.pid)
        count = await self._signal_tree(input.pid, signals.Signals[f"SIG{input.signal}"])
        return m.Signalled(pid=input.pid, signal=input.signal, processes=count)

    @operation("process.kill", effect=Effect.DESTROY, access=ONE, positional=("pid",), scope="process:write")
    async def kill(self, input: m.ProcessRef, call: Call) -> m.Process:
        """Stop a process and everything it started at once, without letting it save."""
        row = await self._row(input.pid)
        if State(row.state) in ENDED:
            raise Conflict(f"process {input.pid} has ended already ({row.state})", state=row.state, pid=input.pid)
        await self._roster.kill(input.pid, call.actor)
        return await self._get(input.pid)

    @operation("process.set_priority", access=ONE, positional=("pid", "priority"))
    async def set_priority(self, input: m.SetPriority, call: Call) -> m.Process:
        """Change how soon a queued process starts."""
        await self._row(input.pid)

        def work(tx: Tx) -> None:
            row = self._record.row(tx, input.pid)
            row.priority = input.priority
            tx.session.add(row)
            tx.emit(ProcessPriorityChanged(pid=row.pid, agent=row.agent, priority=input.priority))

        await self._store.write(work)
        return await self._get(input.pid)

    # For other rooms ---------------------------------------------------------------------------------

    async def owner(self, key: int) -> Owner:
        """Return whose a process is."""
        row = await self._row(int(key))
        return Owner(row.agent, row.user, row.org, row.parent_agent)

    def at_work(self, agent: str) -> list[int]:
        """Return the pids of an agent's processes that are supervised."""
        return [supervisor.pid for supervisor in self._roster.of_agent(agent)]

    async def deliver(self, agent: str, text: str, priority: str, key: str, by: str) -> bool:
        """Tell an agent's running process something, once per key; False when none can take it now."""
        pids = self.at_work(agent)
        return bool(pids) and await self._store.write(
            lambda tx: self.deliver_in(tx, pids, text=text, priority=priority, key=key, by=by)
        )

    def deliver_in(self, tx: Tx, pids: Sequence[int], *, text: str, priority: str, key: str, by: str) -> bool:
        """Tell the first of some processes that can take it, inside the caller's transaction.

        It is then on its way: `text_hooks` say, in the transactions in which it gets on, how far it is.
        """
        for pid in pids:
            row = self._record.row(tx, pid)
            fit = row.state in (State.RUNNING, State.STARTING) and row.want == "headless"
            if fit and self._w.adapter(row.runtime).capabilities.texts:
                item = self._record.add_input(tx, row, "say", text, by=by, priority=priority, key=key)
                if item.state == "failed":
                    raise Conflict(f"runtime {row.runtime} of process {pid} cannot be told this", pid=pid)
                tx.after(partial(self._roster.poke, pid))
                return True
        return False

    async def limit_seen(self, pid: int, resets_at: datetime | None) -> None:
        """Note when a process's limit lifts, as its runtime was told; None: it is answered again."""
        await self._roster.waking.seen(pid, resets_at)

    def living(self, agent: str) -> list[Living]:
        """Return an agent's processes that run."""
        return self._roster.living(agent)

    def answered(self, tx: Tx, pid: int, decision: Mapping[str, Any]) -> None:
        """Queue a person's answer to a runtime's question in the same transaction."""
        row = self._record.row(tx, pid)
        if State(row.state) not in ENDED:
            self._record.answer(tx, row, decision)
            tx.after(lambda: self.poke(pid))

    def asked(self, tx: Tx, pid: int) -> None:
        """Show whether an agent waits: it asked a person something, or a question of its was answered or closed."""
        row = self._record.row(tx, pid)
        if State(row.state) not in ENDED:
            self._record.questions(tx, row)
            tx.after(lambda: self.poke(pid))

    def want_in(self, tx: Tx, pid: int, mode: str) -> str:
        """Set the mode a process shall be in, inside the caller's transaction; returns the kind of hand-over.

        `tui`: its runtime opens a TUI on the same conversation. `keyboard`: it has a PTY, the keyboard moves.
        """
        row = self._record.row(tx, pid)
        if State(row.state) in ENDED:
            raise Conflict(f"process {pid} has ended ({row.state})", state=row.state, pid=pid)
        if row.state == State.PAUSED:
            raise Conflict(f"process {pid} is paused; resume it first", state=row.state, pid=pid)
        if not self._w.can_change_mode(row):
            if mode == "tui":
                self._record.phase(tx, row, Phase.CONTROLLED, source="user")
            elif row.phase == Phase.CONTROLLED:
                self._record.phase(tx, row, Phase.EXECUTING, source="process")
            return "keyboard"
        if mode == "tui" and row.session is None and self._record.was_told(tx, pid):
            raise Conflict(f"process {pid} has no conversation yet; try again in a moment", pid=pid, soon=True)
        row.want = mode
        tx.session.add(row)
        if mode == "tui" and row.state == State.QUEUED and row.incarnation:  # parked, and a person wants it now
            self._record.state(tx, row, State.STARTING, source="user")
            tx.after(partial(self._roster.waking.take_up, row))
        return "tui"

    def poke(self, pid: int) -> None:
        """Have the supervisor look at its row again (after the commit)."""
        self._roster.poke(pid)

    def tell_in(self, tx: Tx, pid: int, text: str, by: str) -> None:
        """Queue a text for the agent inside the caller's transaction; sent when it is headless."""
        self._record.add_input(tx, self._record.row(tx, pid), "say", text, by=by)

    def ask_person_in(self, tx: Tx, pid: int, reason: str) -> None:
        """Show inside the caller's transaction that the agent waits for a person."""
        self._record.phase(tx, self._record.row(tx, pid), Phase.WAITING_INPUT, reason=reason)

    async def moved(self, pid: int) -> None:
        """Return when something about the process changed, at the latest after a second."""
        supervisor = self._roster.get(pid)
        with anyio.move_on_after(1.0):
            await (supervisor.changed.wait() if supervisor is not None else anyio.sleep(1.0))

    async def may_type(self, pid: int, call: Call | None) -> str | None:
        """Say why the caller may not type into a process's own screen; None when it may."""
        holder = self._holder_of(pid)
        if holder is not None:
            if call is not None and call.actor == holder:
                for renew in self.renewals:
                    renew(pid, call)
                return None
            return f"{holder} has control of process {pid}"
        supervisor = self._roster.get(pid)
        if supervisor is not None and not self._w.can_change_mode(supervisor.row):
            return None  # nothing to hand over: asked with every key, so without a look at the database
        row = await self._row(pid)
        if row.step is not None or row.want == "tui":
            return f"process {pid} is being handed back to its agent"
        if self._w.can_change_mode(row):
            return f"take process {pid} over first (control.acquire)"
        return None

    def dismiss(self, pid: int) -> None:
        """Let a process end by itself as soon as it rests, instead of after an idle time."""
        if (supervisor := self._roster.get(pid)) is not None:
            supervisor.dismiss()

    async def row_of(self, pid: int) -> ProcessRow:
        """Return a process's row, read-only."""
        return await self._row(pid)

    def health(self) -> dict[str, Any]:
        """Say whether agents are separated from us and from one another."""
        host = self._w.host
        ok = host.own_uids
        detail = (
            "" if ok else f"agents run under the daemon's own uid and could read the owner's token: {host.why_shared}"
        )
        return {"ok": ok, "detail": detail, "trees": host.trees.mechanism, "running": len(self._roster)}

    def limited(self, session: Session) -> int:
        """Count the processes that wait for a usage limit."""
        return queries.limited(session)

    def counts(self, session: Session) -> dict[str, int]:
        """Count processes by state."""
        return queries.counts(session)

    async def stop(self, pid: int, why: str) -> None:
        """End a process because of a limit of it."""
        await self._living(pid)
        await self._roster.kill(pid, why)

    async def shutdown_agents(self, actor: str) -> int:
        """End every living process; for `aetherctl down --agents`."""
        return await self._roster.kill_all(actor)

    # Inside ------------------------------------------------------------------------------------------

    def _to(self, tx: Tx, pid: int, state: State, reason: str) -> None:
        self._record.state(tx, self._record.row(tx, pid), state, source="user", reason=reason)

    async def _signal_tree(self, pid: int, number: signals.Signals) -> int:
        identity = self._w.host.identity(f"p{pid}", None)
        return await anyio.to_thread.run_sync(self._w.host.trees.signal, identity.tree, identity.marker, int(number))

    async def _members(self, pid: int) -> list[int]:
        identity = self._w.host.identity(f"p{pid}", None)
        return await anyio.to_thread.run_sync(self._w.host.trees.members, identity.tree, identity.marker)

    def _gate(self, pid: int, call: Call) -> None:
        for gate in self.input_gates:
            if reason := gate(pid, call):
                raise Conflict(reason, pid=pid)

    def _wish_of(self, pid: int) -> str | None:
        return next((wish for find in self.wishes if (wish := find(pid))), None)

    def _holder_of(self, pid: int) -> str | None:
        return next((holder for find in self.holders if (holder := find(pid))), None)

    async def _get(self, pid: int) -> m.Process:
        def query(session: Session) -> m.Process:
            return self._wire.processes(session, [session.get_one(ProcessRow, pid)])[0]

        return await self._store.read(query)

    async def _row(self, pid: int) -> ProcessRow:
        row = await self._store.read(lambda session: session.get(ProcessRow, pid))
        if row is None:
            raise NotFound(f"no process {pid}; process.list shows those there are", kind="process", id=pid)
        return row

    async def _living(self, pid: int) -> ProcessRow:
        row = await self._row(pid)
        if State(row.state) in ENDED:
            raise Conflict(f"process {pid} has ended ({row.state})", state=row.state, pid=pid)
        return row

    def _unused(self, session: Session, agent: str) -> None:
        ended = [str(state) for state in ENDED]
        query = select(ProcessRow.pid).where(ProcessRow.agent == agent, col(ProcessRow.state).not_in(ended))
        pid = session.exec(query).first()
        if pid is not None:  # also one that is queued, or that nobody attends just now
            raise Conflict(f"it runs as process {pid}; end that first", pid=pid)

    def _done(self, row: ProcessRow, until: str) -> bool:
        return State(row.state) in ENDED or (until == "result" and row.outcome != "running")

    async def _result(self, row: ProcessRow) -> m.ProcessResult:
        begun = datetime.fromisoformat(row.created_at).timestamp()
        ended = datetime.fromisoformat(row.exited_at).timestamp() + SETTLE_S if row.exited_at else math.inf
        changed = await anyio.to_thread.run_sync(queries.changed_files, Path(row.cwd), begun, row.uid, ended)
        return queries.result_of(row, changed)
