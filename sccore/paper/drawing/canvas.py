"""Boxes, arrows and labels on a page measured in inches: what :mod:`sccore.paper.figures_1_2` is drawn with."""

from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

FONT, LINE = 7, 0.115  # size of letters in points; distance of lines
DARK, GREY = "0.1", "0.4"
ARROW = {"arrowstyle": "-|>", "color": "0.35", "lw": 0.8, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}

Colours = tuple[str, str]  # of a box's inside and of its edge


class Place(NamedTuple):
    """Where a box stands: its middle, and half its height."""

    x: float
    y: float
    half: float

    def top(self, shift: float = 0) -> tuple[float, float]:
        return self.x + shift, self.y + self.half

    def bottom(self, shift: float = 0) -> tuple[float, float]:
        return self.x + shift, self.y - self.half


def tall(lines: list[str]) -> float:
    """Height of a box of these lines."""
    return len(lines) * LINE + 0.09


class Page:
    """A figure without ticks; (0, 0) is the lower left corner of a drawing of width x height, with room around it."""

    def __init__(self, width: float, height: float, below: float, above: float):
        self.figure = plt.figure(figsize=(width + 0.1, height + below + above), layout="none")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(-0.05, width + 0.05), ylim=(-below, height + above))
        self.axes.axis("off")

    def write(self, x: float, y: float, text: str, larger: float = 0, **how):
        """Text, in the middle of (x, y) unless `how` says otherwise."""
        usual = {"ha": "center", "va": "center", "color": DARK} | ({"linespacing": 1.25} if "\n" in text else {})
        self.axes.text(x, y, text, fontsize=FONT + larger, **usual | how)

    def box(
        self, x: float, y: float, width: float, height: float, lines: list[str], colours: Colours, note: str = "", heading: bool = False
    ) -> Place:
        """A box around (x, y); a note stands at the right end of its first line, which may be a heading."""
        left, (inside, edge) = x - width / 2, colours
        style = "round,pad=0,rounding_size=0.04"
        corner = (left, y - height / 2)
        self.axes.add_patch(FancyBboxPatch(corner, width, height, style, fc=inside, ec=edge, lw=0.7, zorder=3))
        rows = [y + ((len(lines) - 1) / 2 - i) * LINE for i in range(len(lines))]
        for i, (row, line) in enumerate(zip(rows, lines)):
            weight = "bold" if heading and i == 0 else "normal"
            self.write(left + 0.07, row, line, ha="left", va="center_baseline", weight=weight, zorder=4)
        self.write(left + width - 0.06, rows[0], note, ha="right", va="center_baseline", color=GREY, zorder=4)
        return Place(x, y, height / 2)

    def frame(self, left: float, low: float, width: float, height: float, colour: str):
        """A dashed line around boxes that belong together."""
        style = "round,pad=0,rounding_size=0.06"
        self.axes.add_patch(FancyBboxPatch((left, low), width, height, style, fc="none", ec=colour, lw=0.7, ls="--"))

    def sign(self, x: float, y: float, sign: str, colours: Colours) -> Place:
        """A circle with an operation in it."""
        circle = plt.Circle((x, y), 0.09, fc=colours[0], ec=colours[1], lw=0.7, zorder=3)
        self.axes.add_patch(circle)
        self.write(x, y, sign, 2, va="center_baseline", zorder=4)
        return Place(x, y, circle.radius)

    def arrow(self, *points: tuple[float, float]):
        """A line along the points with a tip at its end."""
        for start, end in zip(points, points[1:-1]):
            self.axes.plot(*zip(start, end), color=ARROW["color"], lw=ARROW["lw"], solid_capstyle="round")
        self.axes.annotate("", points[-1], points[-2], arrowprops=ARROW)
