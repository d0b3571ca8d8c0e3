"""Rate-distortion curves to hover over: an SVG that is complete without scripts, and a short script for pointer, keys and touch.

Each point says its codec, setting, bytes and quality; a click shows a crop that was coded at that setting. Boxes below switch curves on and
off. Nothing comes from a network.
"""

from collections.abc import Callable
from html import escape

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from sccore.evaluation.bd_rate import exact_images
from sccore.evaluation.records import of_codec, settings
from sccore.paper.drawing.compare import embedded
from sccore.paper.drawing.style import LABELS, base, colours, rank, title

WIDTH, HEIGHT, LEFT, LOW = 640, 420, 62, 58  # of the drawing; of the room for labels at its left and below
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # of the grid, bits per pixel
LOOK = """<style>
.rd { max-width: 45rem; margin: 1rem 0; }
.rd svg { width: 100%; height: auto; font-size: 14px; color: var(--pst-color-text-base, #222); }
.rd svg text { fill: currentColor; }
.rd .grid { stroke: currentColor; opacity: .15; }
.rd .exact { stroke: currentColor; opacity: .6; stroke-dasharray: 2 4; }
.rd polyline { fill: none; stroke-width: 2; }
.rd .curve { --tone: var(--c); }
html[data-theme="dark"] .rd .curve { --tone: color-mix(in srgb, var(--c) 55%, white); }
.rd g.curve polyline { stroke: var(--tone); }
.rd g.curve circle { fill: var(--tone); stroke: var(--tone); stroke-opacity: 0; stroke-width: 9px; }
.rd g.curve circle:focus, .rd g.curve circle.near { stroke-opacity: .45; outline: none; }
.rd svg { cursor: pointer; }
.rd g.off { display: none; }
.rd .names { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .9rem; }
.rd label i { display: inline-block; width: 1.4em; border-top: 3px solid var(--tone); vertical-align: middle; }
.rd output { display: block; min-height: 1.6em; font-size: .9rem; }
.rd img { display: block; max-width: 100%; width: 40rem; margin: 0; image-rendering: pixelated; background: none; }
@media (max-width: 600px) { .rd svg { font-size: 22px; } }
</style>"""
REACT = """<script>
if (!window.sccoreCurves) {
  window.sccoreCurves = true;
  const nearest = event => {
    const distance = point => {
      const box = point.getBoundingClientRect();
      return Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
    };
    const shown = [...event.target.closest('svg').querySelectorAll('g.curve:not(.off) circle')];
    const points = shown.sort((a, b) => distance(a) - distance(b));
    return points.length && distance(points[0]) < 24 ? points[0] : null;
  };
  const say = event => {
    if (!event.target.closest || !event.target.closest('.rd svg')) return;
    const focused = event.type === 'focusin' || event.type === 'keydown';
    const point = focused ? event.target.closest('circle') : nearest(event);
    if (!point) return;
    const all = point.closest('.rd'), output = all.querySelector('output');
    for (const other of all.querySelectorAll('circle.near')) other.classList.remove('near');
    point.classList.add('near');
    output.textContent = point.dataset.said;
    if (event.type !== 'click' && !(event.type === 'keydown' && event.key === 'Enter')) return;
    if (!point.dataset.picture) return;
    const picture = all.querySelector('img') || all.appendChild(document.createElement('img'));
    picture.src = point.dataset.picture;
    picture.alt = point.dataset.said;
  };
  for (const kind of ['pointermove', 'focusin', 'click', 'keydown']) document.addEventListener(kind, say);
  document.addEventListener('change', event => {
    const name = event.target.dataset && event.target.dataset.curve;
    if (name) for (const curve of event.target.closest('.rd').querySelectorAll('g.curve'))
      if (curve.dataset.curve === name) curve.classList.toggle('off', !event.target.checked);
  });
}
</script>"""


def rd_plot(
    frame: pd.DataFrame,
    metric: str = "psnr",
    picture: Callable[[str, float], tuple[np.ndarray, str] | None] | None = None,
    said: str = "",
    lossless: float | None = None,
) -> str:
    """HTML of mean quality against mean rate on a logarithmic axis, a curve a codec.

    Args:
        frame: measurements of codecs on the same images.
        metric: "psnr", or "psnr_text"; images and codecs without it are left out, and codecs that store an image exactly.
        picture: (codec, setting) -> a crop (H, W, 3) coded so, and what is said of it; or None.
        said: what stands below until a point is chosen.
        lossless: rate of lossless WebP on these images, drawn as a line.
    """
    exact = [codec for codec, own in frame.groupby("codec") if exact_images(own)]  # a mean with infinite PSNRs is none
    frame = frame[~frame["codec"].isin(exact)].dropna(subset=[metric])
    codecs = sorted(frame["codec"].unique(), key=rank)
    points = {codec: _points(of_codec(frame, codec), metric) for codec in codecs}
    every = pd.concat(points.values())
    lossless = lossless if lossless and np.isfinite(lossless) else 0
    low, high = np.log(every["bpp"].min()), np.log(max(every["bpp"].max(), lossless))
    bottom, top = np.floor(every[metric].min()), np.ceil(every[metric].max())
    across = lambda bpp: LEFT + 14 + (np.log(bpp) - low) / (high - low) * (WIDTH - LEFT - 28)
    up = lambda value: HEIGHT - LOW - 8 - (value - bottom) / (top - bottom) * (HEIGHT - LOW - 20)
    shapes = [
        _line(x, 4, x, HEIGHT - LOW) + _text(x, HEIGHT - LOW + 22, f"{r:g}") for r in RATES if low <= np.log(r) <= high for x in [across(r)]
    ]
    step = 2 if top - bottom < 18 else 5
    ticks = np.arange(step * np.ceil(bottom / step), top + 1, step)
    shapes += [_line(LEFT, up(v), WIDTH, up(v)) + _text(LEFT - 8, up(v) + 5, f"{v:g}", "end") for v in ticks]
    shapes += [_text(WIDTH / 2, HEIGHT - 6, "bits per pixel, logarithmic"), _text(LEFT + 6, 18, LABELS[metric].split(",")[0], "start")]
    if lossless:
        x = across(lossless)
        shapes += [f'<line class="exact" x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{HEIGHT - LOW}"/>']
        side, anchor = (6, "start") if x < WIDTH * 0.72 else (-6, "end")
        shapes += [_text(x + side, 18, f"lossless WebP, {lossless:.2f}", anchor)]
    boxes = []
    for codec, colour in zip(codecs, colours(codecs)):
        own, style = points[codec], f"--c: {to_hex(colour)}"
        line = " ".join(f"{across(r):.1f},{up(q):.1f}" for r, q in zip(own["bpp"], own[metric]))
        dots = "".join(_point(codec, row, across(row["bpp"]), up(row[metric]), metric, picture) for _, row in own.iterrows())
        dashed = ' stroke-dasharray="5 4"' if base(codec) != codec else ""
        shapes.append(f'<g class="curve" data-curve="{escape(codec)}" style="{style}"><polyline points="{line}"{dashed}/>{dots}</g>')
        boxes.append(
            f'<label class="curve" style="{style}"><input type="checkbox" checked data-curve="{escape(codec)}"> <i></i> '
            f"{escape(title(codec))}</label>"
        )
    return (
        f'{LOOK}<div class="rd"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{LABELS[metric]} against bits per pixel">'
        f'{"".join(shapes)}</svg><div class="names">{"".join(boxes)}</div><output>{escape(said)}</output></div>{REACT}'
    )


def _points(own, metric):
    """Means over the images at each setting, by rate; `setting` is lambda or quality, `name` the setting as it is said."""
    (key,) = settings(own)
    columns = [column for column in ("bytes", "bpp", metric) if column in own]
    means = own.groupby(key)[columns].mean().sort_values("bpp").reset_index(names="setting")
    return means.assign(name=[f"{'λ =' if key == 'lmbda' else 'quality'} {value:g}" for value in means["setting"]])


def _point(codec, row, x, y, metric, picture):
    unit = "" if metric == "ms_ssim" else " dB"
    size = f", {row['bytes'] / 1000:.1f} kB" if "bytes" in row else ""
    said = f"{title(codec)}, {row['name']}: {row['bpp']:.3f} bits per pixel{size}, {row[metric]:.2f}{unit} in the mean."
    if found := picture and picture(codec, row["setting"]):
        said += f" {found[1]}"
        shown = f' data-picture="{embedded(found[0], 92)}"'
    else:
        shown = ""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" tabindex="0" data-said="{escape(said)}"{shown}><title>{escape(said)}</title></circle>'
    )


def _line(x, y, to_x, to_y):
    return f'<line class="grid" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _text(x, y, said, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{said}</text>'
