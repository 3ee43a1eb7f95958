"""What agents may reach from their sandboxes, enforced outside of them, and a record of what they tried."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import origin
from aetherd.core.errors import AetherError, Forbidden, Invalid
from aetherd.core.model import NEWEST, position
from aetherd.kernel.network import events
from aetherd.kernel.network import models as m
from aetherd.kernel.network.book import Book
from aetherd.kernel.network.fetching import Fetched, fetched
from aetherd.kernel.network.gates import Gates
from aetherd.kernel.network.ports import Agents, Env, Identity, Processes, Wish
from aetherd.kernel.network.rules import HERE, Policy, as_address, policy, wished
from aetherd.kernel.network.tables import PolicyRow, RequestRow
from aetherd.kernel.network.way import Way, Who
from aetherd.operations.doors import Doors
from aetherd.operations.operation import Call, Effect, Subject, operation
from aetherd.operations.sandboxes import HTTP_PORT, PROXY_PORT
from aetherd.store import Store, Tx

MINE = Subject("agent", "agent")
LAST_S = 2.0  # for the last notes to be written
OURS = {HTTP_PORT, PROXY_PORT}  # taken inside every sandbox


class NetworkService:
    """Keeps policies, serves the way out at every door, and keeps the record."""

    def __init__(
        self, store: Store, settings: Settings, clock: Clock, doors: Doors, agent: Agents, process: Processes
    ) -> None:
        self._store, self._clock, self._doors = store, clock, doors
        self._agents, self._process = agent, process
        self._default = wished(settings.network)
        self._known: dict[str, Policy] = {}
        self._is_read, self._reading = False, anyio.Lock()
        self._book = Book(store, clock)
        self.way = Way(self.policy_of, self._book)

    def offers(self) -> Mapping[str, Any]:
        """Say at a spawn what it may reach, open services of this machine to it, fetch for others."""
        return {
            "process.spawn_rules": self.spawn_in,
            "process.open_ports": self.open_ports,
            "browser.egress": self,
        }

    def health(self) -> dict[str, Any]:
        """Say whether the record is whole."""
        lost = self._book.lost
        return {"ok": True, "detail": f"{lost} requests are not in the log" if lost else "", "lost": lost}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve."""
        await self._read()
        async with AsyncExitStack() as stack, anyio.create_task_group() as group:
            gates = Gates(self.way, self._who, self.open_ports, group)
            stack.callback(gates.close)
            await self._doors.served_by(gates.open, gates.shut)
            group.start_soon(self._book.run)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                with anyio.move_on_after(LAST_S, shield=True):
                    await self._book.flush()

    @operation("network.policy", effect=Effect.READ, access=MINE, positional=("agent",))
    async def policy(self, input: m.PolicyRef, call: Call) -> m.NetworkPolicy:
        """Show what an agent may reach from its sandbox."""
        return self._shown((await self._whose(input.agent, call)).id)

    @operation("network.set_policy", access=MINE, positional=("agent", "mode"))
    async def set_policy(self, input: m.PolicySet, call: Call) -> m.NetworkPolicy:
        """Say what an agent may reach from its sandbox; what it refuses ends at once. An agent only narrows its own.

        A service of this machine is opened by a rule such as `127.0.0.1:8000`: it appears inside at that address
        when the agent is started next. Of a tunnel (https) only host and port are seen.
        """
        found = await self._whose(input.agent, call)
        wanted = policy(input.mode, input.rules)

        def work(tx: Tx) -> None:
            if call.agent is not None:
                self._no_wider(tx, wanted, call.agent)
            self._keep(tx, found, wanted, call.actor)

        await self._store.write(work)
        return self._shown(found.id)

    @operation("network.log", effect=Effect.READ, access=MINE, positional=("agent",))
    async def log(self, input: m.LogPage, call: Call) -> m.NetworkRequests:
        """List what agents tried to reach and what was decided, newest first."""
        await self._book.flush()
        ref = input.agent or call.agent
        agent = None if ref is None else (await self._agents.find(ref, call)).id
        before = position(input.cursor, NEWEST)

        def query(session: Session) -> list[RequestRow]:
            rows = select(RequestRow).where(RequestRow.user == call.user, RequestRow.org == call.org)
            rows = rows.where(col(RequestRow.seq) < before)
            if agent is not None:
                rows = rows.where(RequestRow.agent == agent)
            if input.refused is not None:
                rows = rows.where(RequestRow.allowed == (not input.refused))
            return list(session.exec(rows.order_by(col(RequestRow.seq).desc()).limit(input.limit + 1)))

        rows = await self._store.read(query)
        shown = rows[: input.limit]
        return m.NetworkRequests(
            requests=[
                m.NetworkRequest(id=row.seq or 0, **row.model_dump(exclude={"seq", "user", "org"})) for row in shown
            ],
            cursor=str(shown[-1].seq) if len(rows) > input.limit else None,
        )

    # For other rooms ---------------------------------------------------------------------------------

    def policy_of(self, agent: str) -> Policy:
        """Return what an agent may reach now."""
        return self._known.get(agent, self._default)

    async def open_ports(self, pid: int) -> Sequence[int]:
        """Return the loopback ports of this machine that a process may reach."""
        await self._read()
        who = await self._who(pid)
        return [] if who is None else [port for port in self.policy_of(who.agent).loopback_ports if port not in OURS]

    def spawn_in(self, tx: Tx, pid: int, agent: Identity, wish: Wish, env: Env, call: Call) -> None:
        """Write what a run's agent may reach, in the transaction that accepts it."""
        text: str | None = wish.sandbox.network
        known = tx.session.get(PolicyRow, agent.id) is not None
        before = self._policy_in(tx, agent.id)
        after = before if text is None else wished(text)
        if text is None and call.agent is not None and not known:
            after = self._policy_in(tx, call.agent)
        if call.agent not in (None, agent.id) or after != before:
            self._no_wider(tx, after, call.agent)
        if after.mode != "none":  # `env` comes from a person, also when an agent spawns
            opened = [place for place in map(_loopback, env.values()) if place is not None]
            listed = {rule.text for rule in after.rules}
            if missing := [place for place in opened if place not in listed]:
                after = policy(after.mode, [*(rule.text for rule in after.rules), *missing])
        if after != before or (text is not None and not known):
            self._keep(tx, agent, after, call.actor)

    async def fetch(
        self,
        agent: str | None,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        deadline_s: float,
    ) -> Fetched:
        """Fetch a page for an agent (id), or for a person with None, under its policy.

        Raises `Forbidden` when policy or address refuse, also after a redirect; `Unavailable` when nobody answers.
        """
        now = origin.get()
        who = Who(None, agent or "", now.user, now.org)
        return await fetched(self.way, who, url, method, headers or {}, max_bytes=max_bytes, deadline_s=deadline_s)

    # Inside ------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Read the policies, once: by whoever comes first, as processes may be started before this room runs."""
        async with self._reading:
            if not self._is_read:
                rows = await self._store.read(lambda session: list(session.exec(select(PolicyRow)).all()))
                self._known = {**{row.agent: _policy(row) for row in rows}, **self._known}
                self._is_read = True

    async def _who(self, pid: int) -> Who | None:
        try:
            place = await self._process.place_of(pid)
        except AetherError:
            return None
        return Who(pid, place.agent, place.user, place.org)

    async def _whose(self, ref: str | None, call: Call) -> Identity:
        found = ref or call.agent
        if found is None:
            raise Invalid("which agent? name one with `agent`", field="agent")
        return await self._agents.find(found, call)

    def _policy_in(self, tx: Tx, agent: str) -> Policy:
        """Return what an agent may reach, as it stands in this transaction: a person may just have narrowed it."""
        row = tx.session.get(PolicyRow, agent)
        return self._default if row is None else _policy(row)

    def _no_wider(self, tx: Tx, wanted: Policy, agent: str | None) -> None:
        if agent is not None and not self._policy_in(tx, agent).covers(wanted):
            raise Forbidden("an agent gives no more network than it has; a person does, with network.set_policy")

    def _keep(self, tx: Tx, agent: Identity, wanted: Policy, by: str) -> None:
        texts = [rule.text for rule in wanted.rules]
        row = tx.session.get(PolicyRow, agent.id)
        if row is None:
            row = PolicyRow(
                agent=agent.id, user=agent.user, org=agent.org, mode="", rules="", updated_at="", updated_by=""
            )
        row.mode, row.rules, row.updated_by = wanted.mode, json.dumps(texts), by
        row.updated_at = stamp(self._clock.now())
        tx.session.add(row)
        tx.emit(events.NetworkPolicySet(agent=agent.id, mode=wanted.mode, rules=texts, by=by))
        tx.after(lambda: self._known_now(agent.id, wanted))

    def _known_now(self, agent: str, wanted: Policy) -> None:
        self._known[agent] = wanted
        self.way.changed(agent)

    def _shown(self, agent: str) -> m.NetworkPolicy:
        found = self.policy_of(agent)
        return m.NetworkPolicy(
            agent=agent,
            mode=found.mode,
            rules=[rule.text for rule in found.rules],
            default=agent not in self._known,
        )


def _policy(row: PolicyRow) -> Policy:
    return policy(row.mode, json.loads(row.rules))  # type: ignore[arg-type]


def _loopback(value: str) -> str | None:
    """Return the rule that opens the service of this machine which an address in the environment names."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    address = as_address("127.0.0.1" if host == "localhost" else host)
    if parts.scheme not in ("http", "https") or port is None or address != HERE:
        return None
    return f"{address}:{port}"
