"""One tree of errors; every face maps it once. The codes are part of the wire contract and never change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar


class AetherError(Exception):
    """Raised for anything a caller can act on: `message` names the thing, `data` says it for machines."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data

    def body(self) -> dict[str, Any]:
        """Return the error body that every face shows."""
        data = {**self.data, "retryable": True} if self.retryable else self.data
        return {"error": {"code": self.code, "message": self.message, "data": data}}


class Invalid(AetherError):
    """Raised when the input is wrong."""

    code, status = "invalid", 422


class Unauthenticated(AetherError):
    """Raised when no valid credential came with the call."""

    code, status = "unauthenticated", 401


class Forbidden(AetherError):
    """Raised when the caller lacks the scope or does not own the subject."""

    code, status = "forbidden", 403


class NotFound(AetherError):
    """Raised when the named thing does not exist."""

    code, status = "not_found", 404


class Conflict(AetherError):
    """Raised when the thing exists but its state does not allow this."""

    code, status = "conflict", 409


class Exhausted(AetherError):
    """Raised when a quota or a bound is used up."""

    code, status, retryable = "exhausted", 429, True


class PendingApproval(AetherError):
    """Raised when a person must decide first; a normal path, not a failure."""

    code, status = "pending_approval", 409


class Unavailable(AetherError):
    """Raised when something the call needs is missing or away; the message says how to get it."""

    code, status, retryable = "unavailable", 503, True


class StorageFull(Unavailable):
    """Raised when the disk has no room for what the call would write."""

    status = 507


class Internal(AetherError):
    """Never raised by hand: what a face shows for a crash, whose text stays in the log."""

    code, status = "internal", 500


def error_classes(root: type[AetherError] = AetherError) -> Iterator[type[AetherError]]:
    """Yield one class per code, for the catalogue."""
    for cls in root.__subclasses__():
        if cls.__module__ == __name__:
            yield cls
