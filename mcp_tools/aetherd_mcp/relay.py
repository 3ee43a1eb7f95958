"""`aether-mcp`: an MCP client's stdio on one side, the daemon's unix socket on the other.

Copies newline-delimited JSON-RPC both ways and knows only as much of MCP as it takes to outlive the daemon:
it reconnects for ever, repeats the 2025 handshake, reopens 2026 subscriptions and answers every lost call.
Runs as `python -S -E -I relay.py [SOCKET]`; each import is a C module, because start-up time is the point.
"""

import posix
import select
import sys
from _json import encode_basestring_ascii, scanstring
from _signal import SIG_DFL, SIGINT, signal  # type: ignore[import-not-found]
from _socket import AF_UNIX, SOCK_STREAM
from _socket import socket as Socket
from errno import EAGAIN, ECONNREFUSED, ENOENT
from time import monotonic

HELP = b"""usage: aether-mcp [SOCKET]

Connect an MCP client's stdin and stdout to aetherd.
SOCKET is $AETHER_SOCKET, else $AETHER_HOME/run/aetherd.sock (AETHER_HOME is ~/.aether by default).
The token is $AETHER_TOKEN, else the file $AETHER_HOME/secrets/owner.token.
"""

MAX_LINE = 16 << 20  # longer lines are skipped and answered by an error
EDGE = 4096  # what is kept of both ends of a skipped line, to find its id
CHUNK = 65536  # one read
PIPE_ATOM = 4096  # a pipe that polls writable takes this much without blocking
STUFFED = 1 << 20  # bytes waiting for one side at which the other side is no longer read
MAX_WAITING = 256  # lines waiting for the daemon
MAX_IN_FLIGHT = 4096  # calls the daemon has not answered yet
PATIENCE = 10.0  # seconds a request waits for a daemon nobody has heard from
RETURN = 30.0  # and for one that was here: it is being started again
GOODBYE = 0.25  # seconds to write out the rest after stdin closed
FIRST_RETRY, LAST_RETRY, REFUSED_RETRY = 0.05, 0.25, 2.0

PARSE_ERROR, INVALID_REQUEST, UNAVAILABLE, REFUSED = -32700, -32600, -32000, -32001
NOT_RUNNING = "aetherd is not running; start it with `aetherctl up`"
WENT_AWAY = "aetherd went away during this call; it may or may not have run, check before retrying"

LISTEN = b"subscriptions/listen"
ACKNOWLEDGED = b"notifications/subscriptions/acknowledged"
SUBSCRIPTION_ID = b"io.modelcontextprotocol/subscriptionId"
LISTS = (b"tools", b"prompts", b"resources")
REPEATABLE = {b"initialize", b"server/discover", b"ping", b"resources/templates/list"} | {
    kind + b"/list" for kind in LISTS
}  # they change nothing, so a lost one is asked again instead of failed
QUOTE = 0x22
Span = tuple[int, int]


# --- reading just enough JSON ---


def unescape(raw: bytes) -> bytes:
    """Read a JSON string (quotes included) as UTF-8; empty for no string at all."""
    if b"\\" not in raw:
        return raw[1:-1]
    try:
        return str(scanstring(raw.decode("utf-8", "replace"), 1, False)[0]).encode("utf-8", "surrogatepass")
    except ValueError:
        return b""


def hide_escapes(text: bytes) -> bytes:
    """Overwrite escaped quotes and backslashes, in place, so that every quote left delimits a string."""
    return text.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in text else text


def skip_space(text: bytes, at: int) -> int:
    """Find the first position from `at` that is not white space."""
    while text[at] in b" \t\r\n":
        at += 1
    return at


def value_end(text: bytes, at: int) -> int:
    """Find where the value that starts at `at`, inside an object, ends; brackets are counted, not matched."""
    if text[at] == 0x22:
        return text.index(b'"', at + 1) + 1
    if text[at] not in b"{[":
        comma = text.find(b",", at)
        close = text.find(b"}", at, None if comma < 0 else comma)
        if comma < 0 and close < 0:
            raise ValueError("unfinished value")
        return at + len(text[at : comma if close < 0 else close].rstrip())
    depth = 0
    while True:  # one round per string; between two strings only brackets matter
        quote = text.find(b'"', at)
        end = len(text) if quote < 0 else quote
        if end - at != 1 or text[at] not in b",:":
            depth += text.count(b"{", at, end) + text.count(b"[", at, end)
            depth -= text.count(b"}", at, end) + text.count(b"]", at, end)
        if depth in (0, -1):  # ours is closed here; -1: so is the object around it
            for _ in range(1 - depth):
                end = max(text.rfind(b"}", at, end), text.rfind(b"]", at, end))
            return end + 1
        if depth < 0 or quote < 0:
            raise ValueError("unbalanced brackets")
        at = text.index(b'"', quote + 1) + 1


def members(line: bytes, until: tuple[bytes, ...] = (), torn: bool = False) -> dict[bytes, Span] | None:
    """Find an object's own members as positions in `line`, None if it is none; of equal keys the last wins.

    Stops at a key of `until` once the id is known, so that a long answer costs little; `torn` text may end.
    """
    text = hide_escapes(line)
    found: dict[bytes, Span] = {}
    try:
        at = skip_space(text, 0)
        if text[at] != 0x7B:
            return None
        at = skip_space(text, at + 1)
        while text[at] != 0x7D:
            key_end = text.index(b'"', at + 1) + 1
            colon = skip_space(text, key_end)
            if text[at] != 0x22 or text[colon] != 0x3A:
                return None
            start = skip_space(text, colon + 1)
            key = unescape(line[at:key_end])
            if key in until and b"id" in found:
                return found | {key: (start, start)}
            end = value_end(text, start)
            found[key] = (start, end)
            at = skip_space(text, end)
            if text[at] == 0x2C:
                at = skip_space(text, at + 1)
            elif text[at] != 0x7D:
                return None
    except (ValueError, IndexError):
        return found if torn else None
    return None if text[at + 1 :].strip() else found


def dig(line: bytes, *path: bytes) -> bytes:
    """Return the raw value at a path of keys, empty when there is none."""
    for key in path:
        start, end = (members(line) or {}).get(key, (0, 0))
        line = line[start:end]
    return line


def id_key(raw: bytes) -> bytes:
    """Make ids comparable however they were escaped; empty when `raw` can be no request id."""
    if raw[:1] == b'"':
        return b'"%s"' % unescape(raw)
    return b"" if raw.strip(b"0123456789+-.eE") else raw


class Lines:
    """Cut a stream into lines; one over MAX_LINE comes as its (start, end), the middle never being held."""

    def __init__(self) -> None:
        self.part = bytearray()
        self.start = b""

    def feed(self, data: bytes) -> "list[bytes | tuple[bytes, bytes]]":
        """Take bytes, give the lines they complete."""
        *ends, rest = data.split(b"\n")
        done: list[bytes | tuple[bytes, bytes]] = []
        for end in ends:
            self._add(end)
            done.append((self.start, bytes(self.part)) if self.start else bytes(self.part))
            self.__init__()  # type: ignore[misc]
        self._add(rest)
        return done

    def _add(self, data: bytes) -> None:
        self.part += data
        if len(self.part) > MAX_LINE and not self.start:
            self.start = bytes(self.part[:EDGE])
        if self.start:
            del self.part[:-EDGE]


def id_of_long(start: bytes, end: bytes) -> bytes:
    """Find the raw id of a skipped line where writers put it: among the first members or as the last."""
    first, last = (members(start, torn=True) or {}).get(b"id", (0, 0))
    tail = end.rstrip()
    for raw in (start[first:last], tail[:-1].rpartition(b'"id":')[2].strip() if tail.endswith(b"}") else b""):
        if raw and (raw[:1] != b'"' or raw.find(b'"', 1) == len(raw) - 1) and id_key(raw):
            return raw
    return b"null"


# --- the relay ---


class Call:
    """One line for the daemon: a request (with an id) or anything else (without)."""

    __slots__ = ("deadline", "key", "line", "method", "raw_id", "repeatable")

    def __init__(self, line: bytes, key: bytes = b"", raw_id: bytes = b"", method: bytes = b"") -> None:
        self.line, self.key, self.raw_id, self.method = line, key, raw_id, method
        self.deadline = monotonic() + PATIENCE
        self.repeatable = method in REPEATABLE

    def without_id(self) -> "Call":
        """Make it no request."""
        self.key = b""
        return self


class ClientGone(Exception):
    """Raised when the client no longer reads."""


class Relay:
    """Everything between one client and whichever daemon now listens on the socket."""

    def __init__(self, socket_path: bytes, token: bytes, token_path: bytes) -> None:
        self.socket_path, self.token, self.token_path = socket_path, token, token_path
        self.stdout = select.poll()
        self.stdout.register(1, select.POLLOUT)
        # the client
        self.client_lines = Lines()
        self.to_client = bytearray()
        self.initialize = self.greeting = self.initialized = b""  # 2025 handshake: request, answer, notice
        # the daemon
        self.socket: Socket | None = None
        self.daemon_lines = Lines()
        self.unsent = memoryview(b"")  # goes out before anything in `waiting`
        self.heard = False  # whether this connection said anything yet
        self.replay_id = b""  # set until the repeated handshake is answered
        self.refusal = b""  # the error with which the daemon refused us, as JSON
        self.reason = NOT_RUNNING
        self.retry_at, self.delay, self.replay_until = 0.0, FIRST_RETRY, 0.0
        self.patience = PATIENCE
        # between them
        self.waiting: list[Call] = []
        self.waiting_bytes = 0
        self.in_flight: dict[bytes, Call] = {}
        self.asked: dict[bytes, bytes] = {}  # what this daemon asked the client: id key -> raw id
        self.reopened: set[bytes] = set()  # subscriptions whose second acknowledgement is not for the client

    def run(self) -> None:
        """Copy until the client closes stdin or stops reading."""
        try:
            open_for_more = True
            while open_for_more:
                if self.socket is None and monotonic() >= self.retry_at:
                    self.connect()
                events = self.wait()
                if events.get(1, 0) & ~select.POLLOUT:
                    raise ClientGone
                if self.socket is not None and events.get(self.socket.fileno(), 0) & ~select.POLLOUT:
                    self.read_daemon()
                if event := events.get(0):
                    open_for_more = bool(event & select.POLLIN) and self.read_client()
                self.expire()
                self.write_daemon()
                self.write_client()
            give_up = monotonic() + GOODBYE
            while (self.to_client or (self.socket and self.unsent)) and monotonic() < give_up:
                self.stdout.poll(5)
                self.write_daemon()
                self.write_client()
        except ClientGone:
            pass

    def wait(self) -> dict[int, int]:
        """Wait until something can be done for which there is room; return the events by descriptor."""
        room = len(self.to_client) < STUFFED
        stuffed = self.socket is not None and self.full()
        poll = select.poll()
        poll.register(0, select.POLLIN if room and not stuffed else 0)
        poll.register(1, select.POLLOUT if self.to_client else 0)
        deadlines = [call.deadline for call in self.waiting]
        if self.socket is None:
            deadlines.append(self.retry_at)
        else:
            sending = self.unsent or (self.waiting and not self.replay_id)
            if events := (select.POLLIN if room else 0) | (select.POLLOUT if sending else 0):
                poll.register(self.socket, events)
            if self.replay_id:
                deadlines.append(self.replay_until)
        left = max(0.0, min(deadlines) - monotonic()) * 1000 + 1 if deadlines else None
        return dict(poll.poll(left))

    def full(self) -> bool:
        """Say whether enough waits for the daemon."""
        return len(self.waiting) >= MAX_WAITING or self.waiting_bytes >= STUFFED

    # --- the daemon's side ---

    def connect(self) -> None:
        """Try once to reach the daemon; say who we are and take up where the last connection was lost."""
        sock = Socket(AF_UNIX, SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(self.socket_path)
            self.reason = "there is no token for aetherd: AETHER_TOKEN is not set and its file cannot be read"
            token = self.token or read_file(self.token_path).strip()
        except OSError as error:
            if error.filename is None:  # not the token's file
                away = error.errno in (ENOENT, ECONNREFUSED, EAGAIN)
                self.reason = NOT_RUNNING if away else f"aetherd cannot be reached: {error.strerror or error}"
            sock.close()
            self.refusal = b""
            self.retry_later(self.delay)
            return
        self.socket, self.heard, self.reason = sock, False, "aetherd does not answer"
        opening = [token]
        if self.greeting:
            start, end = (members(self.initialize) or {})[b"id"]
            self.replay_id = b'"aether-relay-%s"' % posix.urandom(8).hex().encode()
            self.replay_until = monotonic() + PATIENCE
            opening.append(self.initialize[:start] + self.replay_id + self.initialize[end:])
        for key, call in self.in_flight.items():  # only subscriptions outlive a connection
            self.reopened.add(key)
            opening.append(call.line)
        self.unsent = memoryview(b"\n".join(opening) + b"\n")

    def retry_later(self, seconds: float) -> None:
        """Put off the next attempt to connect, and the one after it a little more."""
        self.retry_at = monotonic() + seconds
        self.delay = min(self.delay * 1.5, LAST_RETRY)

    def lose(self) -> None:
        """Close the connection; answer at once every call it leaves unanswered."""
        if self.socket is None:
            return
        self.socket.close()
        self.socket, self.unsent, self.replay_id, self.daemon_lines = None, memoryview(b""), b"", Lines()
        self.retry_later(REFUSED_RETRY if self.refusal else self.delay)
        for raw_id in self.asked.values():  # the next daemon may use these ids for other questions
            self.notify(b"notifications/cancelled", b'"requestId":%s,"reason":"aetherd went away"' % raw_id)
        self.asked.clear()
        self.reopened.clear()
        lost, self.in_flight = self.in_flight, {}
        again = []
        for key, call in lost.items():
            if self.refusal:
                self.deny(call)
            elif call.method == LISTEN:
                self.in_flight[key] = call
            elif call.repeatable:
                call.repeatable, call.deadline = False, monotonic() + self.patience
                again.append(call)
            else:
                self.fail(call, WENT_AWAY)
        for call in self.waiting:
            if self.refusal:
                self.deny(call)
            elif call.key:  # anything but a request was meant for the daemon that is gone
                again.append(call)
        self.waiting = again
        self.waiting_bytes = sum(len(call.line) for call in self.waiting)

    def read_daemon(self) -> bool:
        """Take what the daemon sent; say whether there may be more."""
        assert self.socket is not None
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        for line in self.daemon_lines.feed(data):
            if isinstance(line, bytes):
                self.from_daemon(line)
            elif call := self.in_flight.pop(id_key(id_of_long(*line)), None):
                self.error(call.raw_id, UNAVAILABLE, "the answer is over 16 MiB")
            if self.socket is None:
                return False
        if not data:
            self.lose()
        return bool(data)

    def from_daemon(self, line: bytes) -> None:
        """Pass a line of the daemon on, unless it is about the connection itself."""
        found = members(line, until=(b"result", b"error"))
        if found is None:
            return self.lose()  # no daemon of ours
        if not self.heard and b"error" in found and b"jsonrpc" not in found:
            self.refusal = dig(line, b"error")
            return self.lose()
        self.heard, self.refusal, self.delay, self.patience = True, b"", FIRST_RETRY, RETURN
        raw_id, method = (line[slice(*found.get(name, (0, 0)))] for name in (b"id", b"method"))
        key, method = id_key(raw_id), unescape(method)
        if b"method" not in found:
            if key and key == self.replay_id:
                return self.replayed(line)
            call = self.in_flight.pop(key, None)
            if call and call.method == b"initialize" and b"result" in found:
                self.initialize, self.greeting = call.line, line
            self.reopened.discard(key)
        elif key:
            self.asked[key] = raw_id
        elif method == b"notifications/cancelled":
            gone = id_key(dig(line, b"params", b"requestId"))
            self.asked.pop(gone, None)
            self.in_flight.pop(gone, None)  # a subscription the daemon ends
        elif method == ACKNOWLEDGED and self.reopened:
            raw_id = dig(line, b"params", b"_meta", SUBSCRIPTION_ID)
            if id_key(raw_id) in self.reopened:
                self.reopened.discard(id_key(raw_id))
                return self.catch_up(raw_id, dig(line, b"params", b"notifications"))
        self.to_client += line + b"\n"

    def replayed(self, answer: bytes) -> None:
        """Finish the repeated 2025 handshake; a client that re-lists on notice is told to."""
        self.replay_id = b""
        if not dig(answer, b"result"):
            self.reason = "aetherd refused to repeat the handshake"
            self.lose()
            return self.retry_later(REFUSED_RETRY)
        if self.initialized:
            self.waiting.insert(0, Call(self.initialized))
            self.waiting_bytes += len(self.initialized)
            for kind in LISTS:
                if dig(self.greeting, b"result", b"capabilities", kind, b"listChanged") == b"true":
                    self.notify(b"notifications/%s/list_changed" % kind)

    def catch_up(self, raw_id: bytes, honored: bytes) -> None:
        """Tell a reopened 2026 subscription that everything it watches may have changed meanwhile."""
        meta = b'"_meta":{"%s":%s}' % (SUBSCRIPTION_ID, raw_id)
        for kind in LISTS:
            if dig(honored, kind + b"ListChanged") == b"true":
                self.notify(b"notifications/%s/list_changed" % kind, meta)
        uris = dig(honored, b"resourceSubscriptions")
        marks = [at for at, byte in enumerate(hide_escapes(uris)) if byte == QUOTE]
        for start, end in zip(marks[::2], marks[1::2], strict=False):
            self.notify(b"notifications/resources/updated", b'%s,"uri":%s' % (meta, uris[start : end + 1]))

    def write_daemon(self) -> None:
        """Send what waits for the daemon, as far as it takes it."""
        while self.socket is not None:
            if not self.unsent:
                if self.replay_id or not self.waiting:
                    return
                call = self.waiting.pop(0)
                self.waiting_bytes -= len(call.line)
                self.unsent = memoryview(call.line + b"\n")
                if call.key:
                    self.in_flight[call.key] = call
                    if call.method not in REPEATABLE and call.method != LISTEN:
                        call.line = b""  # never sent twice
            try:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
            except BlockingIOError:
                return
            except OSError:
                while self.socket is not None and self.read_daemon():
                    pass  # it may have said why before it closed
                self.lose()

    # --- the client's side ---

    def read_client(self) -> bool:
        """Take what the client sent; say whether there may be more."""
        try:
            data = posix.read(0, CHUNK)
        except OSError:
            data = b""
        for line in self.client_lines.feed(data):
            if isinstance(line, bytes):
                self.from_client(line)
            else:
                self.error(id_of_long(*line), INVALID_REQUEST, "the message is over 16 MiB")
        return bool(data)

    def from_client(self, line: bytes) -> None:
        """Line a message up for the daemon, or answer it here when it can not get there."""
        if not line.strip():
            return
        found = members(line)
        if found is None:
            if line.lstrip()[:1] == b"[":
                return self.error(b"null", INVALID_REQUEST, "a batch is not a message of MCP")
            return self.error(b"null", PARSE_ERROR, "not a JSON object on one line")
        raw_id, raw_method = (line[slice(*found.get(name, (0, 0)))] for name in (b"id", b"method"))
        call = Call(line, id_key(raw_id), raw_id, unescape(raw_method))
        if not raw_method:
            if self.asked.pop(call.key, None):  # else nobody waits for this answer any more
                self.push(call.without_id())
        elif not raw_id:
            self.notified(call)
        elif not call.key:
            self.error(b"null", INVALID_REQUEST, "an id is a string or a number")
        elif self.socket is None and self.refusal:
            self.deny(call)
        elif len(self.in_flight) >= MAX_IN_FLIGHT:
            self.fail(call, "too many calls are waiting for an answer")
        elif self.socket is None and self.full():
            self.fail(call, self.reason)
        else:
            self.push(call)

    def notified(self, call: Call) -> None:
        """Remember what a notification means for later; none is kept for a daemon that is away."""
        if call.method == b"notifications/initialized":
            self.initialized = call.line
            if self.replay_id:
                return
        elif call.method == b"notifications/cancelled":
            key = id_key(dig(call.line, b"params", b"requestId"))
            self.in_flight.pop(key, None)
            kept = [other for other in self.waiting if other.key != key or not key]
            if len(kept) < len(self.waiting):  # the daemon never heard of it
                self.waiting = kept
                self.waiting_bytes = sum(len(other.line) for other in kept)
                return
        if self.socket is not None:
            self.push(call)

    def push(self, call: Call) -> None:
        """Add a line to those that wait for the daemon."""
        call.deadline = monotonic() + self.patience
        self.waiting.append(call)
        self.waiting_bytes += len(call.line)

    def expire(self) -> None:
        """Give up on what has waited too long."""
        if self.replay_id and monotonic() >= self.replay_until:
            self.lose()
        if not self.waiting or monotonic() < min(call.deadline for call in self.waiting):
            return
        late = [call for call in self.waiting if call.deadline <= monotonic()]
        self.waiting = [call for call in self.waiting if call not in late]
        self.waiting_bytes = sum(len(call.line) for call in self.waiting)
        for call in late:
            self.fail(call, self.reason)

    def fail(self, call: Call, why: str) -> None:
        """Answer a call that may succeed when it is made again."""
        if call.key:
            self.error(call.raw_id, UNAVAILABLE, why, b"unavailable")

    def deny(self, call: Call) -> None:
        """Answer a call of a client that the daemon refused, in most cases for its token."""
        if call.key:
            name = unescape(dig(self.refusal, b"code")) or b"unauthenticated"
            why = unescape(dig(self.refusal, b"message")).decode("utf-8", "replace")
            self.error(call.raw_id, REFUSED, f"aetherd refused this connection: {why}", name)

    def error(self, raw_id: bytes, code: int, why: str, name: bytes = b"invalid") -> None:
        """Answer with a JSON-RPC error."""
        retryable = b"true" if name in (b"unavailable", b"exhausted") else b"false"
        text = str(encode_basestring_ascii(why)).encode()
        data = b'{"code":"%s","retryable":%s}' % (name, retryable)
        body = b'{"code":%d,"message":%s,"data":%s}' % (code, text, data)
        self.to_client += b'{"jsonrpc":"2.0","id":%s,"error":%s}\n' % (raw_id, body)

    def notify(self, method: bytes, params: bytes = b"") -> None:
        """Send the client a notification of our own."""
        body = b',"params":{%s}' % params if params else b""
        self.to_client += b'{"jsonrpc":"2.0","method":"%s"%s}\n' % (method, body)

    def write_client(self) -> None:
        """Write what stdout takes without blocking; others share its flags, so it stays a blocking one."""
        while self.to_client and self.stdout.poll(0):
            try:
                del self.to_client[: posix.write(1, self.to_client[:PIPE_ATOM])]
            except OSError as error:
                raise ClientGone from error


def read_file(path: bytes) -> bytes:
    """Read a small file."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, EDGE)
    finally:
        posix.close(fd)


def main() -> None:
    """Run the relay and leave without the interpreter's tidying up."""
    if sys.argv[1:2] in (["-h"], ["--help"]):
        posix.write(1, HELP)
        return
    if sys.argv[2:] or "".join(sys.argv[1:])[:1] == "-":
        posix.write(2, HELP)
        posix._exit(2)
    signal(SIGINT, SIG_DFL)
    environ = posix.environ
    home = environ.get(b"AETHER_HOME") or environ.get(b"HOME", b"") + b"/.aether"
    path = environ.get(b"AETHER_SOCKET") or home + b"/run/aetherd.sock"
    if sys.argv[1:]:
        path = sys.argv[1].encode("utf-8", "surrogateescape")
    Relay(path, environ.get(b"AETHER_TOKEN", b"").strip(), home + b"/secrets/owner.token").run()
    posix._exit(0)


if __name__ == "__main__":
    main()
