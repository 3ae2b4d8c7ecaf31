"""Draw rates as bars, in SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import attrs

from benchmarks.report.results import Spread

__all__ = ["Series", "chart"]

WIDTH, LEFT, RIGHT = 760, 190, 110
TOP, BAR, GAP = 56, 14, 12
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


@attrs.frozen(kw_only=True)
class Series:
    """Bars of one colour.

    Attributes:
        name: as the legend says it.
        colour: of the bars.
        bars: by contender.
    """

    name: str
    colour: str
    bars: Mapping[str, Spread]


def chart(title: str, series: Sequence[Series]) -> str:
    """Draw a group of bars for each contender; a thin line goes from the least to the most of the rounds."""
    names = list(dict.fromkeys(name for dataset in series for name in dataset.bars))
    most = max(spread.most for dataset in series for spread in dataset.bars.values())
    height = TOP + len(names) * (len(series) * BAR + GAP) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        *_legend(series),
    ]
    for number, name in enumerate(names):
        parts += _group(TOP + number * (len(series) * BAR + GAP), name, series, most)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(series: Sequence[Series]) -> list[str]:
    parts = []
    for number, dataset in enumerate(series):
        x = LEFT + number * 150
        parts.append(f'<rect x="{x}" y="34" width="11" height="11" fill="{dataset.colour}"/>')
        parts.append(f'<text x="{x + 16}" y="44">{escape(dataset.name)}</text>')
    return parts


def _group(top: int, name: str, series: Sequence[Series], most: float) -> list[str]:
    middle = top + len(series) * BAR / 2 + 4
    parts = [f'<text x="{LEFT - 8}" y="{middle:g}" text-anchor="end">{escape(name)}</text>']
    for number, dataset in enumerate(series):
        if name in dataset.bars:
            parts += _bar(top + number * BAR, dataset.bars[name], dataset.colour, most)
    return parts


def _bar(top: int, spread: Spread, colour: str, most: float) -> list[str]:
    scale = (WIDTH - LEFT - RIGHT) / most
    least, end, width = (LEFT + spread.least * scale, LEFT + spread.most * scale, spread.median * scale)
    middle = f"{top + BAR / 2 - 1:g}"
    return [
        f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>',
        f'<line x1="{least:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}" stroke="#222"/>',
        f'<text x="{end + 6:.1f}" y="{top + BAR - 3}">{spread.median:,.0f}</text>',
    ]
