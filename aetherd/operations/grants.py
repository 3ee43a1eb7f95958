"""Access granted to OAuth clients: what the HTTP face asks of whoever keeps the grants, and how it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from aetherd.core.errors import Invalid

OFFERED = ("*:read", "*:write")  # what a client is told to ask for; a person may allow less
LONGEST = 8192  # characters of a request
NAMES = ("127.0.0.1", "localhost", "[::1]")


class Refused(Invalid):
    """Raised when a client's request is refused; `error` is OAuth's own word for why.

    `back` is the client's address with the refusal in it, where a browser may be sent without asking a person:
    only ever this machine, because anybody can register any other place (RFC 9700, 4.11).
    """

    status = 400

    def __init__(self, error: str, message: str, back: str | None = None) -> None:
        super().__init__(message, error=error)
        self.error, self.back = error, back


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A program that registered itself; the name is its own word."""

    id: str
    name: str
    redirects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Issued:
    """Secrets for a client, shown this once."""

    access: str
    refresh: str
    expires_in_s: int
    scopes: tuple[str, ...]


class Grants(Protocol):
    """The authorization server without its HTTP."""

    async def register(self, name: str, redirects: Sequence[str]) -> OAuthClient:
        """Take a client in; raises `Refused`."""
        ...

    async def check(self, request: str) -> None:
        """Raise `Refused` when a person need not even be asked; `request` is a query string as it came."""
        ...

    async def redeem(self, *, client: str, code: str, redirect: str, verifier: str, resource: str | None) -> Issued:
        """Turn a code into tokens, once; raises `Refused`."""
        ...

    async def refresh(self, *, client: str, secret: str, scope: str | None, resource: str | None) -> Issued:
        """Replace a refresh token and its access token; raises `Refused`."""
        ...

    async def forget(self, *, client: str, secret: str) -> None:
        """End all that was granted with this secret; an unknown one is ended already."""
        ...


def parameters(query: str) -> dict[str, str]:
    """Read a query or a form; a parameter that comes twice is refused, since two readers might differ."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise Refused("invalid_request", "the request cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs) or len(query) > LONGEST:
        raise Refused("invalid_request", "the request has a parameter twice or is too long")
    return found


def origins(port: int) -> tuple[str, ...]:
    """Return this server's origins: every name of this machine, at our port."""
    return tuple(_origin(name, port) for name in NAMES)


def resources(address: str | None) -> tuple[str, ...]:
    """Return what tokens for our /mcp are made for; nothing before we have an address."""
    if address is None:
        return ()
    return tuple(f"{origin}/mcp" for origin in origins(int(address.rpartition(":")[2])))


def reached_at(scope: Mapping[str, Any]) -> str:
    """Return our origin by the name the caller used; the port is the one we listen on, whatever a header says."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"localhost").decode("latin-1").lower()
    name, _, said = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    server = scope.get("server")
    port = server[1] if server and server[1] is not None else int(said or 80)
    return _origin(name, port)


def _origin(name: str, port: int) -> str:
    return f"http://{name}" if port == 80 else f"http://{name}:{port}"
