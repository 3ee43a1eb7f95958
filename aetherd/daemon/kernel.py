"""Builds the house: rooms in order, ports by constructor, hooks by offer, guards in a visible order."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import Any, get_type_hints

import anyio

from aetherd import __version__
from aetherd.core.clock import Clock, SystemClock
from aetherd.core.config import Settings
from aetherd.daemon.discovery import observations, relay
from aetherd.events import EventLog, Hub
from aetherd.operations.catalog import catalog
from aetherd.operations.dispatch import Authorise, Dispatcher, Guard, validate
from aetherd.operations.doors import Doors, Relay
from aetherd.operations.house import House
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.metrics import Metrics
from aetherd.operations.observed import Observations
from aetherd.operations.operation import Call, Owner, operations_of
from aetherd.operations.registry import Registry
from aetherd.runtime import Runtime
from aetherd.store import Store

logger = logging.getLogger(__name__)

# The onion, outermost first. A room offers "guards.<slot>"; an empty slot is passed through.
GUARDS = ("metric", "audit", "scope", "validate", "subject", "quota", "approve")


# Closed to everybody else; agents are bound through what they must pass (kernel/process/host.py).
HOME = {"": 0o700, "run": 0o711, "secrets": 0o700, "agents": 0o711, "shim": 0o700, "log": 0o700}


class Runtimes(dict[str, Runtime]):
    """The adapters of this installation by name."""


def room_of(service: type) -> str:
    """Return the room a service belongs to: the name of its package."""
    return service.__module__.split(".")[2]


def events_of(rooms: Iterable[type]) -> list[type]:
    """Return every room's event classes."""
    found: list[type] = []
    for service in rooms:
        package = importlib.import_module(service.__module__.rpartition(".")[0])
        found.extend(getattr(package, "EVENTS", ()))
    return found


class Kernel:
    """The rooms, wired. Enter `running` to bring them up in order; leaving takes them down in reverse."""

    def __init__(
        self, settings: Settings, rooms: Iterable[type], runtimes: Mapping[str, Runtime], clock: Clock | None = None
    ) -> None:
        self.settings, self.clock = settings, clock or SystemClock()
        self.store = Store(settings.database, EventLog(self.clock))
        self.hub = Hub(self.store)
        self.registry = Registry()
        self.dispatcher = Dispatcher(self.registry, ())
        self.doors = Doors()
        self.lifecycle = Lifecycle(health=self.health, gauges=self.gauges, started=self.clock.monotonic())
        self.rooms: dict[str, Any] = {}
        self._given: dict[type, Any] = {
            Settings: settings,
            Clock: self.clock,
            Store: self.store,
            Hub: self.hub,
            Registry: self.registry,
            Dispatcher: self.dispatcher,
            Doors: self.doors,
            Relay: relay(),
            Lifecycle: self.lifecycle,
            Metrics: Metrics(),
            Runtimes: Runtimes(runtimes),
            Observations: observations(),
        }
        classes = list(rooms)
        for service in classes:
            self.rooms[room_of(service)] = self._build(service)
        self._wire(classes)

    def _build(self, service: type) -> Any:
        """Construct a room: infrastructure by type, neighbours by parameter name, checked against their port."""
        hints = get_type_hints(vars(service)["__init__"])
        arguments = {}
        for name in list(inspect.signature(service).parameters):
            kind = hints[name]
            if kind in self._given:
                arguments[name] = self._given[kind]
            elif _is_mapping_of_runtimes(kind):
                arguments[name] = self._given[Runtimes]
            elif name in self.rooms:
                missing = [member for member in _members(kind) if not hasattr(self.rooms[name], member)]
                if missing:
                    raise TypeError(f"room {name} does not fit the port {kind.__name__}: it lacks {missing}")
                arguments[name] = self.rooms[name]
            else:
                raise TypeError(f"{service.__name__} asks for {name!r}, which no earlier room or infrastructure is")
        return service(**arguments)

    def _wire(self, classes: list[type]) -> None:
        """Register operations, and hand out what rooms offer: owners, guards, and entries for hook lists."""
        guards: dict[str, Guard] = {}
        self.offers: dict[str, Any] = {}
        for service in self.rooms.values():
            for op in operations_of(service):
                self.registry.add(op)
            for name, thing in (service.offers() if hasattr(service, "offers") else {}).items():
                where, _, what = name.partition(".")
                if where == "owners":
                    self.registry.add_owners({what: thing})
                elif where == "guards":
                    guards[what] = thing
                elif where in self.rooms:
                    getattr(self.rooms[where], what).append(thing)
                else:
                    self.offers[name] = thing
        authorise = Authorise(self.registry)
        guards |= {"scope": authorise.scope, "validate": validate, "subject": authorise.subject}
        self.dispatcher.use([guards[slot] for slot in GUARDS if slot in guards])
        self.registry.check()
        self.events = events_of(classes)

    @cached_property
    def catalog(self) -> dict[str, Any]:
        """Return what the house offers; made (80 ms) for the faces, after the processes were re-adopted."""
        return catalog(__version__, self.registry, self.events)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[House]:
        """Bring the house up: log, then rooms in order; processes are re-adopted before this yields."""
        make_home(self.settings)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.store.running())
            self.store.on_commit(self.hub.publish)
            await self.hub.start()
            for name, service in self.rooms.items():
                if hasattr(service, "running"):
                    await stack.enter_async_context(service.running())
                    logger.debug("room %s is up", name)
            self.lifecycle.up.set()
            background = await stack.enter_async_context(anyio.create_task_group())
            background.start_soon(self.hub.retire, self.settings.event_retention)
            yield self.house()
            background.cancel_scope.cancel()

    def house(self) -> House:
        """Return what faces get."""
        token = self.rooms["token"]
        return House(
            settings=self.settings,
            clock=self.clock,
            registry=self.registry,
            dispatcher=self.dispatcher,
            hub=self.hub,
            doors=self.doors,
            authenticate=token.authenticate,
            sessions=token,
            grants=token.grants,
            sees=self.sees,
            catalog=self.catalog,
            attach={
                name.removeprefix("attach."): thing for name, thing in self.offers.items() if name.startswith("attach.")
            },
            files=self.offers.get("files"),
            llm=self.offers.get("llm"),
            health=self.health,
            metrics=self.offers.get("metrics"),
            stop=lambda: self.lifecycle.stop(),
        )

    def sees(self, call: Call) -> Callable[[str | None, str, str], bool]:
        """Return the rule of ownership as the event hub applies it."""
        parent_of = self.offers.get("parent_of", lambda _agent: None)

        def may(agent: str | None, user: str, org: str) -> bool:
            return call.owns(Owner(agent, user, org, parent_of(agent) if agent else None))

        return may

    def health(self) -> dict[str, Any]:
        """Return every room's own word on how it is."""
        trouble = self.store.trouble
        found = {"store": {"ok": not trouble, "detail": trouble}}
        for name, service in self.rooms.items():
            found[name] = service.health() if hasattr(service, "health") else {"ok": True}
        return found

    def gauges(self) -> dict[str, float]:
        """Return every room's gauges."""
        found: dict[str, float] = {"aetherd_events_newest_id": float(self.hub.newest)}
        for service in self.rooms.values():
            if hasattr(service, "metrics"):
                found |= service.metrics()
        return found


def make_home(settings: Settings) -> None:
    """Make the directories of the home, closed to everybody else."""
    for name, mode in (
        ("", 0o700),
        ("run", 0o711),
        ("secrets", 0o700),
        ("agents", 0o711),
        ("shim", 0o700),
        ("log", 0o700),
    ):
        place = settings.home / name
        place.mkdir(mode=mode, parents=True, exist_ok=True)
        place.chmod(mode)


def _is_mapping_of_runtimes(kind: Any) -> bool:
    return getattr(kind, "__args__", None) == (str, Runtime)


def _members(port: type) -> list[str]:
    return [name for name in vars(port) if not name.startswith("_")]
