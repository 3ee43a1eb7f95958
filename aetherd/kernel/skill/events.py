"""What happens to skills; never their text."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class SkillCreated(Event):
    """A skill is there; `agent` is whose it is, None a person's."""

    type: Literal["skill.created"] = "skill.created"
    skill: str
    name: str
    version: int
    risk: str


class SkillRevised(Event):
    """It has a new version, which is now the current one."""

    type: Literal["skill.revised"] = "skill.revised"
    skill: str
    name: str
    version: int
    risk: str


class SkillReverted(Event):
    """An older version is the current one again."""

    type: Literal["skill.reverted"] = "skill.reverted"
    skill: str
    name: str
    version: int
    before: int


class SkillShared(Event):
    """Who may use it has changed; `to` is the agent that has it now, or no more, None all of the person's."""

    type: Literal["skill.shared"] = "skill.shared"
    skill: str
    name: str
    to: str | None
    shared: bool


class SkillProposed(Event):
    """An agent asks a person to take a skill, or a version, for all; `agent` is who."""

    type: Literal["skill.proposed"] = "skill.proposed"
    proposal: str
    skill: str
    name: str
    version: int
    risk: str


class SkillApproved(Event):
    """A person took a proposal; `agent` is who made it."""

    type: Literal["skill.approved"] = "skill.approved"
    proposal: str
    skill: str
    name: str
    version: int


class SkillRejected(Event):
    """A person did not take a proposal; `agent` is who made it."""

    type: Literal["skill.rejected"] = "skill.rejected"
    proposal: str
    skill: str
    name: str
    reason: str


class SkillFinished(Event):
    """Its steps were run, or tried with `test`; `agent` is in whose place."""

    type: Literal["skill.finished"] = "skill.finished"
    skill: str
    name: str
    version: int
    test: bool
    outcome: str


class SkillRemoved(Event):
    """It is gone for good, with all its versions."""

    type: Literal["skill.removed"] = "skill.removed"
    skill: str
    name: str


EVENTS = (
    SkillCreated,
    SkillRevised,
    SkillReverted,
    SkillShared,
    SkillProposed,
    SkillApproved,
    SkillRejected,
    SkillFinished,
    SkillRemoved,
)
