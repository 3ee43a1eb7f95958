"""A double of the npm registry on loopback, with a double of Node and of npm in it: a few kilobytes, the same paths.

Its Node is a shell script that hands everything to Python; its npm fetches what package.json names from the registry.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from aetherd.kernel.runtime.installer import NODE, NPM
from aetherd.kernel.runtime.registry import PUBLIC

NPM_DOUBLE = """
import io, json, os, pathlib, sys, tarfile, urllib.error, urllib.request
place = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1])
assert "--ignore-scripts" in sys.argv
registry = os.environ["npm_config_registry"]
def get(url):
    asked = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["npm_config_token"]})
    return urllib.request.urlopen(asked).read()
lock = {}
for name, version in json.loads((place / "package.json").read_text())["dependencies"].items():
    try:
        facts = json.loads(get(f"{registry}{name}/{version}"))
        if facts["engine"] and facts["engine"] != (place / "bin/node").read_text().split()[-1]:
            sys.exit(f"npm error code EBADENGINE\\nnpm error Not compatible with your node: {name}@{version}")
        packed = tarfile.open(fileobj=io.BytesIO(get(facts["dist"]["tarball"])))
    except urllib.error.HTTPError as exc:
        sys.exit(f"npm error code E{exc.code}\\nnpm error {exc.code} {name}@{version}")
    except OSError:
        sys.exit("npm error code ECONNREFUSED")
    print(f"npm http fetch GET 200 {registry}{name}/-/{name}-{version}.tgz 1ms", file=sys.stderr)
    for member in packed:
        member.name = f"node_modules/{name}/" + member.name.partition("/")[2]
        packed.extract(member, place)
    lock[f"node_modules/{name}"] = {"integrity": facts["dist"]["integrity"]}
(place / "package-lock.json").write_text(json.dumps({"packages": lock}))
"""


@dataclass
class RegistryDouble:
    """What it has and what was asked; a test changes `packages` to make something wrong."""

    port: int = 0
    token: str = "the-token-of-npmrc"
    packages: dict[str, tuple[bytes, str]] = field(default_factory=dict)  # name@version -> archive, integrity told
    engines: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)  # what `held` names was asked for
    go_on: threading.Event = field(default_factory=threading.Event)
    held: str | None = None  # a package whose bytes wait for `go_on`

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def add(self, name: str, version: str, files: Mapping[str, str]) -> None:
        """Publish a package; each of its files can be run."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as packed:
            for path, text in files.items():
                member = tarfile.TarInfo(f"package/{path}")
                member.size, member.mode = len(text.encode()), 0o755
                packed.addfile(member, io.BytesIO(text.encode()))
        told = "sha512-" + base64.b64encode(hashlib.sha512(out.getvalue()).digest()).decode()
        self.packages[f"{name}@{version}"] = (out.getvalue(), told)

    def answer(self, path: str) -> bytes | None:
        """Return what is at a path."""
        name, _, rest = unquote(path).strip("/").rpartition("/")
        if rest.endswith(".tgz"):
            if self.held and rest.startswith(self.held):
                self.reached.set()
                self.go_on.wait(30)
            found = self.packages.get(rest.removesuffix(".tgz"))
            return found[0] if found else None
        if (found := self.packages.get(key := f"{name}@{rest}")) is None:
            return None
        at = (
            PUBLIC if name == "npm" or "node" in name else self.url
        )  # as some mirrors answer; npm and we ask the mirror
        facts: dict[str, Any] = {"dist": {"tarball": f"{at}-/{key}.tgz", "integrity": found[1]}}
        return json.dumps(facts | {"engine": self.engines.get(key)}).encode()


@contextmanager
def registry_double() -> Iterator[RegistryDouble]:
    """Serve one that has Node and npm."""
    double = RegistryDouble()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            double.asked.append(self.path)
            allowed = self.headers.get("Authorization") == f"Bearer {double.token}"
            body = double.answer(self.path) if allowed else b""
            self.send_response(401 if not allowed else 200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.port = server.server_port
    for arch in ("x64", "arm64"):
        for version in (NODE, "18.0.0"):
            script = f'#!/bin/sh\nexec "{sys.executable}" -I "$@" # {version}\n'
            double.add(f"node-linux-{arch}", version, {"bin/node": script})
    double.add("npm", NPM, {"bin/npm-cli.js": NPM_DOUBLE})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
