"""Models: who can be asked, what they cost, where a call goes, and what was used. The gateway itself is beside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

import anyio
import anyio.to_thread

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import Invalid, NotFound
from aetherd.core.outbound import web_address
from aetherd.kernel.model import prices
from aetherd.kernel.model.dialects import Wanted
from aetherd.kernel.model.events import ModelConfigured
from aetherd.kernel.model.gateway import Gateway
from aetherd.kernel.model.models import (
    KnownModel,
    ModelConfigure,
    Models,
    ModelsWanted,
    ModelUsage,
    Provider,
    Providers,
    ProvidersWanted,
    Route,
    RouteAsk,
    Stop,
    UsageAsk,
    UsageLine,
)
from aetherd.kernel.model.ports import Agents, Processes, Quotas
from aetherd.kernel.model.providers import USUAL, Book
from aetherd.kernel.model.routing import Asking, chosen
from aetherd.kernel.model.settings import Settled
from aetherd.kernel.model.trace import Traces
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.metrics import Metrics
from aetherd.operations.operation import Call, Effect, Rule, operation
from aetherd.operations.spending import NANO
from aetherd.store import Store, Tx


class ModelService:
    """Keeps providers, prices and routes, and has the gateway."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        lifecycle: Lifecycle,
        agent: Agents,
        process: Processes,
        quota: Quotas,
        metrics: Metrics,
    ) -> None:
        self._store, self._clock, self._agents, self._quota = store, clock, agent, quota
        self._lifecycle = lifecycle
        self._book = Book(settings.home)
        self._settled = Settled(self._book)
        traces = Traces(settings.home / "log" / "models", clock, self._settled.is_traced, self._known_keys)
        self.gateway = Gateway(self._settled, process, quota, traces, metrics)

    def offers(self) -> Mapping[str, Any]:
        """Give faces the gateway, and processes the providers that can be used through it."""
        return {"llm": self.gateway, "process.gateways": self._book.ready}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read what was configured; have the gateway's parts at hand before the first call."""
        await self._store.read(self._settled.load)
        async with anyio.create_task_group() as group:
            group.start_soon(self._prepare)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self.gateway.aclose()
                group.cancel_scope.cancel()

    async def _prepare(self) -> None:
        """Load what the first call needs, once agents are looked after."""
        await self._lifecycle.up.wait()
        await anyio.to_thread.run_sync(self._load)

    def _load(self) -> None:
        """Import the client (10 MB) and read the prices, when somebody can be asked."""
        if self._book.awaited():
            prices.table()
            import_module("aetherd.kernel.model.upstream")

    @operation("model.providers", effect=Effect.READ, access=Rule.PEOPLE)
    async def providers(self, input: ProvidersWanted, call: Call) -> Providers:
        """Show who can be asked, where each key is from and what is missing; keys themselves are never shown."""
        return await anyio.to_thread.run_sync(self._providers, call)

    @operation("model.list", effect=Effect.READ, access=Rule.ANYONE, positional=("provider",))
    async def list_models(self, input: ModelsWanted, call: Call) -> Models:
        """List models whose prices are known, of the providers that can be used; or of the one that is named."""
        own, table = self._settled.own_prices(call.user, call.org), prices.table()
        names = {input.provider} if input.provider else self._book.ready(call.user, call.org)
        found = [
            KnownModel(provider=provider, model=model, price=price, own=name in own)
            for name, price in sorted({**table.models, **own}.items())
            for provider, _, model in (name.partition("/"),)
            if provider in names
        ]
        return Models(models=found, date=table.date, source=table.source)

    @operation("model.configure", access=Rule.PEOPLE, positional=("provider",))
    async def configure(self, input: ModelConfigure, call: Call) -> Providers:
        """Set a provider's key or address, prices, routing rules, and which agents' calls are kept.

        A key is written to a file that only the daemon reads, and is never shown again. What is not given stays, but a
        key does not go to another address: with a new base_url it is given again.
        """
        whose, at = (call.user, call.org), stamp(self._clock.now())
        given = input.model_dump(mode="json", exclude_unset=True)
        changed = sorted(given.keys() - {"provider"})
        name = input.provider
        about = {"dialect", "base_url", "api_key", "kind", "prices", "remove"} & given.keys()
        if about and name is None:
            raise Invalid(f"model.configure: provider: whose {sorted(about)[0]}? name it", field="provider")
        if not changed:
            raise Invalid("model.configure: what shall change? give api_key, base_url, prices, rules or trace")
        before = self._book.address(name, call.user, call.org)
        provider = None if name is None else self._provider(name, input, call)
        traced = {(await self._agents.find(ref, call)).id: on for ref, on in (input.trace or {}).items()}

        def work(tx: Tx) -> None:
            def put(kind: str, key: str, value: Any) -> None:
                self._settled.put(tx, kind, key, whose, value, at=at, by=call.actor)

            if name is not None:
                put("provider", name, provider)
                for model, price in (input.prices or {}).items():
                    put("price", f"{name}/{model}", price and price.model_dump(exclude_none=True))
            if input.rules is not None:
                put("rules", "", [rule.model_dump(exclude_none=True) for rule in input.rules] or None)
            for agent, on in traced.items():
                put("trace", agent, True if on else None)
            tx.emit(ModelConfigured(provider=name, changed=changed, by=call.actor))

        await self._store.write(work)
        moved = self._book.address(name, call.user, call.org) != before
        if name is not None and (input.api_key is not None or input.remove or moved):
            key = "" if input.remove or input.api_key is None else input.api_key.get_secret_value().strip()
            kind = input.kind or ("claude" if key.startswith("sk-ant-oat") else "key")
            await anyio.to_thread.run_sync(self._book.keep, name, *whose, key, kind)
        self._book.changed()
        await anyio.to_thread.run_sync(self._load)
        return await anyio.to_thread.run_sync(self._providers, call)

    @operation("model.route", effect=Effect.READ, access=Rule.ANYONE, positional=("provider", "model"))
    async def route(self, input: RouteAsk, call: Call) -> Route:
        """Tell where a call would go and why, without making it."""
        user, org = call.user, call.org
        if input.provider not in self._book.names(user, org):
            self._book.place(input.provider, user, org)  # says which there are
        agent = None if input.agent is None else await self._agents.find(input.agent, call)
        want = Wanted("chat", model=input.model, size=input.tokens, most_output=input.most_output)
        price = self._settled.price(input.provider, input.model, user, org)
        asking = Asking(
            provider=input.provider,
            model=input.model,
            agent=agent.id if agent else "",
            name=agent.name if agent else "",
            role=input.role or "",
            runtime=input.runtime or "",
            phase=input.phase or "",
            tools=input.tools,
            tokens=input.tokens,
            most_usd=None if price is None else prices.most(price, want) / NANO,
        )
        choice = chosen(self._settled.rules(user, org), asking, self._settled.dialects(user, org))
        stops = []
        for provider, model in choice.stops:
            price = self._settled.price(provider, model, user, org)
            most = None if price is None else prices.most(price, want) / NANO
            ready = not self._book.place(provider, user, org).note
            stops.append(Stop(provider=provider, model=model, ready=ready, most_usd=most))
        return Route(rule=choice.rule, stops=stops, why=list(choice.why))

    @operation("model.usage", effect=Effect.READ, access=Rule.OWN, positional=("agent",))
    async def usage(self, input: UsageAsk, call: Call) -> ModelUsage:
        """Show what calls to models used and cost, by model, as the providers told it; an agent sees its own."""
        agent = call.agent if input.agent is None else (await self._agents.find(input.agent, call)).id
        if call.agent not in (None, agent):
            raise NotFound(f"no agent {input.agent!r} of yours", kind="agent", id=str(input.agent))
        since = stamp(self._clock.now() - timedelta(days=input.days))
        rows = await self._store.read(
            lambda session: self._quota.money.usage(session, user=call.user, org=call.org, agent=agent, since=since)
        )
        shown = UsageLine.model_fields.keys() - {"cost_usd"}
        lines = [UsageLine(**{k: row[k] for k in shown}, cost_usd=(row["nano_usd"] or 0) / NANO) for row in rows]
        lines.sort(key=lambda line: line.cost_usd, reverse=True)
        return ModelUsage(lines=lines, cost_usd=sum(row["nano_usd"] or 0 for row in rows) / NANO)

    def _provider(self, name: str, input: ModelConfigure, call: Call) -> dict[str, Any] | None:
        """Return what shall be kept of a provider; None when nothing."""
        known = self._book.configured.get((call.user, call.org), {}).get(name)
        if input.remove:
            if known is None and name not in USUAL:
                self._book.place(name, call.user, call.org)  # there is none to remove: says which there are
            return None
        if name in USUAL and input.dialect not in (None, name):
            raise Invalid(f"{name} speaks {name}; give another name to one that does not", field="dialect")
        found = dict(known or {})
        if input.base_url:
            web_address(input.base_url)
            found["base_url"] = input.base_url
        elif input.base_url is not None:
            found.pop("base_url", None)
        if input.dialect is not None:
            found["dialect"] = input.dialect
        if name not in USUAL and not found.get("base_url"):
            raise Invalid(f"model.configure: base_url: where is {name}? such as https://host/v1", field="base_url")
        return found or None

    def _providers(self, call: Call) -> Providers:
        own, user, org = self._settled.own_prices(call.user, call.org), call.user, call.org
        found = []
        for name in self._book.names(user, org):
            place = self._book.place(name, user, org)
            found.append(
                Provider(
                    name=name,
                    dialect=place.dialect,
                    base_url=place.base_url,
                    key=place.key.source if place.key else "none",
                    kind=place.key.kind if place.key else "key",
                    ready=not place.note,
                    note=place.note,
                    own_prices={key.partition("/")[2]: one for key, one in own.items() if key.startswith(f"{name}/")},
                )
            )
        table = prices.table()
        return Providers(
            providers=found,
            rules=list(self._settled.rules(user, org)),
            traced=self._settled.traced(user, org),
            prices_date=table.date,
            prices_source=table.source,
        )

    def _known_keys(self, call: Call) -> list[str]:
        places = [self._book.place(name, call.user, call.org) for name in self._book.names(call.user, call.org)]
        return [place.key.value for place in places if place.key is not None]
