"""Rules that send a call to another model or provider, and say why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from aetherd.kernel.model.models import RouteRule, When


@dataclass(frozen=True, slots=True)
class Asking:
    """What is known of a call."""

    provider: str
    model: str
    agent: str = ""  # id
    name: str = ""
    role: str = ""
    runtime: str = ""
    phase: str = ""
    tools: Sequence[str] = ()
    tokens: int = 0
    most_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a call goes: the first, and what is tried when that fails."""

    stops: Sequence[tuple[str, str]]  # provider, model
    rule: str | None = None
    why: Sequence[str] = field(default=())


def chosen(rules: Sequence[RouteRule], asking: Asking, dialects: Mapping[str, str]) -> Choice:
    """Take the first rule that fits; places that speak another dialect are left out."""
    why: list[str] = []
    for rule in rules:
        if (differs := _differs(rule.when, asking)) is not None:
            why.append(f"{rule.name}: no, {differs}")
            continue
        stops: list[tuple[str, str]] = []
        for target in rule.to:
            provider = target.provider or asking.provider
            if dialects.get(provider) != dialects.get(asking.provider):
                why.append(f"{rule.name}: {provider} is left out, it does not speak what {asking.provider} does")
            else:
                stops.append((provider, target.model or asking.model))
        if stops:
            why.append(f"{rule.name}: yes, to {' then '.join('/'.join(stop) for stop in stops)}")
            return Choice(stops, rule.name, why)
    why.append("no rule fits: as asked" if rules else "there are no rules: as asked")
    return Choice([(asking.provider, asking.model)], None, why)


def _differs(when: When, asking: Asking) -> str | None:
    """Return what keeps a rule from fitting; None when it fits."""
    names = {"provider": asking.provider, "model": asking.model, "role": asking.role, "runtime": asking.runtime}
    for name, found in (names | {"phase": asking.phase}).items():
        if (pattern := getattr(when, name)) is not None and not fnmatchcase(found, pattern):
            return f"{name} is {found or 'not known'}"
    if when.agent is not None and when.agent != asking.agent and not fnmatchcase(asking.name, when.agent):
        return f"agent is {asking.name or 'not known'}"
    if when.tools is not None and when.tools != bool(asking.tools):
        return "it offers tools" if asking.tools else "it offers no tools"
    if when.tool is not None and not any(fnmatchcase(one, when.tool) for one in asking.tools):
        return f"{when.tool} is not offered"
    if when.min_tokens is not None and asking.tokens < when.min_tokens:
        return f"the input is about {asking.tokens} tokens"
    if when.max_tokens is not None and asking.tokens > when.max_tokens:
        return f"the input is about {asking.tokens} tokens"
    if when.over_usd is not None and not (asking.most_usd is not None and asking.most_usd > when.over_usd):
        most = "not known" if asking.most_usd is None else f"{asking.most_usd:.4f} USD at most"
        return f"its cost is {most}"
    return None
