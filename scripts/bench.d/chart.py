"""The table of scripts/bench as a picture: a bar for each line on a logarithmic scale, left of 1 where we are
faster."""

import math
from xml.sax.saxutils import escape

ROW, LEFT, WIDTH, RIGHT, TOP = 22, 430, 460, 200, 40


def svg(lines):
    """SVG of lines with name, peer, ratio, ratio_min and ratio_max; the thin stroke goes from the least to
    the greatest ratio."""
    low = math.floor(math.log10(min([line.ratio_min for line in lines] + [0.1])))
    high = math.ceil(math.log10(max([line.ratio_max for line in lines] + [10])))
    scale = WIDTH / (high - low)

    def at(ratio):
        return LEFT + (math.log10(ratio) - low) * scale

    height = TOP + ROW * len(lines) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="14">time of ours / time of the peer; left of 1 ours is faster</text>',
    ]
    for power in range(low, high + 1):
        x, colour = at(10.0**power), "#333" if power == 0 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height}" stroke="{colour}"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 10}" text-anchor="middle">{10.0**power:g}</text>')
    for number, line in enumerate(lines):
        y = TOP + ROW * number
        begin, end = sorted((at(1), at(line.ratio)))
        colour = "#2a7f62" if line.ratio <= 1 else "#b4532a"
        middle = y + ROW / 2
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(line.name)}</text>',
            f'<rect x="{begin:.1f}" y="{y + 4}" width="{max(end - begin, 1):.1f}" height="{ROW - 8}" fill="{colour}"/>',
            f'<line x1="{at(line.ratio_min):.1f}" x2="{at(line.ratio_max):.1f}" y1="{middle}" y2="{middle}" stroke="black"/>',
            f'<text x="{LEFT + WIDTH + 8}" y="{y + 15}">{line.ratio:.3g} · {escape(line.peer)}</text>',
        ]
    return "\n".join(parts) + "\n</svg>\n"
