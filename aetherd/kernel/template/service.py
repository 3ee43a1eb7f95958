"""Templates: roles that come with aetherd, and people's own; what a template lists is all its agents can use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Any

from sqlmodel import Session, col, func, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Conflict, Exhausted, Forbidden, NotFound
from aetherd.core.ids import new_id
from aetherd.core.model import position
from aetherd.kernel.template import events, models
from aetherd.kernel.template.shelf import Role, Spec, builtin, known
from aetherd.kernel.template.tables import RatingRow, TemplateRow
from aetherd.operations.operation import Call, Effect, Rule, operation
from aetherd.operations.registry import Registry
from aetherd.store import Store, Tx

OWN = 500  # most templates of one person
Rated = dict[str, tuple[float, int]]  # key -> average and count


class TemplateService:
    """Keeps templates, and hands them to who starts runs."""

    def __init__(self, store: Store, clock: Clock, registry: Registry) -> None:
        self._store, self._clock, self._registry = store, clock, registry
        self._builtin = builtin()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Check that all tools of the built-in templates exist, now that every room is there."""
        for spec in self._builtin.values():
            known(spec.tools or (), self._registry, spec.name)
        yield

    def offers(self) -> Mapping[str, Any]:
        """Hand templates to processes that start, and check their names for new agents."""
        return {"process.templates": self, "agent.templates": self.named}

    # Operations -------------------------------------------------------------------------------------

    @operation("template.list", effect=Effect.READ, access=Rule.OWN)
    async def list_templates(self, input: models.TemplateList, call: Call) -> models.Templates:
        """List the roles a run can start from: those that come with aetherd, then your own, newest first.

        Each has instructions, a runtime, limits, and the only tools its agents can use.
        """
        start = position(input.cursor, 0)

        def query(session: Session) -> list[models.TemplateSummary]:
            rows = session.exec(_own(call).order_by(col(TemplateRow.seq).desc())).all()
            ratings = _ratings(session, call)
            found = [] if input.own else [_wire(spec, None, ratings) for spec in self._builtin.values()]
            found += [_wire(Spec.model_validate_json(row.spec), row, ratings) for row in rows]
            return [models.TemplateSummary(**one.model_dump(exclude={"instructions"})) for one in found]

        found = [one for one in await self._store.read(query) if input.tag is None or input.tag.lower() in one.tags]
        end = start + input.limit
        return models.Templates(templates=found[start:end], cursor=str(end) if end < len(found) else None)

    @operation("template.get", effect=Effect.READ, access=Rule.OWN, positional=("template",))
    async def get(self, input: models.TemplateRef, call: Call) -> models.Template:
        """Show one template in full, with what its agents are told and every tool they may use."""

        def query(session: Session) -> models.Template:
            spec, row = self._find(session, input.template, call)
            return _wire(spec, row, _ratings(session, call))

        return await self._store.read(query)

    @operation("template.create", access=Rule.PEOPLE, positional=("name", "title"))
    async def create(self, input: models.TemplateCreate, call: Call) -> models.Template:
        """Make a template of your own.

        Its list of tools is enforced: a run that starts from it, and whatever that run starts, is refused all else.
        """
        return await self._add(input.model_dump(), None, call, "template.create")

    @operation("template.fork", access=Rule.PEOPLE, positional=("template", "name"))
    async def fork(self, input: models.TemplateFork, call: Call) -> models.Template:
        """Copy a template under a name of your own, with what shall be different; it remembers where it comes from."""
        spec, _ = await self._store.read(lambda session: self._find(session, input.template, call))
        given = input.model_dump(exclude={"template"}, exclude_unset=True)
        if given.get("tools") is not None and "toolset" not in given:
            given["toolset"] = None  # another list: all of it is shown
        raw = {**spec.model_dump(exclude={"version"}), **given}
        return await self._add(raw, f"{spec.name}@{spec.version}", call, "template.fork")

    @operation("template.rate", access=Rule.PEOPLE, positional=("template", "rating"))
    async def rate(self, input: models.TemplateRate, call: Call) -> models.TemplateRated:
        """Rate a template from 1 to 5; you have one rating for each."""

        def work(tx: Tx) -> models.TemplateRated:
            spec, row = self._find(tx.session, input.template, call)
            key = spec.name if row is None else row.id
            rating = tx.session.get(RatingRow, (key, call.org, call.user)) or RatingRow(
                template=key, org=call.org, user=call.user, rating=0, at=""
            )
            rating.rating, rating.at = input.rating, stamp(self._clock.now())
            tx.session.add(rating)
            tx.session.flush()
            average, count = _ratings(tx.session, call)[key]
            tx.emit(events.TemplateRated(template=spec.name, stars=input.rating, rating=average, ratings=count))
            return models.TemplateRated(name=spec.name, rating=average, ratings=count)

        return await self._store.write(work)

    @operation("template.remove", effect=Effect.DESTROY, access=Rule.PEOPLE, positional=("template",))
    async def remove(self, input: models.TemplateRef, call: Call) -> models.TemplateRemoved:
        """Remove a template of your own for good; runs go on, and an agent made from it needs another one next time."""

        def work(tx: Tx) -> None:
            _, row = self._find(tx.session, input.template, call)
            if row is None:
                raise Forbidden(f"template {input.template} comes with aetherd and stays", template=input.template)
            for rating in tx.session.exec(select(RatingRow).where(RatingRow.template == row.id)):
                tx.session.delete(rating)
            tx.session.delete(row)
            tx.emit(events.TemplateRemoved(template=row.name))

        await self._store.write(work)
        return models.TemplateRemoved(name=input.template)

    # For other rooms --------------------------------------------------------------------------------

    async def template(self, ref: str, call: Call) -> Role:
        """Return what a run is started from."""
        spec, _ = await self._store.read(lambda session: self._find(session, ref, call))
        return Role.of(spec)

    async def named(self, ref: str, call: Call) -> str:
        """Return the name of a template the caller may use; `NotFound` names the nearest."""
        return (await self.template(ref, call)).name

    # ------------------------------------------------------------------------------------------------

    async def _add(self, raw: dict[str, Any], forked_from: str | None, call: Call, operation: str) -> models.Template:
        if raw["tools"] is not None:
            raw["tools"] = known(raw["tools"], self._registry, operation)
        raw["toolset"] = raw["toolset"] or ("worker" if raw["tools"] is None else "all")
        spec = Spec.model_validate(raw)
        row = TemplateRow(
            id=new_id("template"),
            name=spec.name,
            spec=spec.model_dump_json(),
            forked_from=forked_from,
            user=call.user,
            org=call.org,
            created_at=stamp(self._clock.now()),
            created_by=call.actor,
        )

        def work(tx: Tx) -> None:
            names = tx.session.exec(select(TemplateRow.name).where(*_mine(call))).all()
            if spec.name in self._builtin or spec.name in names:
                raise Conflict(f"a template named {spec.name!r} exists; choose another name", name=spec.name)
            if len(names) >= OWN:
                raise Exhausted(f"you have {OWN} templates; remove some", most=OWN)
            tx.session.add(row)
            tx.emit(events.TemplateCreated(template=spec.name, title=spec.title, forked_from=forked_from))

        await self._store.write(work)
        return _wire(spec, row, {})

    def _find(self, session: Session, name: str, call: Call) -> tuple[Spec, TemplateRow | None]:
        if spec := self._builtin.get(name):
            return spec, None
        row = session.exec(_own(call).where(TemplateRow.name == name)).first()
        if row is not None:
            return Spec.model_validate_json(row.spec), row
        names = [*self._builtin, *session.exec(select(TemplateRow.name).where(*_mine(call)))]
        near = get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"near it are: {', '.join(near)}" if near else "template.list shows those there are"
        raise NotFound(f"no template {name!r}; {hint}", kind="template", id=name, near=near)


def _mine(call: Call) -> tuple[Any, Any]:
    return TemplateRow.user == call.user, TemplateRow.org == call.org


def _own(call: Call) -> Any:
    return select(TemplateRow).where(*_mine(call))


def _ratings(session: Session, call: Call) -> Rated:
    """Return average and count of each template that people of the org have rated."""
    rows = session.exec(
        select(RatingRow.template, func.avg(RatingRow.rating), func.count())
        .where(RatingRow.org == call.org)
        .group_by(RatingRow.template)
    )
    return {key: (round(float(average), 2), count) for key, average, count in rows}


def _wire(spec: Spec, row: TemplateRow | None, ratings: Rated) -> models.Template:
    rating, count = ratings.get(spec.name if row is None else row.id, (None, 0))
    return models.Template(
        **spec.model_dump(),
        builtin=row is None,
        rating=rating,
        ratings=count,
        forked_from=None if row is None else row.forked_from,
        created_at=None if row is None else row.created_at,
        created_by=None if row is None else row.created_by,
    )
