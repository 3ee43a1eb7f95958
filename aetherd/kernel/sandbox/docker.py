"""The Docker engine, as far as sandboxes need it: the only place that knows its SDK. Its calls block, so in threads."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from aetherd.core.errors import NotFound, Unavailable

T = TypeVar("T")
Say = Callable[[str], Coroutine[Any, Any, None]]
CALL_S = 30.0  # the longest the engine may take to answer one request
LOAD_S = 300.0  # or to take an image in
OLDEST = "1.40"  # of the API; with it the engine is asked for its own
THREADS = 8
LARGEST = 4 << 30  # bytes of one image


@dataclass(frozen=True, slots=True)
class Bind:
    """A path of this machine, as a container sees it."""

    outside: Path
    inside: Path
    readonly: bool


@dataclass(frozen=True, slots=True)
class Container:
    """What one is made from; whatever is not said here is closed. Sizes in bytes, `cpus` in processors."""

    name: str
    image: str
    uid: int
    binds: Sequence[Bind]
    labels: Mapping[str, str]
    tmpfs: Mapping[str, str] = field(default_factory=dict)  # directory -> mount options
    shm: int = 64 << 20
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None
    gpus: Sequence[str] = ()  # uuids


@dataclass(frozen=True, slots=True)
class Standing:
    """A container there is: `pid` is the host's number of its first process, None while it does not run."""

    name: str
    pid: int | None
    image: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """An image the engine has."""

    id: str
    tags: tuple[str, ...]
    bytes: int
    created: int  # Unix seconds
    labels: Mapping[str, str]


class Engine:
    """Speaks with the engine behind a unix socket; `host` empty: there shall be none."""

    def __init__(self, host: str) -> None:
        self.host, self.version = host, ""  # of the engine, once it was found fit
        self._api = ""
        self._client: Any = None
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def trouble(self) -> str | None:
        """Return why containers cannot be had here, None when they can; an engine that went away is noticed."""
        return await self._thread(self._trouble)

    def close(self) -> None:
        """Let the connections go."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def create(self, container: Container) -> None:
        """Make a container that does nothing but stand there. Raises `NotFound` without the image."""
        await self._call(lambda client: _create(client, container))

    async def start(self, name: str) -> int:
        """Start one; returns the host's pid of its first process."""

        def work(client: Any) -> int:
            client.start(name)
            return int(client.inspect_container(name)["State"]["Pid"])

        return await self._call(work)

    async def standing(self, name: str) -> Standing | None:
        """Return a container by its name."""

        def work(client: Any) -> Standing:
            found = client.inspect_container(name)
            config, pid = found["Config"], int(found["State"]["Pid"])
            return Standing(name, pid or None, config["Image"], config["Labels"] or {})

        try:
            return await self._call(work)
        except NotFound:
            return None

    async def labelled(self, label: str) -> list[Standing]:
        """Return all containers that carry a label (`key=value`), running or not; their pids are not asked for."""

        def work(client: Any) -> list[Standing]:
            found = client.containers(all=True, filters={"label": label})
            return [Standing(one["Names"][0].lstrip("/"), None, one["Image"], one["Labels"]) for one in found]

        return await self._call(work)

    async def remove(self, name: str) -> bool:
        """Kill and remove a container; returns whether there was one."""

        def work(client: Any) -> None:
            client.remove_container(name, force=True, v=True)

        try:
            await self._call(work)
        except NotFound:
            return False
        return True

    async def images(self) -> list[Stored]:
        """Return every image; one whose name a newer one took has no tags."""

        def work(client: Any) -> list[Stored]:
            return [
                Stored(
                    one["Id"],
                    tuple(tag for tag in one["RepoTags"] or () if tag != "<none>:<none>"),
                    one["Size"],
                    one["Created"],
                    one["Labels"] or {},
                )
                for one in client.images()
            ]

        return await self._call(work)

    async def in_use(self) -> set[str]:
        """Return the ids of images that some container, running or not, is made from."""
        return await self._call(lambda client: {one["ImageID"] for one in client.containers(all=True)})

    async def take_in(self, archive: Path, tag: str, changes: Sequence[str]) -> None:
        """Make an image from a tar file of a root directory; `changes` are lines of a Dockerfile."""

        def work(client: Any) -> None:
            name, _, version = tag.partition(":")
            said = client.import_image_from_file(str(archive), repository=name, tag=version, changes=list(changes))
            if '"error"' in said:
                raise Unavailable(f"Docker does not take the image {tag}: {said.strip()[-300:]}")

        await self._call(work, LOAD_S)

    async def build(
        self, directory: Path, tag: str, labels: Mapping[str, str], arguments: Mapping[str, str], say: Say
    ) -> None:
        """Build an image from a directory's Dockerfile, telling each line; the engine pulls what it stands on."""

        def work(client: Any) -> None:
            for part in client.build(
                path=str(directory),
                tag=tag,
                labels=dict(labels),
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
            ):
                if "error" in part:
                    raise Unavailable(f"the image {tag} could not be built: {part['error'].strip()}")
                if text := str(part.get("stream", part.get("status", ""))).strip():
                    anyio.from_thread.run(say, text)  # ends here when the build is called off

        await self._call(work, LOAD_S)

    async def forget(self, image: str) -> None:
        """Remove an image nobody uses."""
        await self._call(lambda client: client.remove_image(image, force=True))

    async def _call(self, work: Callable[[Any], T], deadline_s: float = CALL_S) -> T:
        return await self._thread(functools.partial(self._asked, work, deadline_s))

    async def _thread(self, work: Callable[[], T]) -> T:
        # Never abandoned: each request ends by the client's own deadline, and what it made is then known.
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def _asked(self, work: Callable[[Any], T], deadline_s: float) -> T:
        if (trouble := self._deaf()) is not None:
            raise Unavailable(f"Docker cannot be used: {trouble}")
        import requests

        errors = _sdk().errors
        try:
            client = self._connected() if deadline_s == CALL_S else self._connect(deadline_s)
            try:
                return work(client)
            finally:
                if client is not self._client:
                    client.close()
        except errors.NotFound as exc:
            raise NotFound(f"Docker has no such thing: {exc.explanation}") from exc
        except errors.APIError as exc:
            raise Unavailable(f"Docker refuses: {exc.explanation}") from exc
        except (errors.DockerException, requests.RequestException, OSError) as exc:
            raise Unavailable(f"the Docker engine at {self.host} does not answer: {exc}") from exc

    def _connected(self) -> Any:
        if self._client is None:
            self._client = self._connect(CALL_S)
        return self._client

    def _connect(self, deadline_s: float) -> Any:
        if not self._api:
            first = _sdk().APIClient(base_url=self.host, version=OLDEST, timeout=deadline_s)
            try:
                self._api = first.version(api_version=False)["ApiVersion"]
            finally:
                first.close()
        return _sdk().APIClient(base_url=self.host, version=self._api, timeout=deadline_s)

    def _deaf(self) -> str | None:
        """Return why nobody can be spoken with; cheap."""
        if not self.host:
            return "switched off by the setting docker_host"
        path = self.host.removeprefix("unix://")
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(CALL_S)
                line.connect(path)
        except FileNotFoundError:
            return f"no Docker engine listens at {path}; install docker.io, or set docker_host"
        except OSError as exc:
            return f"no Docker engine answers at {path}: {exc.strerror or exc}; start it, or set docker_host"
        try:
            _sdk()
        except ImportError:
            return "the Python package docker is missing; install aetherd with the extra `docker`"
        return None

    def _trouble(self) -> str | None:
        if self.host and os.geteuid() != 0:
            return "the daemon does not run as root: nobody else may enter the namespaces of a container"
        if (deaf := self._deaf()) is not None:
            self.version = ""
            return deaf
        if self.version:  # looked at before, and it answers
            return None
        try:
            options, version = self._asked(_about, CALL_S)
        except Unavailable as exc:
            return exc.message
        if "rootless" in options or "userns" in options:
            return "this engine maps user ids (rootless or userns-remap), so agents cannot have theirs; use another"
        if "name=seccomp" not in options:
            return "this engine has no seccomp; use one that has"
        self.version = version
        return None


def _about(client: Any) -> tuple[str, str]:
    return " ".join(client.info()["SecurityOptions"]), client.version()["Version"]


def _sdk() -> Any:
    """Import the SDK when it is first needed: it takes 0.2 s and many need it never."""
    import docker  # noqa: TID251 - the one place

    return docker


def _create(client: Any, container: Container) -> None:
    """Make it; what is left under its name of an earlier one goes."""
    try:
        _make(client, container)
    except _sdk().errors.APIError as exc:
        if exc.status_code != 409:
            raise
        client.remove_container(container.name, force=True, v=True)
        _make(client, container)


def _make(client: Any, container: Container) -> None:
    types = _sdk().types
    client.create_container(
        container.image,
        command=["sleep", "infinity"],
        entrypoint=[],
        name=container.name,
        hostname="agent",
        user=f"{container.uid}:{container.uid}",
        working_dir="/",
        labels=dict(container.labels),
        host_config=client.create_host_config(
            init=True,  # buries what is left over
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs=dict(container.tmpfs),
            shm_size=container.shm,
            mem_limit=container.memory,
            memswap_limit=container.memory,
            nano_cpus=None if container.cpus is None else int(container.cpus * 1e9),
            pids_limit=container.pids,
            device_requests=[
                types.DeviceRequest(driver="nvidia", device_ids=list(container.gpus), capabilities=[["gpu"]])
            ]
            if container.gpus
            else None,
            mounts=[
                types.Mount(str(bind.inside), str(bind.outside), type="bind", read_only=bind.readonly)
                for bind in container.binds
            ],
        ),
    )
