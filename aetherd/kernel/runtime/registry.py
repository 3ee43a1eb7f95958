"""The npm registry without npm: what fetches Node and npm themselves, by the person's own npm configuration."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import ssl
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import anyio.to_thread
import httpx2

from aetherd.core.errors import Unavailable

PUBLIC = "https://registry.npmjs.org/"
GLOBAL = ("/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc")  # by how npm was installed, if it was
CONNECT_S, READ_S = 15.0, 60.0
MOST_FACTS, MOST_PACKAGE = 8 << 20, 512 << 20  # bytes

Heard = Callable[[int, int | None], Awaitable[None]]  # bytes so far, and of how many


@dataclass(frozen=True, slots=True)
class Npmrc:
    """What npm's configuration says, the strongest source first: environment, the user's file, the machine's."""

    values: Mapping[str, str]
    machine: Path | None = None  # the machine's file; an npm of ours would look for it beside its own Node

    @property
    def registry(self) -> str:
        """Where packages come from, with a slash at its end."""
        return self.values.get("registry", PUBLIC).rstrip("/") + "/"

    def authorization(self, url: str) -> dict[str, str]:
        """Return the header for an address, by the longest path the configuration has a credential for."""
        parts = urlsplit(url)
        path = f"//{parts.netloc.rpartition('@')[2]}{parts.path}"
        while "/" in path[2:]:
            path = path.rpartition("/")[0]
            for key, scheme in (("_authToken", "Bearer"), ("_auth", "Basic")):
                if secret := self.values.get(f"{path}/:{key}") or self.values.get(f"{path}:{key}"):
                    return {"Authorization": f"{scheme} {secret}"}
        return {}


def npmrc(env: Mapping[str, str]) -> Npmrc:
    """Read the configuration; blocking. A file that cannot be read counts as empty, as for npm."""
    asked = {key[11:].lower(): value for key, value in env.items() if key.lower().startswith("npm_config_") and value}
    machines = [Path(asked["globalconfig"])] if "globalconfig" in asked else [Path(one) for one in GLOBAL]
    machine = next((one for one in machines if one.is_file()), None)
    user = Path(asked.get("userconfig", Path(env.get("HOME", "/")) / ".npmrc"))
    found = _file(machine, env) if machine else {}
    return Npmrc(found | _file(user, env) | asked, machine)


def _file(path: Path, env: Mapping[str, str]) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeError):
        return {}
    found = {}
    for line in lines:
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and not key.startswith(("#", ";")):
            found[key] = re.sub(r"\$\{(\w+)\}", lambda named: env.get(named[1], named[0]), value.strip("\"'"))
    return found


class Registry:
    """Fetches single packages whose bytes are what the registry says they are. Raises `Unavailable`."""

    def __init__(self, config: Npmrc) -> None:
        self._config = config

    async def fetch(self, name: str, version: str, place: Path, heard: Heard) -> str:
        """Unpack a package into an empty directory; returns its integrity, `sha512-…`."""
        with _plainly(self._config.registry):
            async with self._client() as client:
                facts = await self._facts(client, name, version)
                integrity = next((one for one in str(facts.get("integrity", "")).split() if one[:7] == "sha512-"), "")
                if not integrity:
                    raise Unavailable(f"the npm registry gives no sha512 for {name}@{version}; it is not fetched")
                archive = place / "package.tgz"
                address = self._mirrored(str(facts["tarball"]))
                digest = await self._download(client, address, archive, heard)
        if digest != integrity:
            archive.unlink()
            raise Unavailable(f"{name}@{version} came with other bytes than the registry says; nothing was installed")
        await anyio.to_thread.run_sync(_unpack, archive, place)
        return integrity

    async def _facts(self, client: httpx2.AsyncClient, name: str, version: str) -> dict[str, Any]:
        url = f"{self._config.registry}{quote(name, safe='@')}/{version}"
        answer = await client.get(url, headers=self._config.authorization(url))
        if answer.status_code == 404:
            raise Unavailable(f"the npm registry {_shown(url)} has no {name}@{version}; set another one in ~/.npmrc")
        answer.raise_for_status()
        if len(answer.content) > MOST_FACTS:
            raise ValueError("more than it should be")
        dist = answer.json()["dist"]
        return dict(dist)

    def _mirrored(self, url: str) -> str:
        """Ask the configured registry for what a mirror's answer still says is the public one's, as npm does."""
        return self._config.registry + url[len(PUBLIC) :] if url.startswith(PUBLIC) else url

    async def _download(self, client: httpx2.AsyncClient, url: str, archive: Path, heard: Heard) -> str:
        digest, done = hashlib.sha512(), 0
        ours = urlsplit(url).netloc == urlsplit(self._config.registry).netloc
        headers = self._config.authorization(url) if ours else {}
        async with client.stream("GET", url, headers=headers) as answer, await anyio.open_file(archive, "wb") as file:
            answer.raise_for_status()
            total = int(answer.headers.get("content-length", 0)) or None
            async for part in answer.aiter_raw(1 << 20):
                done += len(part)
                if done > MOST_PACKAGE:
                    raise ValueError("more than it should be")
                digest.update(part)
                await file.write(part)
                await heard(done, total)
        return "sha512-" + base64.b64encode(digest.digest()).decode()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Open a client that goes through the person's proxy and trusts what npm is told to trust."""
        verify: ssl.SSLContext | bool = True
        if authorities := self._config.values.get("cafile"):
            verify = await anyio.to_thread.run_sync(lambda: ssl.create_default_context(cafile=authorities))
        timeout = httpx2.Timeout(READ_S, connect=CONNECT_S)
        async with httpx2.AsyncClient(verify=verify, timeout=timeout, follow_redirects=True) as client:
            yield client


@contextmanager
def _plainly(registry: str) -> Iterator[None]:
    """Turn what a client raises into one line that says how to mend it."""
    try:
        yield
    except httpx2.HTTPStatusError as exc:
        status = exc.response.status_code
        mend = "; check the credential in ~/.npmrc" if status in (401, 403) else ""
        raise Unavailable(f"the npm registry {_shown(registry)} answered {status}{mend}", status=status) from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as exc:
        raise Unavailable(unreachable(registry, str(exc) or type(exc).__name__)) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise Unavailable(f"the npm registry {_shown(registry)} answered with nothing of use: {exc}") from exc


def unreachable(registry: str, why: str) -> str:
    """Say that there is no network, or no registry, and what to do."""
    return (
        f"the npm registry {_shown(registry)} cannot be reached: {why}; check the network and its proxy, "
        "or name a mirror in ~/.npmrc (registry=…)"
    )


def _shown(url: str) -> str:
    """Return an address without the credential that may be in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _unpack(archive: Path, place: Path) -> None:
    """Unpack what is below the archive's one directory; links out of it and devices are refused."""
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                _, slash, member.name = member.name.partition("/")
                if slash and member.name:
                    _write(packed, member, place)
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise Unavailable(f"a package cannot be unpacked: {exc}") from exc
    finally:
        os.unlink(archive)


def _write(packed: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    """Write one file; Python has a filter for this from 3.11.4 on only, and npm packs nothing but files."""
    parts = PurePosixPath(member.name).parts
    if ".." in parts or member.name.startswith("/") or not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"{member.name[:200]!r} is no plain file below it")
    target = place.joinpath(*parts)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source = packed.extractfile(member)
    assert source is not None
    with source, open(target, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)
