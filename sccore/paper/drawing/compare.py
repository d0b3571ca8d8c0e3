"""Pictures to compare in HTML that works without a network: two under a border to drag, or several enlarged side by side.

The border is a range input, so that arrow keys move it too. Two lists choose the pictures left and right of it; what is said of each
stands below its list. All pictures are embedded without loss. Where scripts are off, the first two are shown half and half.
"""

import base64
from html import escape

import numpy as np

from sccore.data.decoding import encoded

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
.slider .names { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1rem; font-size: .85rem; padding-bottom: .2rem; }
.slider .names select { width: 100%; font: inherit; }
.slider .names span:last-child { text-align: right; }
</style>"""
CHOOSE = (
    "const all = this.closest('.slider'), s = this.dataset.side; all.querySelector('span.' + s).textContent = "
    "this.selectedOptions[0].dataset.note; "
    "for (const i of all.querySelectorAll('img')) i.classList.toggle(s, i.dataset.name === this.value)"
)
MOVE = "this.parentNode.style.setProperty('--at', this.value + '%')"
GALLERY = """<style>
.gallery { display: grid; gap: .8rem; margin: 1rem 0; }
.gallery figure { margin: 0; }
.gallery img { display: block; width: 100%; margin: 0; image-rendering: pixelated; border: 1px solid #bbb; background: none; }
.gallery figure figcaption { font-size: .85rem; color: inherit; text-align: left; margin: 0; }
</style>"""


def slider(pictures: dict[str, np.ndarray], left: int = 0, right: int = 1, notes: dict[str, str] | None = None) -> str:
    """HTML of pictures of equal size under a border to drag.

    Args:
        pictures: {name: image (H, W, 3)}, two at least.
        left, right: which are shown at first.
        notes: {name: what is said of the picture, such as its bytes and PSNR}.
    """
    names, notes, width = list(pictures), notes or {}, next(iter(pictures.values())).shape[1]
    images = "".join(
        f'<img class="{"left" * (i == left)} {"right" * (i == right)}" data-name="{escape(name)}" alt="{escape(name)}" '
        f'src="{embedded(picture)}">'
        for i, (name, picture) in enumerate(pictures.items())
    )

    def choice(side, chosen):
        options = "".join(
            f'<option data-note="{escape(notes.get(name, ""))}"{" selected" * (i == chosen)}>{escape(name)}</option>'
            for i, name in enumerate(names)
        )
        return f'<select data-side="{side}" aria-label="picture on the {side}" onchange="{CHOOSE}">{options}</select>'

    said = "".join(f'<span class="{side}">{escape(notes.get(names[i], ""))}</span>' for side, i in (("left", left), ("right", right)))
    return (
        f'{SLIDER}<div class="slider" style="width: {width}px"><div class="names">{choice("left", left)}{choice("right", right)}'
        f"{said}</div>"
        f'<div class="frame">{images}<input type="range" min="0" max="100" value="50" step="0.5" '
        f'aria-label="border between the two pictures" oninput="{MOVE}"></div></div>'
    )


def gallery(pictures: dict[str, np.ndarray], notes: dict[str, str] | None = None, zoom: int = 2) -> str:
    """HTML of pictures of equal size side by side, each at least `zoom` times as large as it is, or as wide as the screen.

    Args:
        pictures, notes: as those of :func:`slider`.
    """
    least = zoom * next(iter(pictures.values())).shape[1]
    columns = f"grid-template-columns: repeat(auto-fill, minmax(min(100%, {least}px), 1fr))"
    figures = "".join(
        f'<figure><img alt="{escape(name)}" src="{embedded(picture)}"><figcaption><b>{escape(name)}</b> '
        f"{escape((notes or {}).get(name, ''))}</figcaption></figure>"
        for name, picture in pictures.items()
    )
    return f'{GALLERY}<div class="gallery" style="{columns}">{figures}</div>'


def embedded(picture: np.ndarray, quality: int | None = None) -> str:
    """An image as a data address: lossless, or as WebP of this quality."""
    file = encoded(picture, "WEBP", method=1, **({"lossless": True} if quality is None else {"quality": quality}))
    return "data:image/webp;base64," + base64.b64encode(file).decode()
