"""What is done in an agent's directory, by git run as the agent, in the agent's view of the machine.

The agent may write whatever it likes into its `.git`. So files are looked at with a GIT_DIR of ours (the *shadow*:
its configuration, our index), which names the agent's objects only; the agent's own GIT_DIR is opened for nothing but
its refs. What comes out is a pack, which the daemon's git checks before it takes it (`stores.py`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from aetherd.core.errors import Conflict, Unavailable
from aetherd.kernel.worktree.git import environment
from aetherd.operations.errands import Errands, Mount

LOOK_S = 120.0
PACK = 1 << 30  # bytes of work that is not in the base

COMMON = r"""
set -eu
tree=$1 shadow=$2 branch=$3
own() { GIT_DIR="$tree/.git" git "$@"; }
ours() {
    GIT_DIR="$shadow" GIT_WORK_TREE="$tree" GIT_OBJECT_DIRECTORY="$tree/.git/objects" GIT_INDEX_FILE="$index" \
        git -c "core.excludesFile=$tree/.git/info/exclude" "$@"
}
cd "$tree"
index=$shadow/index
rm -f "$index.lock"
at=$(own rev-parse 'HEAD^{commit}' --symbolic-full-name HEAD 2>/dev/null) || { echo 'HEAD is no commit' >&2; exit 3; }
head=${at%%
*}
on=${at#*
}
"""

# The whole of what is there as a commit (the snapshot), and all that was not given before as a pack.
LOOK = (
    COMMON
    + r"""
base=$4 basename=$5 last=$6 known=$7
refs=$(own for-each-ref --count=5001 --format='%(objectname) %(refname)' \
    refs/heads refs/tags refs/stash "refs/remotes/base/$basename")
named() { printf '%s\n' "$refs" | awk -v name="$1" '$2 == name { print $1 }'; }
seen=$(named "refs/remotes/base/$basename")
[ "$seen" = "$base" ] || own update-ref "refs/remotes/base/$basename" "$base"
tip=$(named "refs/heads/$branch")
[ -n "$tip" ] || tip=$head
refs=$(printf '%s\n' "$refs" | grep -v ' refs/remotes/' || true)
case $refs in *' refs/stash'*)
    refs=$(printf '%s\n' "$refs"; own log -g --format=%H refs/stash -- | awk '{ print $1, "refs/stash/" NR }')
    refs=$(printf '%s\n' "$refs" | grep -v ' refs/stash$')
esac
[ "$(printf '%s\n' "$refs" | wc -l)" -le 5000 ] || { echo 'it has more than 5000 refs' >&2; exit 3; }
ours read-tree -m "$head" 2>/dev/null || { rm -f "$index"; ours read-tree "$head"; }
partial=0
ours add -A --ignore-errors -- . 2>"$shadow/trouble" || partial=1
files=$(ours write-tree)
snapshot=$head
if [ "$files" != "$(ours rev-parse "$head^{tree}")" ]; then
    snapshot=$(ours commit-tree -p "$head" -m 'Uncommitted work' "$files")
fi
key=$(printf '%s' "$tip $head $snapshot $refs" | sha1sum | cut -c 1-40)
printf '%s\n' "tip $tip" "head $head" "on $on" "snapshot $snapshot" "partial $partial" "key $key"
[ -z "$refs" ] || printf '%s\n' "$refs" | sed 's/^/ref /'
if [ "$last" != "$key" ]; then
    { printf '%s\n' "$tip" "$head" "$snapshot" "^$base"
      printf '%s\n' "$refs" | cut -d ' ' -f 1
      printf '%s\n' $known | ours cat-file --batch-check='^%(objectname)' | grep -v missing
    } | sed '/^$/d' | ours pack-objects --revs --stdout --thin --delta-base-offset -q > "$shadow/pack"
    echo packed
fi
"""
)

# What is named (or all) as a commit on the branch, whatever else is staged; the agent's index follows.
COMMIT = (
    COMMON
    + r"""
message=$4
shift 4
[ "$on" = "refs/heads/$branch" ] || { echo "its HEAD is not on $branch" >&2; exit 3; }
rm -f "$index"
ours read-tree "$head"
ours --literal-pathspecs add -A -- "$@"
files=$(ours write-tree)
if [ "$files" = "$(ours rev-parse "$head^{tree}")" ]; then echo nothing; exit 0; fi
filtered=$(ours diff-index --cached --name-only --diff-filter=d "$head" | ours check-attr --stdin filter |
    grep -v -e ': unspecified$' -e ': unset$' | head -n 1)
[ -z "$filtered" ] || { echo "a filter is set and not run here, commit with git itself: $filtered" >&2; exit 3; }
made=$(printf '%s' "$message" | ours commit-tree -p "$head" "$files")
index=$tree/.git/index
ours --literal-pathspecs add -A -- "$@"
own update-ref -m 'commit by aetherd' "refs/heads/$branch" "$made" "$head"
echo "$made"
"""
)


@dataclass(frozen=True, slots=True)
class Look:
    """What is in a worktree."""

    tip: str  # its branch
    head: str
    on: str  # what HEAD is: a ref, or `HEAD` when it is detached
    snapshot: str  # everything as it lies there; `head` itself when that is all
    partial: str  # why not everything could be read; empty when it could
    key: str = ""  # of all that was seen
    refs: Mapping[str, str] = field(default_factory=dict)  # all of them, name -> object
    packed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A worktree on disk, and as whom it is worked in."""

    id: str
    tree: Path
    shadow: Path
    branch: str
    uid: int | None
    mounts: Sequence[Mount]


class Inside:
    """Runs git in worktrees, as their agents."""

    def __init__(self, errands: Errands) -> None:
        self._errands = errands

    async def look(self, place: Place, base: str, base_name: str, last: Look | None) -> Look:
        """See what is there; a pack of what is new is left at `shadow/pack`. Raises `Conflict` when git cannot tell."""
        key, known = ("", "") if last is None else (last.key, f"{last.tip} {last.snapshot}")
        text = await self._run(place, LOOK, base, base_name, key, known)
        found: dict[str, str] = {}
        refs: dict[str, str] = {}
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word == "ref":
                oid, _, name = rest.partition(" ")
                refs[name] = oid
            else:
                found[word] = rest
        try:
            oids = [found[word] for word in ("tip", "head", "snapshot")] + list(refs.values())
            on, key = found["on"], found["key"]
        except KeyError:
            raise Conflict(f"worktree {place.id}: git was cut short in it") from None
        if any(not re.fullmatch(r"[0-9a-f]{40,64}", oid) for oid in oids):
            raise Conflict(f"worktree {place.id}: git answered nonsense in it")
        partial = ""
        if found.get("partial") == "1":
            partial = (await anyio.to_thread.run_sync(_head, place.shadow / "trouble")) or "some files cannot be read"
        return Look(oids[0], oids[1], on, oids[2], partial, key, refs, "packed" in found)

    async def commit(
        self, place: Place, message: str, paths: Sequence[str], author: tuple[str, str], committer: tuple[str, str]
    ) -> str | None:
        """Commit paths (or `.`); returns the commit, None when nothing had changed."""
        env = {
            "GIT_AUTHOR_NAME": author[0],
            "GIT_AUTHOR_EMAIL": author[1],
            "GIT_COMMITTER_NAME": committer[0],
            "GIT_COMMITTER_EMAIL": committer[1],
        }
        text = (await self._run(place, COMMIT, message, *paths, env=env)).strip()
        return None if text == "nothing" else text.splitlines()[-1]

    async def _run(self, place: Place, script: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        who = {"GIT_AUTHOR_NAME": "aetherd", "GIT_AUTHOR_EMAIL": "aetherd@aetherd.invalid"}
        who |= {"GIT_COMMITTER_NAME": "aetherd", "GIT_COMMITTER_EMAIL": "aetherd@aetherd.invalid"}
        if env is None:  # the same content is the same commit
            who |= {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
        errand = await self._errands.run(
            f"errand-look-{place.id}",
            place.uid,
            ("/bin/sh", "-c", script, "sh", str(place.tree), str(place.shadow), place.branch, *arguments),
            env=environment({**who, **(env or {})}),
            cwd=place.tree,
            home=place.shadow,
            mounts=place.mounts,
            deadline_s=LOOK_S,
            keep=4 << 20,
            rlimits={"fsize": (PACK, PACK)},
        )
        if errand.late:
            raise Unavailable(f"worktree {place.id}: git took longer than {LOOK_S:g} s in it")
        if errand.code != 0:
            words = errand.error.decode("utf-8", "replace").strip().splitlines() or [f"exit code {errand.code}"]
            said = next((line for line in words if line.startswith("fatal: ")), words[-1]).removeprefix("fatal: ")
            raise Conflict(
                f"worktree {place.id}: git cannot work in it: {said[:500]}",
                kind="worktree",
                id=place.id,
            )
        return errand.output.decode("utf-8", "replace")


def open_pack(path: Path) -> int:
    """Open a pack an agent's git wrote, as nothing but a plain file of bounded size."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise Conflict("git left no pack there; look at what runs in the worktree")
    if about.st_size > PACK:
        os.close(descriptor)
        raise Conflict(f"more than {PACK >> 30} GiB of new work in one worktree; keep big files out of git")
    return descriptor


def _head(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(500).decode("utf-8", "replace").strip()
