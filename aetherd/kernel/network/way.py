"""The way out: a request is judged by its agent's policy, its host looked up once, and that very address connected to.

A name may lead elsewhere when it is asked again (DNS rebinding), so nothing is looked up twice; and a redirect is
the client's own next request, judged like the first.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

import anyio

from aetherd.core.errors import Unavailable
from aetherd.core.outbound import Address
from aetherd.kernel.network.book import Book, Tried
from aetherd.kernel.network.rules import Policy

RESOLVE_S, CONNECT_S = 10.0, 10.0
ADDRESSES = 4  # of one host that are tried
LOOKUPS = 4  # of one agent at a time: they hold threads

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Who:
    """Whose request it is; `pid` None: the daemon's, for the agent."""

    pid: int | None
    agent: str
    user: str
    org: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be reached, its host as `spelled`; `method` None for a tunnel."""

    host: str
    port: int
    method: str | None = None
    path: str | None = None

    @property
    def rule(self) -> str:
        """The rule that would allow it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Refused(Exception):
    """The policy says no; the text says why and which rule would allow it."""

    def __init__(self, reason: str, wanted: Wanted) -> None:
        super().__init__(
            f"{wanted.rule} is refused: {reason}. A person allows it with network.set_policy, rule `{wanted.rule}`"
        )
        self.reason = reason


async def looked_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as this machine finds them; also of odd spellings such as 0x7f.1."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]).partition("%")[0] for one in found]


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """A connection that stands."""

    wanted: Wanted
    address: Address
    scope: anyio.CancelScope


class Way:
    """Judges and connects."""

    def __init__(self, policy_of: Callable[[str], Policy], book: Book) -> None:
        self._policy_of, self._book = policy_of, book
        self._lookups: WeakValueDictionary[str, anyio.CapacityLimiter] = WeakValueDictionary()
        self._open: dict[str, set[Line]] = {}
        self.resolve: Resolve = looked_up

    async def judged(self, who: Who, wanted: Wanted) -> Sequence[Address]:
        """Return the addresses that may be connected to, in their order; writes down what was decided.

        Raises `Refused`, `Unavailable` when the host is not known.
        """
        policy = self._policy_of(who.agent)
        reason = policy.permits(wanted.host, wanted.port, wanted.method, wanted.path)
        addresses: list[Address] = []
        if reason is None:
            try:
                looking = self._lookups.setdefault(who.agent, anyio.CapacityLimiter(LOOKUPS))
                with anyio.fail_after(RESOLVE_S):
                    async with looking:
                        found = await self.resolve(wanted.host, wanted.port)
                addresses = [ipaddress.ip_address(address) for address in found]
            except (OSError, UnicodeError, ValueError, TimeoutError) as exc:
                why = f"the host {wanted.host} is not known: {exc or 'no answer in time'}"
                self._note(who, wanted, True, None, why)
                raise Unavailable(why, host=wanted.host) from exc
            closed = (policy.closes(address, wanted.port, wanted.method, wanted.path) for address in addresses)
            reason = next((why for why in closed if why is not None), None)
            if not addresses:
                reason = f"{wanted.host} has no address"
        if reason is not None:
            self._note(who, wanted, False, None, reason)
            raise Refused(reason, wanted)
        self._note(who, wanted, True, str(addresses[0]), None)
        return addresses

    @asynccontextmanager
    async def connected(self, who: Who, wanted: Wanted) -> AsyncIterator[socket.socket]:
        """Hold a connection to it, which does not block; raises `Refused`, `Unavailable`.

        What is done with it ends at once, without an error, when the policy no longer allows it.
        """
        addresses = await self.judged(who, wanted)
        sock, address = await _reached(wanted, addresses)
        line = Line(wanted, address, anyio.CancelScope())
        own = self._open.setdefault(who.agent, set())
        own.add(line)
        try:
            with sock, line.scope:
                self._look(who.agent, line)  # it may have changed while we connected
                yield sock
        finally:
            own.discard(line)
            if not own:
                self._open.pop(who.agent, None)

    def changed(self, agent: str) -> None:
        """End what a new policy refuses."""
        for line in list(self._open.get(agent, ())):
            self._look(agent, line)

    def _look(self, agent: str, line: Line) -> None:
        policy, wanted = self._policy_of(agent), line.wanted
        if policy.permits(wanted.host, wanted.port, wanted.method, wanted.path) or policy.closes(
            line.address, wanted.port, wanted.method, wanted.path
        ):
            line.scope.cancel()

    def _note(self, who: Who, wanted: Wanted, allowed: bool, address: str | None, reason: str | None) -> None:
        self._book.note(
            Tried(
                pid=who.pid,
                agent=who.agent,
                user=who.user,
                org=who.org,
                allowed=allowed,
                method=(wanted.method or "CONNECT")[:20],
                host=wanted.host,
                port=wanted.port,
                path=None if wanted.path is None else wanted.path.partition("?")[0][:500],  # a query may hold secrets
                address=address,
                reason=reason,
                rule=None if allowed else wanted.rule,
            )
        )


async def _reached(wanted: Wanted, addresses: Sequence[Address]) -> tuple[socket.socket, Address]:
    failure: Exception | None = None
    for address in addresses[:ADDRESSES]:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with anyio.fail_after(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(sock, (str(address), wanted.port))
        except (OSError, TimeoutError) as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock, address
    raise Unavailable(f"{wanted.rule} does not answer: {failure or 'no answer in time'}", host=wanted.host)
