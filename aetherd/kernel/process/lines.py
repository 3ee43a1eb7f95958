"""Output cut into lines: a byte is copied a fixed number of times, however long the line it belongs to."""

from __future__ import annotations

LINE = 16 * 1024 * 1024  # bytes; a longer line is cut in two


class Lines:
    """Takes output as it comes and gives its lines; `offset` is where the first line begins that is not whole."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self._parts: list[bytes] = []
        self._held = 0

    def take(self, offset: int, data: bytes) -> list[bytes]:
        """Return the lines that end in this output, without their newlines; empty ones are left out."""
        if not self._held:
            self.offset = max(self.offset, offset)  # older bytes are gone (past the cap after a crash)
        self._parts.append(data)
        self._held += len(data)
        cut = data.rfind(b"\n") + 1
        if cut == 0 and self._held < LINE:
            return []
        whole = self._join()
        if cut and cut < len(data):
            self._parts, self._held = [data[cut:]], len(data) - cut
            whole = whole[: -self._held]
        self.offset += len(whole)
        return [line for line in whole.split(b"\n") if line]

    def rest(self) -> list[bytes]:
        """Return the last line when its newline never came."""
        whole = self._join()
        self.offset += len(whole)
        return [whole] if whole else []

    def _join(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts, self._held = [], 0
        return whole
