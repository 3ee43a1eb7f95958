"""Prompts for the common jobs: plain text for the model that does the job, with the tools it will need.

A prompt is shown to whoever may use every tool its text names.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext

from aetherd.core.errors import Invalid, NotFound
from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd_mcp.looks import icons
from aetherd_mcp.names import operation_name
from aetherd_mcp.refusals import as_protocol_errors
from aetherd_mcp.toolsets import may

TOOL = re.compile(r"\baether_[a-z]+_[a-z_]+\b")
LONGEST = 20_000  # characters of one argument


@dataclass(frozen=True)
class Argument:
    """What a person fills in; completion offers values of the kind its name says."""

    name: str
    doc: str
    default: str | None = None  # None: it must be given


@dataclass(frozen=True)
class Job:
    """One prompt: `{arguments}` in its text are replaced."""

    name: str
    title: str
    room: str
    doc: str
    arguments: tuple[Argument, ...]
    text: str

    @cached_property
    def operations(self) -> frozenset[str]:
        """The operations its text names as tools."""
        return frozenset(map(operation_name, TOOL.findall(self.text)))


JOBS = (
    Job(
        "start_fleet",
        "Start a fleet of agents",
        "process",
        "Split a goal into parts, give each to an agent of its own, and bring the results together.",
        (
            Argument("goal", "what shall be reached in the end"),
            Argument("count", "how many agents at most", "3"),
            Argument("runtime", "what the agents run on", "claude-code"),
        ),
        """\
Reach this goal with a fleet of agents that you lead through aetherd:

<goal>
{goal}
</goal>

1. Call aether_system_status. Stop and say so if it shows warnings that concern this. Call aether_memory_recall with
   the subject of the goal: what was learnt before counts.
2. Split the goal into at most {count} parts that do not need one another. Fewer is better than parts that overlap.
   For each write a goal that stands alone: what to do, what not to touch, how it will be checked, what to answer at
   the end. The agents see nothing of this conversation.
3. Start each with aether_process_spawn: `runtime` "{runtime}", a telling `name`, the `goal`, and `cwd` where it
   matters. Keep each pid.
4. Wait with aether_process_wait, one pid after the other, with `timeout_s` of some minutes; call it again while its
   outcome is "running". An agent whose phase says that it waits for a person has a question: tell the person you work
   for, and let them answer it. Do not answer for them.
5. Steer with aether_process_send only when an agent is going wrong; look at aether_process_timeline first.
6. Read each aether_process_result. Check what it claims against the files it changed. Send an agent back with
   aether_process_send, at most twice, when its part is not done.
7. Put the parts together and say: what was reached, what was not, which pid did what, and what it cost. Keep what
   would help next time with aether_memory_remember.
""",
    ),
    Job(
        "delegate_task",
        "Delegate one task",
        "task",
        "Hand one piece of work to an agent that fits it, follow it, and take it over when it is done.",
        (Argument("work", "what shall be done"), Argument("to", "agent id or name; empty: find one", "")),
        """\
Delegate this work through aetherd, and answer for it:

<work>
{work}
</work>

To whom: "{to}". When that is empty, look at aether_agent_list and aether_process_list for an agent that has done
such work and is not busy; else a new one shall do it.

1. aether_memory_recall with the subject: what was learnt before belongs into the task.
2. aether_task_create with a telling `title` and a `text` that stands alone: what to do, what not to touch, how it will
   be checked, what to answer. One task; when it is really several, say so and stop.
3. aether_task_delegate with the task's `id` and `to`, or a `runtime` for a new agent. If it shares files with others,
   give both a workspace first (aether_workspace_create, aether_workspace_mount).
4. Follow it with aether_task_get. An agent that asks a person waits for that person: tell the one you work for.
   An agent that goes wrong is told once, with aether_message_send.
5. When the task is done, check what it claims against what is there (aether_fs_read). Not good enough: say exactly
   what is missing with aether_message_send, kind "review_response". Good: say what came of it and what it cost
   (aether_process_result), and keep what would help next time with aether_memory_remember.
""",
    ),
    Job(
        "review_agent",
        "Review what an agent did",
        "agent",
        "Look at one run: what was asked, what was done, whether the result holds.",
        (Argument("pid", "the process to review"), Argument("focus", "what to look at most closely", "everything")),
        """\
Review the work of process {pid}. Look most closely at: {focus}.

1. aether_process_get for its goal, state, model and cost; aether_process_result for its answer and the files it
   says it changed.
2. aether_process_timeline from the newest page back, with `before`, until you have seen the whole run. Note where it
   turned, failed, asked a person, or repeated itself.
3. Read the changed files with aether_fs_list and aether_fs_read (`agent` is the one of the process). Judge what is
   there, not what the agent says of it. Change nothing.
4. Report, in this order: does the result meet the goal, yes or no, and why; what is wrong, each with its file or event;
   what was done without being asked; what was claimed and could not be confirmed; what you would tell the agent to do
   next, in words that could be sent to it.
""",
    ),
    Job(
        "hand_over",
        "Hand a process to a person",
        "control",
        "Bring a running agent to a point where a person can take over, and tell them what they need to know.",
        (Argument("pid", "the process to hand over"), Argument("reason", "why a person is needed")),
        """\
Prepare process {pid} for a person, who takes it over because: {reason}

1. aether_process_get. If it has ended there is nothing to take over: say what aether_process_result answers, and stop.
2. Read aether_process_timeline to the point where it stands. Find out what it was doing, what is half done, and
   what it waits for.
3. If it is about to do harm, cut its turn with aether_process_interrupt. Otherwise tell it with aether_process_send
   to finish the step it is in, to write down what is left, and to wait.
4. Leave keyboard and open questions to the person: acquire no control, decide no approval.
5. Tell the person, in at most 15 lines: the goal; what is done and where to see it; what is half done; the decision
   or the action they are needed for; what they must not do; and how to get there: the console, or
   `aetherctl control acquire {pid}` and then `aetherctl attach {pid}`. `aetherctl control release {pid}` gives it
   back, and the agent goes on from what they leave.
""",
    ),
    Job(
        "open_questions",
        "Go through the open questions",
        "approval",
        "Show a person what waits for their answer, with what they need to decide, and carry out what they say.",
        (),
        """\
Help the person you work for to answer what their agents wait for.

1. aether_approval_list with `state` "pending". If there is nothing, say so and stop.
2. For each question look at the run it comes from: aether_process_get and the newest page of
   aether_process_timeline. Find out why the agent wants it and what happens when it is refused.
3. Show all of them, the most urgent first: who asks, for what exactly (the whole command or path), why, what could go
   wrong, and what you would answer.
4. Wait for the person's words. Only then call aether_approval_decide, once for each question they have answered and
   with exactly what they said: "allow_once" unless they asked for more; for "deny" give their reason.
""",
    ),
)


class Prompts:
    """The jobs, as the protocol asks for them."""

    def __init__(self, house: House, ask: Callable[[], Awaitable[Call]]) -> None:
        self._house, self._ask = house, ask

    async def listing(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        """List the prompts whose tools the caller may use."""
        call = await self._ask()
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(
                    name=job.name,
                    title=job.title,
                    description=job.doc,
                    arguments=[
                        types.PromptArgument(name=one.name, description=one.doc, required=one.default is None)
                        for one in job.arguments
                    ],
                    icons=icons(job.room),
                )
                for job in JOBS
                if self._open(job, call)
            ]
        )

    async def get(self, ctx: ServerRequestContext[Any], params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """Fill in one."""
        call = await self._ask()
        with as_protocol_errors(ctx.method):
            job = self.find(params.name, call)
            text = filled(job, params.arguments or {})
        return types.GetPromptResult(
            description=job.doc, messages=[types.PromptMessage(role="user", content=types.TextContent(text=text))]
        )

    def find(self, name: str, call: Call) -> Job:
        """Return a job the caller may do; raises `NotFound`."""
        for job in JOBS:
            if job.name == name and self._open(job, call):
                return job
        raise NotFound(f"no prompt {name[:100]!r}; prompts/list has those you can use", kind="prompt", id=name[:100])

    def _open(self, job: Job, call: Call) -> bool:
        return all(may(self._house.registry[name], call) for name in job.operations)


def filled(job: Job, given: Mapping[str, str]) -> str:
    """Return a job's text with its arguments; what a person wrote is never read as a template."""
    known = {one.name: one for one in job.arguments}
    for name, value in given.items():
        if name not in known:
            raise Invalid(f"{job.name} has no argument {name[:100]!r}", field=name[:100])
        if len(value) > LONGEST:
            raise Invalid(f"{name} has more than {LONGEST} characters", field=name)
    values = {name: given.get(name, "").strip() or one.default for name, one in known.items()}
    if missing := [name for name, value in values.items() if value is None]:
        raise Invalid(f"{job.name} needs the argument {missing[0]!r}", field=missing[0])
    return re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), job.text)
