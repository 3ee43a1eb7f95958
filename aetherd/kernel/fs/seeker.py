"""The program behind `fs.search`, run in a process of its own with the agent's uid: standard library only.

A regular expression can run for ever and would hold the daemon's interpreter meanwhile; this process is
simply ended. One line of JSON on standard input is the question, lines of JSON on standard output are the
matches, and the last line says how complete they are.
"""

import codecs
import fnmatch
import json
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

FILE_BYTES = 8 << 20
ALL_BYTES = 512 << 20
FILES = 200_000
DEPTH = 100
LINE = 400


class Seeker:
    """One search."""

    def __init__(self, question: dict[str, Any]) -> None:
        self.question = question
        self.until = time.monotonic() + question["seconds"]
        self.left = question["limit"]
        self.bytes = self.files = 0
        self.complete = True
        self.needle: bytes | None = None
        self.find: Callable[[str], Any] | None = None
        if question["content"] is not None:
            flags = re.IGNORECASE if question["ignore_case"] else 0
            text = question["content"] if question["regex"] else re.escape(question["content"])
            self.find = re.compile(text, flags).search
            if not question["regex"] and not question["ignore_case"]:
                self.needle = question["content"].encode()

    def run(self, descriptor: int) -> None:
        """Search a directory or one file."""
        top = self.question["path"]
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            for path, directory, name in self.walk(descriptor, "" if top == "." else top, 0):
                if not self.look(path, directory, name):
                    self.complete = False
                    return
        else:
            self.files = 1
            if not self.search(top, os.dup(descriptor)):
                self.complete = False

    def walk(self, descriptor: int, above: str, depth: int) -> Iterator[tuple[str, int, str]]:
        """Yield every plain file below an open directory; links are not followed."""
        try:
            names = sorted(os.listdir(descriptor))
        except OSError:
            return
        below = []
        for name in names:
            if name.startswith(".aether-part-") or (name.startswith(".") and not self.question["hidden"]):
                continue
            try:
                mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            except OSError:
                continue
            if stat.S_ISDIR(mode):
                below.append(name)
            elif stat.S_ISREG(mode):
                yield f"{above}/{name}" if above else name, descriptor, name
        for name in below:
            if depth >= DEPTH:
                self.complete = False
                return
            try:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                inner = os.open(name, flags, dir_fd=descriptor)
            except OSError:
                continue
            try:
                yield from self.walk(inner, f"{above}/{name}" if above else name, depth + 1)
            finally:
                os.close(inner)

    def look(self, path: str, directory: int, name: str) -> bool:
        """Look at one file; False when a bound is reached."""
        self.files += 1
        if self.files > FILES or time.monotonic() > self.until:
            return False
        glob = self.question["name"]
        if glob is not None and not fnmatch.fnmatchcase(path if "/" in glob else name, glob):
            return True
        if self.find is None:
            return self.say(path, None, None)
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        except OSError:
            return True
        return self.search(path, descriptor)

    def search(self, path: str, descriptor: int) -> bool:
        """Search the lines of one open file and close it; False when a bound is reached."""
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return True
            data = file.read(FILE_BYTES) or b""
            if len(data) == FILE_BYTES:
                self.complete = False
        self.bytes += len(data)
        if self.bytes > ALL_BYTES:
            return False
        if b"\0" in data[:8192] or (self.needle is not None and self.needle not in data):
            return True
        find = self.find
        assert find is not None
        for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
            if find(line) and not self.say(path, number, line.rstrip("\r")[:LINE]):
                return False
            if number % 1000 == 0 and time.monotonic() > self.until:
                return False
        return True

    def say(self, path: str, line: int | None, text: str | None) -> bool:
        """Tell a match; False when it was one too many."""
        if self.left == 0:
            return False
        self.left -= 1
        shown = os.fsencode(path).decode("utf-8", "replace")
        print(json.dumps({"path": shown, "line": line, "text": text}), flush=True)  # noqa: T201
        return True


def main() -> None:
    """Give up every right but the agent's, then search."""
    question = json.loads(sys.stdin.buffer.readline())
    codecs.lookup("utf-8")
    if question["uid"] is not None and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(question["gid"], question["gid"], question["gid"])
        os.setresuid(question["uid"], question["uid"], question["uid"])
    seeker = Seeker(question)
    seeker.run(question["descriptor"])
    print(json.dumps({"files": seeker.files, "complete": seeker.complete}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
