"""Two pictures in one frame with a border to drag: HTML for a page or a notebook that works without a network.

The border is a range input, so that arrow keys move it too; the pictures are embedded without loss. Two lists choose
which pictures lie left and right of it. Where scripts are off, the first two are shown half and half.
"""

import base64
import io
from html import escape

import numpy as np
from PIL import Image

STYLE = """<style>
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
CHOOSE = ("const f = this.closest('.slider').querySelector('.frame'), s = this.dataset.side; for (const i of "
          "f.querySelectorAll('img')) i.classList.toggle(s, i.dataset.name === this.value)")  # fmt: skip
MOVE = "this.parentNode.style.setProperty('--at', this.value + '%')"


def slider(pictures: dict[str, np.ndarray], left: int = 0, right: int = 1) -> str:
    """HTML of pictures of equal size.

    Args:
        pictures: {label: image (H, W, 3)}, two at least.
        left, right: which are shown at first.
    """
    names, width = list(pictures), next(iter(pictures.values())).shape[1]
    images = "".join(
        f'<img class="{"left" * (i == left)} {"right" * (i == right)}" data-name="{escape(name)}" alt="{escape(name)}" '
        f'src="{embedded(picture)}">' for i, (name, picture) in enumerate(pictures.items()))  # fmt: skip

    def choice(side, chosen):
        options = "".join(f"<option{' selected' * (i == chosen)}>{escape(name)}</option>" for i, name in enumerate(names))
        return f'<select data-side="{side}" aria-label="picture on the {side}" onchange="{CHOOSE}">{options}</select>'

    return (f'{STYLE}<div class="slider" style="width: {width}px"><div class="names">{choice("left", left)}{choice("right", right)}</div>'
            f'<div class="frame">{images}<input type="range" min="0" max="100" value="50" step="0.5" '
            f'aria-label="border between the two pictures" oninput="{MOVE}"></div></div>')  # fmt: skip


def embedded(picture: np.ndarray) -> str:
    """An image as a data address, lossless."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", lossless=True, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
