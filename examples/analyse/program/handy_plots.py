"""Draws a plot as SVG. It is also what a tampered-with package looks like.

Importing it runs attempts() from attempts.py; a real one would hide that.
"""

import attempts

WIDTH, HEIGHT, LEFT, TOP = 900, 320, 40, 30
PLOT = '<polyline fill="none" stroke="%s" points="%s"/>'
PAGE = """<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"
 font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
%s
</svg>
"""


def scale(rows):
    """Functions that give a day's x and a temperature's y."""
    low = min(r["low_c"] for r in rows)
    high = max(r["high_c"] for r in rows)
    across = (WIDTH - 2 * LEFT) / (len(rows) - 1)
    down = (HEIGHT - 2 * TOP) / (high - low)
    return (lambda day: LEFT + day * across,
            lambda c: TOP + (high - c) * down)


def temperatures(rows):
    x, y = scale(rows)
    parts = ['<text x="%d" y="18">highest and lowest temperature of each '
             'day, in degrees Celsius, %s to %s</text>'
             % (LEFT, rows[0]["date"], rows[-1]["date"])]
    for c in range(-10, 40, 10):
        if TOP <= y(c) <= HEIGHT - TOP:
            parts.append('<text x="8" y="%.0f">%d</text><path stroke="#ccc" '
                         'd="M%d %.1fH%d"/>'
                         % (y(c) + 4, c, LEFT, y(c), WIDTH - LEFT))
    for key, colour in (("high_c", "#c33"), ("low_c", "#36c")):
        points = " ".join("%.1f,%.1f" % (x(i), y(r[key]))
                          for i, r in enumerate(rows))
        parts.append(PLOT % (colour, points))
    return PAGE % (WIDTH, HEIGHT, "\n".join(parts))


attempts.attempts()
