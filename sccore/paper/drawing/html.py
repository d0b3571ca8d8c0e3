"""HTML that works without a network: numbers that can be traced to their records, and pictures with a border to drag.

A number is the summary of a <details> element whose box shows command, checkpoint, data, software, machine and date; it needs
no script. The border between two pictures is a range input, so that arrow keys move it too; the pictures are embedded without
loss. Two lists choose which pictures lie left and right of it. Where scripts are off, the first two are shown half and half.
"""

import base64
import io
from collections.abc import Iterable
from html import escape

import numpy as np
from PIL import Image

TRACED = """<style>
table.traced { font-size: .85rem; border-collapse: collapse; }
table.traced td, table.traced th { text-align: left; vertical-align: top; padding: .25rem .5rem; border-top: 1px solid #ddd; }
table.traced td:first-child { min-width: 9rem; }
table.traced small { white-space: nowrap; }
table.traced tr.note td { border-top: none; font-size: .75rem; padding-top: 0; padding-bottom: .5rem; }
table.traced caption { caption-side: top; text-align: left; }
details.trace > summary { cursor: pointer; text-decoration: underline dotted; list-style: none; }
details.trace > summary::-webkit-details-marker { display: none; }
details.trace > div { position: fixed; z-index: 1100; right: 1rem; bottom: 1rem; width: 44rem; max-width: 90vw;
  max-height: 60vh; overflow: auto; padding: .6rem 1rem; background: var(--pst-color-surface, #fff);
  color: var(--pst-color-text-base, #000); border: 1px solid #999; font-size: .8rem;
  box-shadow: 0 .2rem .8rem rgba(0, 0, 0, .3); overflow-wrap: anywhere; }
details.trace dl { display: grid; grid-template-columns: 6rem 1fr; gap: .1rem .5rem; margin: .3rem 0 .6rem; }
details.trace dt { font-weight: 600; margin: 0; padding: 0; }
details.trace dd { margin: 0; padding: 0; }
div.wide { overflow-x: auto; }
</style>"""
SLIDER = """<style>
.slider { max-width: 100%; margin: 1rem 0; }
.slider .frame { position: relative; width: 100%; --at: 50%; line-height: 0; border: 1px solid #bbb; overflow: hidden; }
.slider .frame img { display: none; width: 100%; margin: 0; max-width: none; background: none; }
.slider .frame img.right { display: block; }
.slider .frame img.left { display: block; position: absolute; z-index: 1; left: 0; top: 0;
  clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.slider .frame::after { content: ""; position: absolute; z-index: 2; top: 0; bottom: 0; left: calc(var(--at) - 1px);
  width: 2px; background: #d00; pointer-events: none; }
.slider input { position: absolute; z-index: 3; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; }
.slider .frame:focus-within { outline: 3px solid #0072b2; }
.slider .names { display: flex; justify-content: space-between; gap: 1rem; font-size: .85rem; }
.slider .names select { max-width: 48%; font: inherit; }
</style>"""
CHOOSE = (
    "const f = this.closest('.slider').querySelector('.frame'), s = this.dataset.side; for (const i of "
    "f.querySelectorAll('img')) i.classList.toggle(s, i.dataset.name === this.value)"
)
MOVE = "this.parentNode.style.setProperty('--at', this.value + '%')"


def trace(shown: str, records: Iterable[dict], note: str = "") -> str:
    """A number (plain text, lines apart) that opens what is behind it: a note and a list a record."""
    head, *rest = escape(shown).split("\n")
    below = "".join(f"<br><small>{line}</small>" for line in rest)
    entries = f"<p>{escape(note)}</p>" * bool(note) + "".join(map(entry, records))
    return f'<details class="trace" name="trace"><summary>{head}{below}</summary><div>{entries}</div></details>'


def entry(record: dict) -> str:
    """What a record says of how it was made, as an HTML list."""
    checkpoint, dataset, versions = record.get("checkpoint") or {}, record.get("dataset") or {}, record.get("versions") or {}
    masks = dataset.get("masks_sha256")
    fields = {
        "codec": record["codec"],
        "settings": record.get("settings"),
        "checkpoint": checkpoint and f"{checkpoint.get('file') or 'a file of its own'}, sha256 {checkpoint.get('sha256')}",
        "data": dataset
        and f"{dataset['name']}, {dataset['images']} images, sha256 {dataset['sha256']}" + (f"; masks {masks}" if masks else "; no masks"),
        "command": record.get("command"),
        "origin": record.get("origin"),
        "software": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "machine": ", ".join(filter(None, [record.get("machine"), _threads(record.get("threads"))])),
        "date": record.get("date") or "not noted",
        "note": record.get("note"),
    }
    lines = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in fields.items() if value)
    return f"<dl>{lines}</dl>"


def _threads(count):
    return count and f"{count} thread{'s' * (count > 1)}"


def traced_table(head: list[str], rows: list[list[str]], caption: str = "", notes: list[str] = ()) -> str:
    """An HTML table of cells that are HTML already; None becomes a dash. A row's note stands below it, over the full width."""
    cells = lambda kind, line: "".join(f"<{kind}>{'–' if cell is None else cell}</{kind}>" for cell in line)
    below = [f'<tr class="note"><td colspan="{len(head)}">{note}</td></tr>' for note in notes] or [""] * len(rows)
    body = "\n".join(f"<tr>{cells('td', row)}</tr>{note}" for row, note in zip(rows, below, strict=True))
    title = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'{TRACED}\n<div class="wide"><table class="traced">{title}\n<thead><tr>{cells("th", head)}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def slider(pictures: dict[str, np.ndarray], left: int = 0, right: int = 1) -> str:
    """HTML of pictures of equal size.

    Args:
        pictures: {label: image (H, W, 3)}, two at least.
        left, right: which are shown at first.
    """
    names, width = list(pictures), next(iter(pictures.values())).shape[1]
    images = "".join(
        f'<img class="{"left" * (i == left)} {"right" * (i == right)}" data-name="{escape(name)}" alt="{escape(name)}" '
        f'src="{embedded(picture)}">'
        for i, (name, picture) in enumerate(pictures.items())
    )

    def choice(side, chosen):
        options = "".join(f"<option{' selected' * (i == chosen)}>{escape(name)}</option>" for i, name in enumerate(names))
        return f'<select data-side="{side}" aria-label="picture on the {side}" onchange="{CHOOSE}">{options}</select>'

    return (
        f'{SLIDER}<div class="slider" style="width: {width}px"><div class="names">{choice("left", left)}{choice("right", right)}</div>'
        f'<div class="frame">{images}<input type="range" min="0" max="100" value="50" step="0.5" '
        f'aria-label="border between the two pictures" oninput="{MOVE}"></div></div>'
    )


def embedded(picture: np.ndarray) -> str:
    """An image as a data address, lossless."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", lossless=True, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
