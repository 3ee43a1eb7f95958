"""Where a request of an agent may go: to the internet, not to this machine and its neighbours."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit, urlunsplit

import anyio

from aetherd.core.errors import Forbidden, Invalid, Unavailable

RESOLVE_S = 10.0
NAT64, NAT64_LOCAL = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48")
COMPATIBLE = ipaddress.ip_network("::/96")  # an old way to write IPv4; also `::` and `::1`
# Said to be global, or not known to be otherwise: clouds serve this machine's own secrets and settings there.
CLOUDS = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "168.63.129.16/32")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def web_address(url: str) -> tuple[SplitResult, str, int | None]:
    """Take an http(s) URL apart into itself, host and port; raises `Invalid`, also when it holds a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise Invalid(f"{url[:200]!r} is not a URL: {exc}", field="url") from exc
    if parts.scheme not in ("http", "https") or not host:
        raise Invalid(f"{url[:200]!r} is not an http or https URL with a host", field="url")
    if parts.username or parts.password:
        raise Invalid("the URL holds a user or a password; use a header", field="url")
    return parts, host, port


async def resolved(url: str, *, private: bool) -> tuple[str, str]:
    """Return host and address to connect to for an http(s) URL; connect to that very address.

    The name may lead elsewhere when it is asked again. Raises `Forbidden` when any of its addresses is not public,
    unless `private`.
    """
    _, host, port = web_address(url)
    try:
        with anyio.fail_after(RESOLVE_S):
            found = await anyio.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise Unavailable(f"the host {host} is not known: {exc}", host=host) from exc
    except TimeoutError as exc:
        raise Unavailable(f"the host {host} could not be looked up in {RESOLVE_S:g} s", host=host) from exc
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    for address in addresses:
        if not private and not public(ipaddress.ip_address(address)):
            raise Forbidden(
                f"{host} is {address}, which is on this machine or its network; agents reach only public addresses"
                " (a person allows it with the setting private_network)",
                host=host,
            )
    return host, addresses[0]


def pinned(url: str, address: str) -> tuple[str, str]:
    """Return the URL with the address in place of its host, and the Host header that names the host."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    where, named = (f"[{one}]" if ":" in one else one for one in (address, host))
    return urlunsplit((parts.scheme, where + port, parts.path or "/", parts.query, "")), named + port


def public(address: Address) -> bool:
    """Tell whether an address is out on the internet, also one wrapped into another."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64 or address in COMPATIBLE:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return public(inner)
        if address.teredo is not None or address.is_site_local or address in NAT64_LOCAL:
            return False
    return address.is_global and not address.is_multicast and not any(address in net for net in CLOUDS)
