"""How a rendered page looks: window, zoom, place on the page, fonts, colours and figures, all drawn from a seed.

The same text is set in many ways, so that screens rendered from one manual are as varied as those of many programs.
Lengths are in device pixels unless CSS says otherwise.
"""

import random
from dataclasses import dataclass

WINDOWS = ((1280, 720),) * 3 + ((1120, 640), (1024, 768), (960, 540), (854, 480), (800, 600), (720, 560), (640, 480))
ZOOMS = (0.75, 0.8, 0.9, 1.0, 1.0, 1.0, 1.1, 1.25, 1.5, 1.75)  # of a page whose text mostly has 14 to 16 CSS pixels
SANS = ("Liberation Sans", "DejaVu Sans", "Liberation Sans Narrow", "DejaVu Sans Condensed", "sans-serif")
SERIF = ("Liberation Serif", "DejaVu Serif", "serif")
MONO = ("DejaVu Sans Mono", "Liberation Mono", "monospace")
LIGHT = (  # background, second background, text, link
    ("#ffffff", "#f3f3f3", "#111111", "#0645ad"),
    ("#fafaf5", "#ecebe4", "#333333", "#a0410d"),
    ("#e8eef5", "#ffffff", "#1b2b3a", "#00695c"),
    ("#f0e9d8", "#fdf6e3", "#586e75", "#268bd2"),
    ("#dddddd", "#c8c8c8", "#000000", "#7b1fa2"),
    ("#ffffff", "#fff3c4", "#6b6b6b", "#d81b60"),
)
DARK = (
    ("#1e1e1e", "#2d2d2d", "#d4d4d4", "#569cd6"),
    ("#000000", "#141414", "#e0e0e0", "#ffb300"),
    ("#002b36", "#073642", "#93a1a1", "#2aa198"),
    ("#282a36", "#44475a", "#f8f8f2", "#ff79c6"),
    ("#0d1117", "#161b22", "#c9d1d9", "#58a6ff"),
    ("#300a24", "#41183a", "#eeeeec", "#8ae234"),
)


@dataclass(frozen=True)
class Look:
    """All that is chosen for one page.

    Args:
        width, height: of the window.
        zoom: device pixels a CSS pixel.
        place: 0 at the top of the page, 1 at its end.
        scheme: "light" or "dark", for pages that have a theme of that name.
        style: CSS that is laid over the page's own.
        figures: pairs of a place among the visible paragraphs, in [0, 1], and the HTML of a picture without text.
    """

    width: int
    height: int
    zoom: float
    place: float
    scheme: str
    style: str
    figures: tuple[tuple[float, str], ...]


def draw(rng: random.Random) -> Look:
    """A look at random."""
    width, height = rng.choice(WINDOWS)
    scheme = rng.choice(("light", "dark"))
    style = []
    if rng.random() < 0.6:
        style.append(fonts(rng))
    if rng.random() < 0.5:
        style.append(colours(rng, scheme))
    count = rng.choice((0, 0, 1, 2))
    zoom, place = rng.choice(ZOOMS), rng.choice((0, rng.random(), rng.random()))
    figures = tuple((rng.random(), figure(rng)) for _ in range(count))
    return Look(width, height, zoom, place, scheme, "\n".join(style), figures)


def fonts(rng: random.Random) -> str:
    """CSS: other families, line height and sizes."""
    text, mono = rng.choice((SANS, SANS, SERIF)), rng.choice(MONO)
    head = rng.choice((*SANS, *SERIF))
    return f"""
    body, body * {{ font-family: "{rng.choice(text)}", sans-serif !important; line-height: {rng.uniform(1.15, 1.7):.2f} !important }}
    h1, h1 *, h2, h2 *, h3, h3 * {{ font-family: "{head}" !important; font-weight: {rng.choice((400, 700))} !important }}
    pre, pre *, code, code *, kbd, samp {{ font-family: "{mono}", monospace !important }}
    p, li, td {{ font-size: {rng.choice((11, 12, 13, 14, 15, 16, 18, 20))}px !important }}
    p {{ letter-spacing: {rng.choice((0, 0, 0, 0.3, 0.8))}px; text-align: {rng.choice(("left", "left", "justify"))} }}"""


def colours(rng: random.Random, scheme: str) -> str:
    """CSS: all colours of the page from one palette, on a plain ground or one that shades from a colour to another."""
    ground, second, text, link = rng.choice(LIGHT if scheme == "light" else DARK)
    shade = f"linear-gradient({rng.randrange(360)}deg, {ground}, {second})" if rng.random() < 0.3 else ground
    return f"""
    * {{ color: {text} !important; background-color: transparent !important; text-shadow: none !important }}
    html {{ background: {shade} fixed !important }}
    pre, code, th, nav, tr:nth-child(even) td {{ background-color: {second} !important }}
    a, a *, h1, h2, .keyword, .hljs-keyword {{ color: {link} !important }}
    td, th {{ border: {rng.choice((0, 1))}px solid {second} !important; padding: {rng.randrange(2, 10)}px !important }}"""


def figure(rng: random.Random) -> str:
    """HTML of a picture without a letter in it: a row of shapes and a curve on a shaded ground, to be told from text."""
    colour = lambda: f"hsl({rng.randrange(360)} {rng.randrange(10, 90)}% {rng.randrange(15, 90)}%)"
    shapes = []
    for k in range(rng.randrange(3, 12)):
        x, y, r = 20 + 36 * k, rng.randrange(20, 80), rng.randrange(4, 17)
        shape = rng.choice(
            (
                f"<circle cx={x} cy={y} r={r} ",
                f"<rect x={x - r} y={y - r} width={2 * r} height={r} rx=3 ",
                f"<path d='M{x - r} {y + r}h{2 * r}l-{r}-{2 * r}z' ",
            )
        )
        paint = rng.choice(("fill='{0}'", "fill='none' stroke='{0}' stroke-width='2'")).format(colour())
        shapes.append(shape + paint + "/>")
    line = " ".join(f"{36 * k},{rng.randrange(5, 95)}" for k in range(13))
    shapes.append(f"<polyline points='{line}' fill='none' stroke='{colour()}' stroke-width='{rng.randrange(1, 4)}'/>")
    ground = rng.choice(("linear-gradient({}deg", "repeating-linear-gradient({}deg", "conic-gradient(from {}deg"))
    stops = ", ".join(f"{colour()} {20 * k}%" for k in range(6))
    return (
        f"<svg viewBox='0 0 420 100' style='display:block; width:{rng.randrange(30, 100)}%; max-height:40vh; "
        f"background:{ground.format(rng.randrange(360))}, {stops})'>{''.join(shapes)}</svg>"
    )
