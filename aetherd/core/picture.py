"""A picture in an output: a declared type, so that every face can show it as one."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import Field

from aetherd.core.model import Model


class Picture(Model):
    """A picture. MCP answers it as image content beside the text, `aetherctl` writes it to `--output`."""

    media_type: Literal["image/png", "image/jpeg"]
    base64: str = Field(repr=False, json_schema_extra={"contentEncoding": "base64"})

    @classmethod
    def of(cls, data: bytes, media_type: Literal["image/png", "image/jpeg"]) -> Picture:
        """Return the bytes of an image file as a picture."""
        return cls(media_type=media_type, base64=base64.b64encode(data).decode())
