"""One flow at work. After a crash it goes through its steps again and takes what is written for done.

So nothing of where it stood has to be kept: a list, a branch, a round of a loop comes to the same place by the
outputs that were written, and stops at the first step that has none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel

from aetherd.core.clock import stamp
from aetherd.kernel.flow import voting
from aetherd.kernel.flow.acts import Acts
from aetherd.kernel.flow.check import bare, needs_of
from aetherd.kernel.flow.definition import Agent, Definition, Step
from aetherd.kernel.flow.expression import Wrong, read, render
from aetherd.kernel.flow.ledger import Failed, Ledger
from aetherd.kernel.flow.record import ENDED, Record
from aetherd.kernel.flow.scope import Scope

BACKOFF_MAX_S = 3600.0
BREATH = 20  # steps without an effect, between two chances for others on the loop

Job = Callable[[], Awaitable[None]]


class Runner:
    """Walks through a definition."""

    def __init__(self, ledger: Ledger, acts: Acts, definition: Definition, inputs: Mapping[str, Any]) -> None:
        self._ledger, self._acts, self._definition = ledger, acts, definition
        self._root = Scope({"inputs": dict(inputs), "flow": {"id": ledger.flow, "name": ledger.name}})
        self._quick = 0

    async def run(self) -> None:
        """Run it to its end, and write that."""
        try:
            scope = self._root.inner()
            outputs = await self._list(self._definition.steps, scope, "")
            if self._definition.outputs is not None:
                outputs = self._filled(self._definition.outputs, scope)
                self._ledger.room(outputs)
        except Failed as failed:
            await self._ledger.finish("failed", error=str(failed))
        else:
            await self._ledger.finish("completed", outputs)

    # Lists --------------------------------------------------------------------------------------------

    async def _list(self, steps: Sequence[Step], scope: Scope, place: str) -> Any:
        """Run steps, each when what it needs is done; returns the output of the last in the list."""
        needs = needs_of(steps)
        if all(needs[after.name] == [before.name] for before, after in pairwise(steps)):
            for step in steps:
                await self._one(step, scope, place)
        else:
            done = {step.name: anyio.Event() for step in steps}

            def job(step: Step) -> Job:
                async def work() -> None:
                    for need in needs[step.name]:
                        await done[need].wait()
                    await self._one(step, scope, place)
                    done[step.name].set()

                return work

            await self._together([job(step) for step in steps])
        return scope.steps[steps[-1].name]["output"]

    async def _together(self, jobs: Sequence[Job], most: int | None = None) -> None:
        """Run jobs at the same time; the first that fails ends the others."""
        failures: list[Failed] = []
        limit = anyio.CapacityLimiter(most or len(jobs))
        async with anyio.create_task_group() as group:

            async def work(job: Job) -> None:
                try:
                    await job()
                except Failed as failed:
                    failures.append(failed)
                    group.cancel_scope.cancel()
                finally:
                    limit.release_on_behalf_of(job)

            for job in jobs:  # a job has its place before it is begun: in their order, and no more tasks than places
                await limit.acquire_on_behalf_of(job)
                group.start_soon(work, job)
        if failures:
            raise failures[0]

    async def _one(self, step: Step, scope: Scope, place: str) -> None:
        """Run one step, unless its end is written; puts what it came to into the scope."""
        path = place + step.name
        record = self._ledger.get(path)
        if record is None or record.state not in ENDED:
            try:
                record = await self._do(step, scope, path, record)
            except Failed as failed:
                if step.inner() or step.vote is not None:
                    await self._ledger.abandon(path, "another step of the same failed")
                record = await self._ledger.end(path, step.kind, "failed", error=_told(failed, path))
                if step.on_error == "fail":
                    scope.steps[step.name] = record.view()
                    raise failed.at(path) from None
        elif record.state == "failed" and step.on_error == "fail":
            raise Failed(record.error or "it failed", step=path)
        scope.steps[step.name] = record.view()

    async def _do(self, step: Step, scope: Scope, path: str, record: Record | None) -> Record:
        if step.when is not None and record is None and not self._holds(step.when, scope):
            return await self._ledger.instant(path, step.kind, None, "skipped")
        if step.kind == "set":
            self._quick += 1
            if self._quick % BREATH == 0:
                await anyio.lowlevel.checkpoint()
            return await self._ledger.instant(path, "set", self._filled(step.set, scope))
        left = step.timeout_s
        if left is not None and record is not None:
            left -= (self._ledger.now() - datetime.fromisoformat(record.started_at)).total_seconds()
        with anyio.move_on_after(left) as timer:
            output = await self._act(step, scope, path)
        if timer.cancelled_caught:
            await self._ledger.abandon(path, "its time was up")
            raise Failed(f"it took longer than {step.timeout_s:g} s")
        return await self._ledger.end(path, step.kind, "completed", output=output)

    async def _act(self, step: Step, scope: Scope, path: str) -> Any:
        if step.inner() or step.vote is not None:
            if self._ledger.get(path) is None:
                await self._ledger.begin(path, step.kind)
            return await self._within(step, scope, path)
        return await self._tried(step, scope, path)

    # Steps that hold steps ----------------------------------------------------------------------------

    async def _within(self, step: Step, scope: Scope, path: str) -> Any:
        if step.parallel is not None:
            branches = step.parallel.branches
            outputs = await self._fan(
                {name: (steps, scope.inner(), f"{path}/{name}/") for name, steps in branches.items()},
                step.parallel.max_parallel,
                step.parallel.on_error == "collect",
            )
            return outputs
        if step.each is not None:
            items = self._filled(step.each.items, scope)
            if not isinstance(items, list):
                raise Failed(f"items: a list is wanted, not {type(items).__name__}")
            if len(items) > step.each.max_items:
                raise Failed(f"items: {len(items):,} of them, at most {step.each.max_items:,} (max_items)")
            steps = step.each.steps
            places = {
                number: (steps, scope.inner(item=item, index=number), f"{path}/{number}/")
                for number, item in enumerate(items)
            }
            found = await self._fan(places, step.each.max_parallel, step.each.on_error == "collect")
            return [found[number] for number in places]
        return await (self._loop(step, scope, path) if step.loop is not None else self._vote(step, scope, path))

    async def _fan(
        self, places: Mapping[Any, tuple[Sequence[Step], Scope, str]], most: int, collect: bool
    ) -> dict[Any, Any]:
        """Run lists at the same time; returns what each came to, by its key."""
        found: dict[Any, Any] = {}

        def job(key: Any) -> Job:
            async def work() -> None:
                try:
                    found[key] = await self._list(*places[key])
                except Failed as failed:
                    if not collect:
                        raise
                    await self._ledger.abandon(places[key][2][:-1], "another step of the same failed")
                    found[key] = {"error": str(failed)}

            return work

        await self._together([job(key) for key in places], most)
        return {key: found[key] for key in places}

    async def _loop(self, step: Step, scope: Scope, path: str) -> Any:
        loop = step.loop
        assert loop is not None
        last: Any = None
        for number in range(1, loop.max + 1):
            inner = scope.inner(round=number, last=last)
            last = await self._list(loop.steps, inner, f"{path}/{number}/")
            if loop.until is not None and self._holds(loop.until, inner.inner(round=number, last=last)):
                return last
        if loop.until is not None and loop.on_max == "fail":
            raise Failed(f"`{loop.until}` did not come to hold in {loop.max} rounds")
        return last

    async def _vote(self, step: Step, scope: Scope, path: str) -> Any:
        vote = step.vote
        assert vote is not None
        options = [str(option) for option in self._filled(vote.options, scope)]
        question = voting.ballot(vote, str(self._filled(vote.question, scope)), options)
        said: dict[int, str] = {}

        def job(number: int, agent: Agent) -> Job:
            voter = Step(name=f"voter{number}", agent=agent, on_error="continue")

            async def work() -> None:
                inner = scope.inner()
                goal = f"{agent.goal}\n\n{question}" if agent.goal else question
                await self._one(
                    voter.model_copy(update={"agent": agent.model_copy(update={"goal": goal})}), inner, f"{path}/"
                )
                said[number] = str(inner.steps[voter.name]["output"] or "")

            return work

        jobs = [job(number, agent) for number, agent in enumerate(vote.all_agents, 1)]
        await self._together(jobs, 8)
        votes = [voting.choice(said[number], options) for number in sorted(said)]
        result = voting.decided(vote, votes)
        by = None
        if result is None:
            result, by = await self._tie(path, question, options, votes)
        return {"choice": result, "votes": votes, "said": [said[n][: voting.MOST] for n in sorted(said)], "by": by}

    async def _tie(
        self, path: str, question: str, options: Sequence[str], votes: Sequence[str | None]
    ) -> tuple[str, str | None]:
        """Have a person decide what the voters did not."""
        leading = voting.leading(options, votes)
        counted = ", ".join(f"{option}: {votes.count(option)}" for option in options)
        title = f"{self._ledger.name}: the vote {path} is not decided ({counted}). Allow takes {leading!r}"
        detail = {
            "question": question,
            "how": f"To choose, give one of {', '.join(options)} as the reason; to allow without a reason takes "
            f"{leading!r}; to deny without one fails the step.",
        }
        answer = await self._acts.question(path, "vote", title, detail)
        named = voting.choice(answer.reason or "", options)
        if named is not None:
            return named, answer.decided_by
        if answer.state != "allowed":
            raise Failed(f"the vote was not decided ({counted}), and nobody chose: {answer.state}")
        return leading, answer.decided_by

    # Steps that act -----------------------------------------------------------------------------------

    async def _tried(self, step: Step, scope: Scope, path: str) -> Any:
        """Try a step as often as it may be tried."""
        while True:
            record = self._ledger.get(path)
            attempt = 1 if record is None else record.attempt
            if record is not None and record.state == "delayed":
                await self._ledger.sleep(record.due or stamp(self._ledger.now()))
                attempt += 1
            try:
                return await self._leaf(step, scope, path, attempt)
            except Failed as failed:
                if not failed.again or attempt >= step.retry.attempts:
                    raise
                pause = min(BACKOFF_MAX_S, step.retry.backoff_s * 2 ** (attempt - 1))
                await self._ledger.delay(path, step.kind, failed.message, pause)

    async def _leaf(self, step: Step, scope: Scope, path: str, attempt: int) -> Any:
        if step.call is not None:
            return await self._acts.call(path, step.call, self._filled(step.call.input, scope), attempt)
        if step.ask is not None:
            title, detail = self._filled([step.ask.title, step.ask.detail], scope)
            return await self._acts.ask(path, step.ask, str(title)[:500], None if detail is None else str(detail))
        spec = step.agent or step.supervise
        assert spec is not None
        return await self._acts.agent(path, step.kind, spec, self._filled(spec.wish(), scope), attempt)

    # Expressions --------------------------------------------------------------------------------------

    def _filled(self, value: Any, scope: Scope) -> Any:
        try:
            return render(value, scope.look)
        except Wrong as exc:
            raise Failed(str(exc)) from exc

    def _holds(self, condition: str | bool, scope: Scope) -> bool:
        if isinstance(condition, bool):
            return condition
        try:
            return bool(read(bare(condition)).value(scope.look))
        except Wrong as exc:
            raise Failed(f"{condition!r}: {exc}") from exc


def _told(failed: Failed, path: str) -> str:
    """Say what failed; the step only when it is another than the one it is told of."""
    return failed.message if failed.step in (None, path) else str(failed)
