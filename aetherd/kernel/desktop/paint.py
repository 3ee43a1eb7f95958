"""Pictures of a screen as image files. Everything here computes: call it in a thread."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from aetherd.core.errors import Unavailable

if TYPE_CHECKING:
    from PIL.Image import Image

THUMBNAIL = (320, 200)


def encode(
    pixels: bytes, size: tuple[int, int], most: tuple[int, int], form: Literal["png", "jpeg"], quality: int = 80
) -> tuple[bytes, tuple[int, int]]:
    """Return a picture no larger than `most` (pixels) as an image file, and its size."""
    picture = image_of(pixels, size)
    scale = min(1.0, most[0] / size[0], most[1] / size[1])
    if scale < 1:
        wanted = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        picture = picture.resize(wanted, reducing_gap=2.0)
    out = io.BytesIO()
    if form == "png":
        picture.save(out, "PNG", compress_level=1)
    else:
        picture.save(out, "JPEG", quality=quality)
    return out.getvalue(), picture.size


def image_of(pixels: bytes, size: tuple[int, int]) -> Image:
    """Return the pixels as Pillow's image."""
    try:
        from PIL import Image
    except ImportError:
        raise Unavailable("pictures of desktops need Pillow: pip install 'aetherd[desktop]'") from None
    return Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", 0, 1).convert("RGB")
