"""Where an installed skill comes from: an archive that was sent, a home or workspace, or a path of the machine."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import anyio.to_thread

from aetherd.core.errors import Forbidden, Invalid, NotFound
from aetherd.kernel.skill import tree
from aetherd.kernel.skill.archive import PACKED, unpack
from aetherd.kernel.skill.making import collected
from aetherd.kernel.skill.models import SkillInstall
from aetherd.kernel.skill.ports import Files
from aetherd.kernel.skill.tree import BYTES, FILES, Tree
from aetherd.operations.operation import Call


class Sources:
    """Reads files in, with the caller's rights."""

    def __init__(self, files: Files, house: Path) -> None:
        self._files, self._house = files, house

    async def read(self, input: SkillInstall, call: Call) -> Tree:
        """Return the files of a skill; nothing is written. Raises `Invalid` for whatever is odd in them."""
        if input.archive is not None:
            try:
                data = base64.b64decode(input.archive, validate=True)
            except (binascii.Error, ValueError):
                raise Invalid("archive is not valid base64", field="archive") from None
            return await anyio.to_thread.run_sync(unpack, data)
        assert input.path is not None
        if input.path.startswith("/"):
            return await self._machine(input, call)
        if not call.has("fs:read", "fs.read"):
            raise Forbidden("a path in a home or a workspace needs the scope fs:read; send an archive", scope="fs:read")
        found = await self._files.collect(
            call, agent=input.agent, workspace=input.workspace, path=input.path, files=FILES, most=max(BYTES, PACKED)
        )
        if "" in found:
            return await anyio.to_thread.run_sync(unpack, found[""][0])
        return collected(found)

    async def _machine(self, input: SkillInstall, call: Call) -> Tree:
        """Read any path of the machine, for a person alone; never what aetherd keeps."""
        path = Path(input.path or "")
        if call.agent is not None:
            raise Forbidden(
                f"{path} is outside of what you have; name a path in your home, or in a workspace", path=str(path)
            )
        if input.agent or input.workspace:
            raise Invalid("a path that begins with / is of the machine; leave agent and workspace out", field="path")

        def read() -> Tree:
            real = path.resolve()
            if real == self._house or self._house in real.parents:
                raise Forbidden(f"{path} belongs to aetherd; name it as the agent's or the workspace's", path=str(path))
            try:
                if real.is_dir():
                    return tree.read(real)
                if real.exists() and not real.is_file():
                    raise Invalid(f"{path} is no folder and no archive", field="path")
                with real.open("rb") as file:
                    return unpack(file.read(PACKED + 1))
            except FileNotFoundError as exc:
                raise NotFound(f"there is no {path} on this machine", kind="file", id=str(path)) from exc
            except OSError as exc:
                raise Invalid(f"{path} cannot be read: {exc.strerror}", field="path") from exc

        return await anyio.to_thread.run_sync(read)
