"""Policies: which hosts, ports, methods and paths an agent may reach. Pure: no look-up, no socket."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import unquote

from aetherd.core.errors import Invalid
from aetherd.core.outbound import Address, public

Mode = Literal["none", "all", "rules"]
MOST = 200  # rules of one agent
LONGEST = 500  # characters of a rule

_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")  # at the end of a host: an address in an odd spelling
_METHOD = re.compile(r"[A-Z]{3,10}")
GRAMMAR = (
    "a rule is a host (`pypi.org`, `*.pypi.org`), an address or network (`10.0.0.5`, `10.0.0.0/8`), each with `:PORT` "
    "if only that port is meant, or `GET http://host/path*` for plain HTTP"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is allowed. `net` is set for an address or a network, which may then be private."""

    text: str
    host: str
    net: ipaddress.IPv4Network | ipaddress.IPv6Network | None
    port: int | None
    method: str | None = None
    path: str | None = None

    def names(self, host: str, port: int) -> bool:
        """Tell whether it is about this host, as it was asked for."""
        if self.port not in (None, port):
            return False
        if self.net is not None:
            address = as_address(host)
            return address is not None and address in self.net
        return host == self.host or (self.host.startswith("*.") and host.endswith(self.host[1:]))

    def opens(self, address: Address, port: int, method: str | None, path: str | None) -> bool:
        """Tell whether it lists an address for such a request, also one that is not public."""
        return self.net is not None and self.port in (None, port) and address in self.net and self.allows(method, path)

    def allows(self, method: str | None, path: str | None) -> bool:
        """Tell whether it allows the request; `method` None: a tunnel, whose inside nobody sees."""
        if self.method is None:
            return True
        return method == self.method and path is not None and plain(path) and fnmatchcase(path, self._pattern)

    @property
    def _pattern(self) -> str:
        return (self.path or "/*").replace("[", "[[]").replace("?", "[?]")  # of fnmatch's signs, `*` alone is ours

    def covers(self, other: Rule) -> bool:
        """Tell whether whatever the other allows is allowed by this one."""
        if self.port not in (None, other.port):
            return False
        if (self.method, self.path) not in ((None, None), (other.method, other.path)):
            return False
        if self.net is not None:
            same = other.net is not None and self.net.version == other.net.version
            return same and other.net.subnet_of(self.net)  # type: ignore[arg-type,union-attr]
        return other.net is None and (self.host == other.host or fnmatchcase(other.host, self.host))


@dataclass(frozen=True, slots=True)
class Policy:
    """What one agent may reach."""

    mode: Mode
    rules: tuple[Rule, ...] = ()

    def permits(self, host: str, port: int, method: str | None = None, path: str | None = None) -> str | None:
        """Return the reason why a request for this host (as `spelled`) is refused, None when it may be looked up."""
        if self.mode == "none":
            return "this agent has no network"
        if self.mode == "all":
            return None
        named = [rule for rule in self.rules if rule.names(host, port)]
        if any(rule.allows(method, path) for rule in named):
            return None
        if named:
            return f"only {', '.join(rule.text for rule in named)[:300]} is allowed of {host}"
        return f"no rule of this agent names {host}"

    def closes(self, address: Address, port: int, method: str | None = None, path: str | None = None) -> str | None:
        """Return the reason why an address is not connected to, whatever its name; None when it is."""
        if public(address) or any(rule.opens(address, port, method, path) for rule in self.rules):
            return None
        return f"{address} is on this machine or its network, and no rule lists it"

    def covers(self, other: Policy) -> bool:
        """Tell whether whatever the other allows is allowed by this one."""
        if other.mode == "none":
            return True
        if self.mode == "none" or (other.mode == "all" and self.mode == "rules"):
            return False
        checked = other.rules if self.mode == "rules" else [rule for rule in other.rules if rule.net is not None]
        return all(any(own.covers(rule) for own in self.rules) or self._free(rule) for rule in checked)

    def _free(self, rule: Rule) -> bool:
        """Tell whether mode `all` allows it unlisted: one public address, for a network may hold others inside."""
        return self.mode == "all" and rule.net is not None and rule.net.num_addresses == 1 and public(rule.net[0])

    @property
    def loopback_ports(self) -> list[int]:
        """Ports of this machine's own services that are opened, each with all that is said through it."""
        if self.mode == "none":
            return []
        return sorted({rule.port for rule in self.rules if rule.port and rule.opens(HERE, rule.port, None, None)})


HERE = ipaddress.IPv4Address("127.0.0.1")


def spelled(host: str) -> str | None:
    """Return a host in the one spelling that rules are about; None when it is no host.

    Lower case, ASCII (IDNA), no dot at its end, an IPv6 address without brackets and in its shortest form.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        try:
            found = ipaddress.IPv6Address(bare)
        except ValueError:
            return None
        return None if found.scope_id else str(found)
    try:
        name = bare.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return None
    if name == "localhost":
        return str(HERE)
    return name if len(name) <= 253 and _NAME.fullmatch(name) else None


def plain(path: str) -> bool:
    """Tell whether a path is what it looks like: no step upwards in it, however it is written."""
    for _ in range(4):
        if any(part.partition(";")[0] in (".", "..") for part in re.split(r"[/\\]", path)):
            return False
        before, path = path, unquote(path)
        if path == before:
            return True
    return False


def as_address(host: str) -> Address | None:
    """Return a host that is an address, in its usual spelling only; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def rule(text: str) -> Rule:
    """Read a rule; raises `Invalid` with the grammar."""
    words = text.strip()
    if len(words) > LONGEST or not words.isprintable():
        raise Invalid(f"a rule is at most {LONGEST} characters in one line; {GRAMMAR}", field="rules")
    method = path = None
    if "://" in words:
        first, _, rest = words.rpartition(" ")
        method = first.strip() or "GET"
        scheme, _, place = rest.partition("://")
        if scheme != "http" or not _METHOD.fullmatch(method):
            why = "method and path are seen of plain http only"
            raise Invalid(f"{text[:100]!r} is no rule: {why}; {GRAMMAR}", field="rules")
        words, slash, path = place.partition("/")
        path = slash + path or "/*"
        if "?" in path or "#" in path or not plain(path):
            raise Invalid(f"{text[:100]!r} is no rule: its path has `?`, `#`, or steps upwards", field="rules")
    host, port = _split(words.lower(), text)
    host = str(HERE) if host == "localhost" else host
    try:
        net = None if "%" in host else ipaddress.ip_network(host, strict=False)
    except ValueError:
        net = None
    if net is None:
        any_below = host.startswith("*.")
        name = spelled(host.removeprefix("*."))
        if name is None or ":" in name or _NUMBER.fullmatch(name.rpartition(".")[2]):
            raise Invalid(f"{text[:100]!r} is no rule; {GRAMMAR}", field="rules")
        host = "*." * any_below + name
    return Rule(text.strip(), host, net, port, method, path)


def policy(mode: Mode, texts: Sequence[str]) -> Policy:
    """Make a policy; raises `Invalid`."""
    if len(texts) > MOST:
        raise Invalid(f"{len(texts)} rules are more than {MOST}", field="rules")
    found = {made.text: made for made in map(rule, texts)}
    return Policy(mode, tuple(found.values()))


def wished(text: str) -> Policy:
    """Read the `network` of a spawn: none, all, or rules with commas between them."""
    words = [word.strip() for word in re.split(r"[,\n]", text) if word.strip()]
    if words in (["none"], ["all"]):
        return policy("none" if words == ["none"] else "all", ())
    if not words or "none" in words or "all" in words:
        raise Invalid(f"network {text[:100]!r} is not none, all, or a list of rules; {GRAMMAR}", field="network")
    return policy("rules", words)


def _split(words: str, text: str) -> tuple[str, int | None]:
    if words.startswith("["):
        host, _, rest = words[1:].partition("]")
        host = host if "]" in words else words
    elif words.count(":") > 1:
        return words, None  # a bare IPv6 address
    else:
        host, colon, rest = words.partition(":")
        rest = colon + rest
    if not rest:
        return host, None
    if not rest.startswith(":") or not rest[1:].isdecimal() or not 0 < int(rest[1:]) < 65536:
        raise Invalid(f"{text[:100]!r} is no rule: its port is not a number from 1 to 65535; {GRAMMAR}", field="rules")
    return host, int(rest[1:])
