"""Flows: declared work of agents, operations and people that goes on, after a crash, where it was."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
from sqlmodel import Session

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Conflict, Exhausted, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.core.model import NEWEST, position
from aetherd.events import Hub
from aetherd.kernel.flow import wire
from aetherd.kernel.flow.acts import Acts, Neighbours
from aetherd.kernel.flow.check import Checker
from aetherd.kernel.flow.definition import Definition, parse
from aetherd.kernel.flow.events import FlowStarted
from aetherd.kernel.flow.ledger import OUTPUT, Ledger, Over
from aetherd.kernel.flow.models import Flow, FlowCancel, FlowGet, FlowList, FlowRun, Flows, Plan
from aetherd.kernel.flow.plan import plan_of
from aetherd.kernel.flow.ports import Approvals, Processes, Quotas, Tokens
from aetherd.kernel.flow.reading import plain
from aetherd.kernel.flow.record import Row
from aetherd.kernel.flow.runner import Runner
from aetherd.kernel.flow.stopping import Stopping
from aetherd.kernel.flow.tables import FlowRow
from aetherd.kernel.flow.watch import Watch
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.operations.registry import Registry
from aetherd.store import Store, Tx, rider
from aetherd.store.rows import bare, fetch

logger = logging.getLogger(__name__)

MOST_OPEN, MOST_OF_ONE = 1_000, 50  # flows of one user, and of one agent, that have not ended
DEEPEST = 8  # flows that run one another
AGAIN_S = 2.0  # before a flow goes on that the database did not let go on
ONE = Subject("flow", "id")


class FlowService:
    """Checks flows, runs them, and goes on with those that a restart interrupted."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        registry: Registry,
        dispatcher: Dispatcher,
        lifecycle: Lifecycle,
        process: Processes,
        approval: Approvals,
        token: Tokens,
        quota: Quotas,
    ) -> None:
        self._store, self._clock, self._registry = store, clock, registry
        self._dispatcher, self._lifecycle = dispatcher, lifecycle
        self._watch = Watch(hub, process)
        self._stopping = Stopping(store, dispatcher, process, approval, self._watch)
        self._neighbours = Neighbours(dispatcher, process, quota, approval, token, self._stopping, self._watch)
        self._group: anyio.abc.TaskGroup | None = None
        self._scopes: dict[str, anyio.CancelScope] = {}  # of the flows at work
        self._ended: dict[str, anyio.Event] = {}

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a flow; look at every spawn of a flow's processes, and at every end."""
        return {
            "owners.flow": self.owner,
            "process.spawn_gates": self._stopping.gate,
            "process.end_hooks": self._stopping.ended_in,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Go on with what has not ended, once every room is up."""
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._watch.serve)
            group.start_soon(self._stopping.serve)
            group.start_soon(self._go_on)
            yield
            group.cancel_scope.cancel()

    def metrics(self) -> dict[str, float]:
        """Tell how many flows are at work."""
        return {"aetherd_flows_running": float(len(self._scopes))}

    async def owner(self, key: str) -> Owner:
        """Return whose a flow is: of whoever runs it."""
        row = await self._row(key)
        return Owner(row["agent"], row["user"], row["org"])

    # Operations -------------------------------------------------------------------------------------

    @operation("flow.run", access=Rule.OWN, positional=("flow",))
    async def run(self, input: FlowRun, call: Call) -> Flow:
        """Run agents, operations and questions to people in steps: one after another, at once, in rounds, by vote.

        It goes on by itself, also after a restart, and repeats nothing that was done; `dry_run` shows the plan and
        what it costs at worst. Texts of a step may hold `{{ inputs.x }}`, `{{ steps.a.output }}`, `{{ item }}`.
        """
        if sum(one.startswith("flow_") for one in call.chain) >= DEEPEST:
            raise Exhausted(f"flows run one another at most {DEEPEST} deep; repeat with `loop` or `each`", most=DEEPEST)
        given = input.flow if input.flow is not None else await self._file(input, call)
        raw = await plain(given)

        def look() -> tuple[Definition, dict[str, Any], Plan]:
            definition = parse(raw)
            inputs = inputs_of(definition, input.inputs)
            Checker(self._registry, call, definition, inputs).check()
            return definition, inputs, plan_of(definition, inputs, budget_of(definition, input))

        definition, inputs, plan = await anyio.to_thread.run_sync(look)
        row = FlowRow(
            id=new_id("flow"),
            name=input.name or definition.name,
            state="running",
            definition=definition.model_dump_json(exclude_unset=True),
            inputs=json.dumps(inputs, ensure_ascii=False),
            budget=plan.budget,
            caller=wire.stored(call),
            agent=call.agent,
            user=call.user,
            org=call.org,
            created_at=stamp(self._clock.now()),
            created_by=call.actor,
        )
        if input.dry_run:
            return wire.planned(row.name, plan, call.agent)

        def work(tx: Tx) -> Row:
            self._room(tx, call)
            tx.session.add(row)
            tx.session.flush()
            tx.emit(FlowStarted(agent=call.agent, pid=call.pid, flow=row.id, name=row.name, state="running"))
            return found(tx.cursor, row.id)

        self._begin(await self._store.write(work))
        if input.wait_s and (ended := self._ended.get(row.id)) is not None:
            with anyio.move_on_after(input.wait_s):
                await ended.wait()
        return await self.get(FlowGet(id=row.id), call)

    @operation("flow.list", effect=Effect.READ, access=Rule.OWN)
    async def list_flows(self, input: FlowList, call: Call) -> Flows:
        """List flows, newest first; an agent sees those it runs."""
        where, values = ["user = ?", "org = ?"], [call.user, call.org]
        if call.agent is not None:
            where, values = [*where, "agent = ?"], [*values, call.agent]
        if input.states:
            where.append(f"state IN ({','.join('?' * len(input.states))})")
            values += input.states

        def query(session: Session) -> tuple[list[Row], dict[str, dict[str, float]]]:
            rows = fetch(
                bare(session).execute(
                    f"SELECT * FROM flow WHERE {' AND '.join(where)} AND seq < ? ORDER BY seq DESC LIMIT ?",
                    (*values, position(input.cursor, NEWEST), input.limit + 1),
                )
            )
            return rows, self._stopping.costs(session, [row["id"] for row in rows if row["ended_at"] is None])

        rows, costs = await self._store.read(query)
        more, rows = len(rows) > input.limit, rows[: input.limit]
        return Flows(
            flows=[wire.flow(row, costs=costs.get(row["id"])) for row in rows],
            cursor=str(rows[-1]["seq"]) if more else None,
        )

    @operation("flow.get", effect=Effect.READ, access=ONE, positional=("id",))
    async def get(self, input: FlowGet, call: Call) -> Flow:
        """Show where a flow stands: its steps, what they came to and cost, and its outputs once it is done."""

        def query(session: Session) -> tuple[Row, list[Row], dict[str, float]]:
            cursor = bare(session)
            costs = self._stopping.costs(session, [input.id]).get(input.id, {})
            return found(cursor, input.id), wire.page(cursor, input), costs

        row, steps, costs = await self._store.read(query)
        if input.step is not None and not steps:
            raise NotFound(f"flow {input.id} has no step {input.step!r} that was begun", kind="step", id=input.step)
        return wire.flow(row, steps, input, costs)

    @operation("flow.cancel", access=ONE, positional=("id", "reason"))
    async def cancel(self, input: FlowCancel, call: Call) -> Flow:
        """End a flow: nothing of it begins any more, its processes are stopped and its questions closed."""
        row = await self._row(input.id)
        cost = await self._stopping.cost(input.id)
        ledger = Ledger(self._store, self._clock, self._stopping, row)
        reason = f"cancelled by {call.actor}" + (f": {input.reason}" if input.reason else "")

        def work(tx: Tx) -> None:
            if not ledger.finish_in(tx, "cancelled", None, reason, cost):
                state = found(tx.cursor, input.id)["state"]
                raise Conflict(f"flow {input.id} is {state} already", id=input.id, state=state)
            tx.after(lambda: self._halt(input.id))

        await self._store.write(work)
        return await self.get(FlowGet(id=input.id), call)

    # At work ----------------------------------------------------------------------------------------

    async def _go_on(self) -> None:
        await self._lifecycle.up.wait()  # its steps may need any room
        rows = await self._store.read(
            lambda session: fetch(bare(session).execute("SELECT * FROM flow WHERE ended_at IS NULL ORDER BY seq"))
        )
        for row in rows:
            self._begin(row)
        if rows:
            logger.info("going on with %d flows", len(rows))

    def _begin(self, row: Row) -> None:
        assert self._group is not None
        if row["id"] not in self._ended:  # started a moment ago, while those of before were read
            self._ended[row["id"]] = anyio.Event()
            self._group.start_soon(self._attend, row, name=f"flow {row['id']}")

    async def _attend(self, row: Row) -> None:
        """Run a flow to its end; when the database is away, again from what is written."""
        key = str(row["id"])
        origin.set(Origin(row["created_by"], None, row["user"], row["org"]))
        rider.set(None)
        try:
            with anyio.CancelScope() as self._scopes[key]:
                while not await self._ran(row):
                    await self._clock.sleep(AGAIN_S)
        finally:
            self._scopes.pop(key, None)
            self._ended.pop(key).set()

    async def _ran(self, row: Row) -> bool:
        """Run a flow; False when it has to be tried again."""
        ledger = Ledger(self._store, self._clock, self._stopping, row)
        try:
            await ledger.load()
            acts = Acts(self._neighbours, ledger, wire.restored(row["caller"]))
            definition = await anyio.to_thread.run_sync(Definition.model_validate_json, row["definition"])
            await Runner(ledger, acts, definition, json.loads(row["inputs"])).run()
        except Exception as exc:
            causes = list(_causes(exc))
            if any(isinstance(one, Over) for one in causes):
                return True
            if all(isinstance(one, AetherError) for one in causes):
                logger.warning("flow %s waits: %s", row["id"], causes[0])
                return False
            logger.exception("flow %s failed", row["id"])
            try:
                await ledger.finish("failed", error="aetherd failed to run it; see its log")
            except AetherError:  # the disk is full, say: it is tried again
                return False
        return True

    def _halt(self, key: str) -> None:
        if (scope := self._scopes.get(key)) is not None:
            scope.cancel()

    # Inside -----------------------------------------------------------------------------------------

    async def _file(self, input: FlowRun, call: Call) -> str:
        place = {key: value for key in ("workspace", "agent") if (value := getattr(input, key)) is not None}
        found: Any = await self._dispatcher.invoke("fs.read", {"path": input.file, "limit": 1 << 20, **place}, call)
        return str(found.text)

    def _room(self, tx: Tx, call: Call) -> None:
        bounds: list[tuple[str, str, int]] = [("user", call.user, MOST_OPEN)]
        bounds += [("agent", call.agent, MOST_OF_ONE)] if call.agent is not None else []
        for column, whose, most in bounds:
            query = f"SELECT 1 FROM flow WHERE {column} = ? AND org = ? AND ended_at IS NULL LIMIT 1 OFFSET ?"
            if tx.execute(query, (whose, call.org, most - 1)).fetchone():
                raise Exhausted(f"{most:,} flows have not ended; cancel some first (flow.list, flow.cancel)")

    async def _row(self, key: str) -> Row:
        return await self._store.read(lambda session: found(bare(session), key))


def found(cursor: Any, key: str) -> Row:
    """Return a flow by its id."""
    rows = fetch(cursor.execute("SELECT * FROM flow WHERE id = ?", (key,)))
    if not rows:
        raise NotFound(f"no flow {key}; flow.list shows those there are", kind="flow", id=key)
    return rows[0]


def inputs_of(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a flow works with: what was given, and the defaults of the rest."""
    declared = definition.inputs
    if declared and (strange := sorted(set(given) - set(declared))):
        raise Invalid(f"inputs: there is no {strange[0]!r}; the flow takes {', '.join(declared)}", field="inputs")
    for name, one in declared.items():
        if one.required and name not in given:
            raise Invalid(
                f"inputs: {name} is needed" + (f": {one.description}" if one.description else ""), field="inputs"
            )
    inputs = {name: one.default for name, one in declared.items()} | dict(given)
    try:
        size = len(json.dumps(inputs, allow_nan=False))
    except (ValueError, RecursionError) as exc:
        raise Invalid(f"inputs: {exc}", field="inputs") from exc
    if size > OUTPUT:
        raise Invalid(f"inputs: {size:,} characters, at most {OUTPUT:,}: name files instead", field="inputs")
    return inputs


def budget_of(definition: Definition, input: FlowRun) -> float | None:
    """Return the smaller of the two budgets, the flow's own and that of this run."""
    return min((one for one in (definition.budget, input.budget) if one is not None), default=None)


def _causes(exc: BaseException) -> list[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        return [cause for one in exc.exceptions for cause in _causes(one)]
    return [exc]
