"""Draws src/agent/glyphs.woff2: media and bracket signs that agents' screens use and common monospace fonts lack.

By hand, when a sign is to be added: `pip install fonttools brotli && python glyphs.py`. Drawn here, from nobody's font.
"""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

EM, WIDTH = 1000, 602
Point = tuple[int, int]


def polygons(*shapes: list[Point]) -> object:
    """Draw filled polygons, given clockwise."""
    pen = TTGlyphPen(None)
    for shape in shapes:
        pen.moveTo(shape[0])
        for point in shape[1:]:
            pen.lineTo(point)
        pen.closePath()
    return pen.glyph()


def bar(left: int, bottom: int, right: int, top: int) -> list[Point]:
    """Return a rectangle."""
    return [(left, bottom), (left, top), (right, top), (right, bottom)]


def disc(x: int, y: int, r: int) -> object:
    """Draw a filled circle of eight quadratic arcs."""
    k = round(r * 0.4142)
    d = round(r * 0.7071)
    pen = TTGlyphPen(None)
    pen.moveTo((x, y + r))
    around = [
        (k, r, d, d),
        (r, k, r, 0),
        (r, -k, d, -d),
        (k, -r, 0, -r),
        (-k, -r, -d, -d),
        (-r, -k, -r, 0),
        (-r, k, -d, d),
        (-k, r, 0, r),
    ]
    for cx, cy, px, py in around:
        pen.qCurveTo((x + cx, y + cy), (x + px, y + py))
    pen.closePath()
    return pen.glyph()


GLYPHS = {
    0x23BF: polygons(bar(190, 300, 255, 1000), bar(190, 300, 560, 365)),  # dentistry bottom left: an answer's elbow
    0x23F4: polygons([(80, 350), (500, 620), (500, 80)]),
    0x23F5: polygons([(100, 80), (100, 620), (520, 350)]),
    0x23F6: polygons([(60, 130), (301, 570), (542, 130)]),
    0x23F7: polygons([(60, 570), (542, 570), (301, 130)]),
    0x23F8: polygons(bar(130, 90, 250, 610), bar(352, 90, 472, 610)),
    0x23F9: polygons(bar(70, 120, 532, 582)),
    0x23FA: disc(301, 350, 235),
}

names = [".notdef", *(f"uni{code:04X}" for code in GLYPHS)]
font = FontBuilder(EM, isTTF=True)
font.setupGlyphOrder(names)
font.setupCharacterMap({code: f"uni{code:04X}" for code in GLYPHS})
font.setupGlyf(
    {".notdef": polygons(bar(60, 0, 540, 700)), **{f"uni{code:04X}": glyph for code, glyph in GLYPHS.items()}}
)
font.setupHorizontalMetrics(dict.fromkeys(names, (WIDTH, 0)))
font.setupHorizontalHeader(ascent=928, descent=-236)
font.setupNameTable({"familyName": "Aether Glyphs", "styleName": "Regular"})
font.setupOS2(sTypoAscender=928, sTypoDescender=-236, usWinAscent=928, usWinDescent=236)
font.setupPost(isFixedPitch=1, keepGlyphNames=False)
font.font.flavor = "woff2"
font.font.recalcTimestamp = False
font.save(Path(__file__).parent / "src" / "agent" / "glyphs.woff2")
