"""The authorization request of an OAuth client: read once, strictly, for the HTTP route and for the person's page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from aetherd.operations.grants import OFFERED, OAuthClient, Refused

REDIRECT = re.compile(
    r"(?:https://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)|http://(?P<local>127\.0\.0\.1|\[::1\]|localhost))"
    r"(?P<port>:[0-9]{1,5})?(?P<rest>(?:/[\w.~!$&'()*+,;=:@%/-]*)?(?:\?[\w.~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 in base64url
SCOPE = re.compile(r"(?:\*|[a-z]+):(?:read|write)")  # never `*` or an admin scope: no client gets everything


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks a person for."""

    client: OAuthClient
    redirect: str
    state: str | None
    scopes: tuple[str, ...]
    challenge: str
    resource: str

    def back(self, **answer: str) -> str:
        """Return the client's address with our answer in it."""
        return answered(self.redirect, self.state, self.resource.removesuffix("/mcp"), answer)


def redirect_host(redirect: str) -> str:
    """Return whom a redirect goes to; raises `Refused` for one that no client may register."""
    match = REDIRECT.fullmatch(redirect)
    if match is None or len(redirect) > 2000:
        raise Refused("invalid_redirect_uri", "a redirect_uri is https://HOST/… or http://127.0.0.1:PORT/…, no more")
    return match["host"] or f"{match['local']}{match['port'] or ''}"


def is_local(redirect: str) -> bool:
    """Tell whether a redirect stays on this machine."""
    match = REDIRECT.fullmatch(redirect)
    return match is not None and match["local"] is not None


def same_redirect(registered: str, given: str) -> bool:
    """Compare exactly; only the port of a local one is free, as the client takes what it gets (RFC 8252, 7.3)."""
    if registered == given:
        return True
    one, other = REDIRECT.fullmatch(registered), REDIRECT.fullmatch(given)
    if one is None or other is None or one["local"] is None:
        return False
    return one.group("local", "rest") == other.group("local", "rest")


def read(given: dict[str, str], client: OAuthClient | None, ours: tuple[str, ...]) -> Asked:
    """Check an authorization request for one of `ours`, the addresses of this server's /mcp; raises `Refused`."""
    if client is None:
        raise Refused("invalid_request", "no client with this client_id is registered here; it must register again")
    redirect, state = given.get("redirect_uri", ""), given.get("state")
    if not any(same_redirect(each, redirect) for each in client.redirects):
        raise Refused("invalid_request", f"{client.name} did not register this redirect_uri")
    resource = given.get("resource", "").removesuffix("/")
    issuer = (resource if resource in ours else ours[0]).removesuffix("/mcp") if ours else ""

    def refuse(error: str, why: str) -> Refused:
        told = {"error": error, "error_description": why}
        return Refused(error, why, answered(redirect, state, issuer, told) if is_local(redirect) else None)

    if given.get("response_type") != "code":
        raise refuse("unsupported_response_type", "response_type must be code")
    if given.get("response_mode", "query") != "query":
        raise refuse("invalid_request", "response_mode must be query")
    challenge = given.get("code_challenge", "")
    if given.get("code_challenge_method") != "S256" or CHALLENGE.fullmatch(challenge) is None:
        raise refuse("invalid_request", "PKCE is needed: a code_challenge, and code_challenge_method=S256")
    if resource not in ours:
        raise refuse("invalid_target", f"resource must name this server: {ours[0] if ours else 'not up yet'}")
    asked = given.get("scope", " ".join(OFFERED)).split()
    scopes = tuple(dict.fromkeys(scope for scope in asked if SCOPE.fullmatch(scope)))
    if not scopes:
        raise refuse("invalid_scope", f"scope must have some of: {' '.join(OFFERED)}, or ROOM:read, ROOM:write")
    return Asked(client, redirect, state, scopes, challenge, resource)


def answered(redirect: str, state: str | None, issuer: str, answer: dict[str, str]) -> str:
    """Write an answer into a redirect, with the client's state and who answers (RFC 9207)."""
    more = answer | ({} if state is None else {"state": state}) | {"iss": issuer}
    return f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(more)}"
