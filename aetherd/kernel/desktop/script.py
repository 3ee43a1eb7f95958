"""The program of a desktop: a shell script that starts the X server and its window manager, then what it is told.

It runs in the process's place, so it may use nothing but a shell and the two programs. Whatever it starts is
in its tree and ends with it. It says on standard output, one line each:

    missing PROGRAM | ready | began ID PID | done ID CODE

and takes lines `run ID PROGRAM ARGUMENT...` on standard input, quoted for a shell.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

from aetherd.operations.beside import Place
from aetherd.operations.sandboxes import OWN

X_SOCKETS = Path("/tmp/.X11-unix")  # where X servers and their clients meet, by a convention older than Linux
SOCKET = "vnc"  # in the directory that belongs to the programs of the process

SCRIPT = r"""
nl='
'
say() { printf '%s\n' "$*"; }
for program in Xvnc openbox; do
    command -v $program >/dev/null 2>&1 || { say "missing $program"; exit 127; }
done
run() {
    id=$1; shift
    ( "$@" </dev/null >&2 & child=$!; say "began $id $child"; wait $child; say "done $id $?" ) &
}
own=$AETHER_DESKTOP
# What a server that was killed leaves: the number is ours alone.
rm -f "$own/vnc" "$own/xauth" "$own/up" "/tmp/.X${DISPLAY#:}-lock" "/tmp/.X11-unix/X${DISPLAY#:}"
( umask 077; printf %b "$AETHER_COOKIE" >"$own/xauth"; mkfifo "$own/up" ) || exit 1
unset AETHER_COOKIE
( Xvnc "$DISPLAY" -geometry "$AETHER_GEOMETRY" -depth 24 -SecurityTypes None -auth "$own/xauth" \
    -rfbport -1 -rfbunixpath "$own/vnc" -rfbunixmode 0600 -nolisten tcp -AlwaysShared \
    -AcceptSetDesktopSize=1 -FrameRate 120 -UseBlacklist=0 -IdleTimeout 0 -desktop aether -Log '*:stderr:0' \
    </dev/null >&2; kill -TERM $$ ) &
tries=0
until [ -S "/tmp/.X11-unix/X${DISPLAY#:}" ] && [ -S "$own/vnc" ]; do
    tries=$((tries + 1)); [ $tries -lt 1000 ] || exit 1
    sleep 0.01
done
command -v xsetroot >/dev/null 2>&1 && xsetroot -solid '#30363d' </dev/null >&2 &
# A client that comes before the window manager may not be seen for seconds.
openbox --startup "sh -c 'echo up >$own/up'" </dev/null >&2 &
read -r word <"$own/up" && rm -f "$own/up" && say ready
while IFS= read -r line; do eval "$line"; done
wait
"""


def display_of(place: Place, key: str) -> int:
    """Return the display number of a process's desktop: its own where it has a /tmp of its own, else one in many."""
    return 1 if place.tier != "host" else 1000 + crc32(f"{key}:{place.pid}".encode()) % 50_000


def environment(place: Place, key: str) -> dict[str, str]:
    """Return what a program of this process needs to open a window; `key` tells this house from others."""
    return {"DISPLAY": f":{display_of(place, key)}", "XAUTHORITY": str(place.door_inside / OWN / "xauth")}


def start_environment(place: Place, key: str, width: int, height: int) -> Mapping[str, str]:
    """Return what the script needs."""
    return {
        **environment(place, key),
        "AETHER_DESKTOP": str(place.door_inside / OWN),
        "AETHER_GEOMETRY": f"{width}x{height}",
        "AETHER_COOKIE": "".join(f"\\0{byte:03o}" for byte in authority(display_of(place, key))),
    }


def authority(display: int) -> bytes:
    """Return an X authority file with a fresh cookie, so that other agents of this machine stay out."""
    fields = (b"", str(display).encode(), b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16))
    return b"\xff\xff" + b"".join(len(part).to_bytes(2, "big") + part for part in fields)  # for any host


def command(id: str, argv: Sequence[str]) -> bytes:
    """Return the line that starts a program."""
    words = ['"$nl"'.join(shlex.quote(part) if part else "" for part in word.split("\n")) or "''" for word in argv]
    return f"run {id} {' '.join(words)}\n".encode()


def leftovers(place: Place, key: str) -> list[Path]:
    """Return what a killed X server leaves in the machine's /tmp; nothing where it had one of its own."""
    if place.tier != "host":
        return []
    number = display_of(place, key)
    return [X_SOCKETS.with_name(f".X{number}-lock"), X_SOCKETS / f"X{number}"]


def socket_of(place: Place) -> Path:
    """Return where the X server of a process listens for us."""
    return place.door / OWN / SOCKET
