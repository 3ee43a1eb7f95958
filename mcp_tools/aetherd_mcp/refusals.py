"""What is refused outside a tool call is an error of the protocol: with our code and advice, never with a crash."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import mcp_types as types
from mcp.shared.exceptions import MCPError

from aetherd.core.errors import AetherError, Internal

logger = logging.getLogger(__name__)


@contextmanager
def as_protocol_errors(method: str, **about: str) -> Iterator[None]:
    """Turn errors of the house into those of the protocol; `about` is added to their data."""
    try:
        yield
    except MCPError:
        raise
    except AetherError as exc:
        raise MCPError(types.INVALID_PARAMS, exc.message, exc.body()["error"] | about) from exc
    except Exception as exc:
        logger.exception("%s crashed", method)
        hidden = Internal("internal error; the daemon's log has the details")
        raise MCPError(types.INTERNAL_ERROR, hidden.message, hidden.body()["error"]) from exc
