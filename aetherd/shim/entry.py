"""The way of a fresh fork of the zygote into a shim, and what is said when it does not get there."""

from __future__ import annotations

import contextlib
import json
import os
import signal

from aetherd.shim import syscalls
from aetherd.shim.errors import SpawnFailed, reason
from aetherd.shim.shim import Shim

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from typing import Any


def failure(id: int, step: str, errno: int, message: str) -> dict[str, Any]:
    """Return the answer for a process that could not start."""
    return {"id": id, "error": {"step": step, "errno": errno, "message": message}}


def live(request: dict[str, Any], ready: int) -> int:
    """Be a shim from here on, in a fresh fork of the zygote, and return its exit status.

    `ready` gets the answer to the request, as JSON.
    """
    place = request["directory"]
    try:
        _run(request, ready)
        return 0
    except SpawnFailed as error:
        answer = failure(0, error.step, error.errno, str(error))
    except FileExistsError:
        answer = failure(0, "directory", 17, f"{place} already has a shim")
    except OSError as error:
        number = error.errno or 0
        answer = failure(0, "directory", number, f"cannot use {error.filename or place}: {reason(number)}")
        _write_crash(place)
    except BaseException as error:
        answer = failure(0, "shim", 0, f"{type(error).__name__}: {error}")
        _write_crash(place)
    with contextlib.suppress(OSError):  # already answered: a crash later on, and crash.txt tells it
        os.write(ready, json.dumps(answer).encode())
    return 70


def keep(request: dict[str, Any], ready: int) -> int:
    """Be a keeper from here on, in a fresh fork of the zygote, and return its exit status; `ready` as in `live`."""
    place = request["directory"]
    try:
        from aetherd.shim.keeper import Keeper  # here, because no shim needs it

        _withdraw("aether-keeper")
        signal.setitimer(signal.ITIMER_REAL, request["deadline"])
        keeper = Keeper(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        with contextlib.suppress(BrokenPipeError):  # the zygote died meanwhile; holder.json tells the daemon
            os.write(ready, json.dumps(keeper.held).encode())
        os.close(ready)
        keeper.run()
        return 0
    except SpawnFailed as error:
        answer = failure(0, error.step, error.errno, str(error))
    except BaseException as error:
        answer = failure(0, "keeper", getattr(error, "errno", None) or 0, f"{type(error).__name__}: {error}")
        _write_crash(place)
    with contextlib.suppress(OSError):
        os.write(ready, json.dumps(answer).encode())
    return 70


def _write_crash(place: str) -> None:
    import traceback  # here, because no shim that lives needs it

    try:
        with open(os.path.join(place, "crash.txt"), "w") as file:
            traceback.print_exc(file=file)
    except OSError:
        pass


def _withdraw(name: str) -> None:
    """Be on our own, under a name that ps shows."""
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        # A shim ends with its process and not before, also when a whole session or unit is told to end.
        signal.signal(number, signal.SIG_IGN)
    syscalls.set_name(name)


def _run(request: dict[str, Any], ready: int) -> None:
    """Be the shim of one request until everything is over.

    Raises SpawnFailed or OSError when the process could not start.
    """
    _withdraw("aether-shim")
    syscalls.become_subreaper()
    directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # A step that hangs (a dead network disk) ends in the death of this shim and, with it, of its child.
    signal.setitimer(signal.ITIMER_REAL, request["deadline"])
    try:
        shim = Shim(request, directory)
    except FileExistsError:
        raise  # what is there belongs to another shim
    except BaseException:
        for name in ("out.log", "err.log", "s"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        raise
    signal.setitimer(signal.ITIMER_REAL, 0)
    request.clear()  # the environment holds secrets: it is the process's alone now
    with contextlib.suppress(BrokenPipeError):  # the zygote died meanwhile; shim.json tells the daemon
        os.write(ready, json.dumps(shim.started).encode())
    os.close(ready)
    shim.run()
    with contextlib.suppress(FileNotFoundError):  # removed with its directory
        os.unlink("s", dir_fd=directory)
