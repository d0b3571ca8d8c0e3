"""Screens rendered from real HTML documents, with the exact boxes of their words: truth for text detectors.

A page is shown in a headless browser in a look drawn from a seed (:mod:`sccore.text.pages.appearance`), and the words that can be seen
are asked of the browser itself. Beside each screenshot STEM.png lies STEM.json, [{"text": word, "box": [x0, y0, x1,
y1]}] in pixels. A box is as wide as the word and as high as its font, from the highest ascender to the lowest descender.
"""

import hashlib
import json
import random
import re
from contextlib import ExitStack
from itertools import chain, zip_longest
from pathlib import Path

from tqdm import tqdm

from sccore.text.pages import appearance
from sccore.text.pages.chromium import Browser, PageError, find
from sccore.utils.errors import InputError, first_line
from sccore.utils.files import replacing

FEWEST = 12  # words that a page must show
LARGEST = 200_000  # bytes of a document; larger ones take the browser many seconds

# Text that is no part of the document's text is hidden, for nothing tells where it is: numbers of lists, generated
# content, forms, pictures. Nothing moves.
STILL = """
*, *::before, *::after { animation: none !important; transition: none !important; pointer-events: auto !important }
html { scroll-behavior: auto !important }
ol > li::marker { content: "" !important }
img, picture, video, canvas, iframe, object, embed { visibility: hidden !important }
input, textarea, select, ::placeholder { color: transparent !important }
.sccore-before::before, .sccore-after::after { visibility: hidden !important }
"""

PREPARE = """
(look => {
  const root = document.documentElement
  const style = document.head.appendChild(document.createElement('style'))
  style.textContent = look.still + look.style
  root.dataset.theme = look.scheme                                   // rustdoc
  if (root.classList.contains('light') && look.scheme == 'dark')     // mdBook
    root.classList.replace('light', look.mdbook)
  for (const element of document.body.querySelectorAll('*')) {
    const position = getComputedStyle(element).position              // nothing stands above other text
    if (position == 'sticky') element.style.setProperty('position', 'static', 'important')
    if (position == 'fixed') element.style.setProperty('position', 'absolute', 'important')
    for (const side of ['before', 'after'])
      if (/^".*[^\\s\\p{Co}].*"/u.test(getComputedStyle(element, '::' + side).content))
        element.classList.add('sccore-' + side)
  }
  const scroll = () => scrollTo(0, look.place * (root.scrollHeight - innerHeight))
  scroll()
  const seen = [...document.querySelectorAll('p, pre, h2, h3, ul, table')].filter(element => {
    const box = element.getBoundingClientRect()
    return box.top > 0 && box.top < innerHeight && box.width > 200
  })
  for (const [place, html] of look.figures)
    seen[Math.floor(place * seen.length)]?.insertAdjacentHTML('beforebegin', html)
  return document.fonts.ready.then(() => true)
})"""

# A word is a run of characters without space between them in one line, also across elements: `Vec<T>` in three colours.
WORDS = """
(() => {
  const range = document.createRange(), clips = new Map(), words = []
  const clip = element => {                                          // what of an element is not cut off
    if (!element) return [0, 0, innerWidth, innerHeight]
    if (!clips.has(element)) {
      let [x0, y0, x1, y1] = clip(element.parentElement)
      const style = getComputedStyle(element), box = element.getBoundingClientRect()
      if (style.overflowX != 'visible' && style.display != 'inline' && element.parentElement && element != document.body)
        [x0, y0, x1, y1] = [Math.max(x0, box.left), Math.max(y0, box.top), Math.min(x1, box.right), Math.min(y1, box.bottom)]
      clips.set(element, [x0, y0, x1, y1])
    }
    return clips.get(element)
  }
  const add = (text, box, glued) => {
    const last = words.at(-1)
    if (glued && last && Math.abs(box.left - last.box[2]) < 1
        && Math.min(box.bottom, last.box[3]) - Math.max(box.top, last.box[1]) > 0.5 * Math.min(box.height, last.box[3] - last.box[1])) {
      last.text += text
      last.box = [last.box[0], Math.min(box.top, last.box[1]), box.right, Math.max(box.bottom, last.box[3])]
    } else words.push({text, box: [box.left, box.top, box.right, box.bottom]})
  }
  const visible = (element, box) => {
    const [x0, y0, x1, y1] = clip(element)
    const left = Math.max(x0, box.left), top = Math.max(y0, box.top), right = Math.min(x1, box.right), bottom = Math.min(y1, box.bottom)
    if (right - left < 2 || bottom - top < 0.6 * box.height) return null
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2)
    return hit && (hit == element || element.contains(hit)) ? new DOMRect(left, top, right - left, bottom - top) : null
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  let open = false                                                   // the node before ended within a word
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.data, element = node.parentElement
    range.selectNodeContents(node)
    const all = range.getBoundingClientRect()
    if (!/\\S/.test(text) || all.width == 0) { if (/\\s/.test(text)) open = false; continue }
    const glue = open && /^\\S/.test(text)
    open = false
    if (all.bottom < 0 || all.top > innerHeight || all.right < 0 || all.left > innerWidth) continue
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue
    if (/rgba\\(.*, 0\\)/.test(getComputedStyle(element).color)) continue
    for (const match of text.matchAll(/\\S+/g)) {
      let from = match.index, k = from
      const end = from + match[0].length
      range.setStart(node, from); range.setEnd(node, end)
      const parts = []
      if (range.getClientRects().length == 1) parts.push([match[0], range.getBoundingClientRect()])
      else for (let top = null; k <= end; k++) {                     // broken over lines: a box for each part
        if (k < end) { range.setStart(node, k); range.setEnd(node, k + 1) }
        const box = range.getBoundingClientRect()
        if (k == end || (top !== null && box.width > 0 && Math.abs(box.top - top) > 0.5 * box.height)) {
          range.setStart(node, from); range.setEnd(node, k)
          parts.push([text.slice(from, k), range.getBoundingClientRect()])
          from = k
        }
        if (box.width > 0) top = box.top
      }
      for (const [part, box] of parts) {
        const seen = box.width >= 1 && !/^[\\p{Co}\\p{Cf}]+$/u.test(part) ? visible(element, box) : null
        open = seen !== null
        if (seen) add(part, seen, glue && match.index == 0 && part == parts[0][0])
      }
    }
    open = open && /\\S$/.test(text)
  }
  return words
})()"""


def render(sources: list[Path], out: Path | str, count: int | None = None, seed: int = 0, progress: bool = True) -> dict:
    """Screens of HTML documents with the boxes of their words; the same again for the same seed, fonts and browser.

    Can be killed at any moment and started again with the same arguments. Documents are taken from the sources in turn,
    each source in an order drawn from the seed; one that shows hardly any words is passed over for the next.

    Args:
        sources: HTML files and folders of them.
        out: folder for STEM.png and STEM.json, made if it is not there.
        count: of pages; None renders every document once.

    Returns:
        {"made": number, "kept": number of pages that were there, "passed": number, "failed": {document: why}}.

    Raises:
        InputError: no documents, or no browser; says what to install.
    """
    find()
    out, documents = Path(out), collect(sources, seed)
    summary = {"made": 0, "kept": 0, "passed": 0, "failed": {}}
    with (
        ExitStack() as stack,
        tqdm(
            total=min(count if count is not None else len(documents), len(documents)), desc="pages", unit="page", disable=not progress
        ) as bar,
    ):
        browser = None
        for name, path in documents:
            if count is not None and summary["made"] + summary["kept"] >= count:
                break
            place = out / stem(name, seed)
            if all(place.with_name(f"{place.name}.{suffix}").exists() for suffix in ("png", "json")):
                summary["kept"] += 1
                bar.update()
                continue
            try:
                if not fit(path):
                    summary["passed"] += 1
                    continue
                browser = browser or stack.enter_context(Browser())
                shot, words = page(browser, path, appearance.draw(random.Random(f"{seed} {name}")))
            except PageError as error:
                summary["failed"][name] = first_line(error)
                stack.pop_all().close()  # a fresh browser for the next page
                browser = None
                continue
            if len(words) < FEWEST:
                summary["passed"] += 1
                continue
            for suffix, content in (("png", shot), ("json", json.dumps(words, ensure_ascii=False).encode())):
                with replacing(f"{place}.{suffix}") as part:
                    part.write_bytes(content)
            summary["made"] += 1
            bar.update()
    return summary


def collect(sources: list[Path], seed: int) -> list[tuple[str, Path]]:
    """Names and paths of the documents of all sources, one of each source in turn."""
    lists = []
    for source in map(Path, sources):
        if source.is_dir():
            found = [
                (path.relative_to(source.resolve().parent).as_posix(), path)
                for path in sorted(source.resolve().rglob("*.htm*"))
                if path.is_file()
            ]
        elif source.is_file():
            found = [(source.name, source.resolve())]
        else:
            raise InputError(f"{source}: no such file or folder")
        random.Random(seed).shuffle(found)
        lists.append(found)
    documents = [document for document in chain.from_iterable(zip_longest(*lists)) if document]
    if not documents:
        raise InputError(f"no HTML documents in {', '.join(map(str, sources))}")
    return documents


def fit(path: Path) -> bool:
    """Whether a document is one to render: not too large, and no mere pointer to another."""
    return path.stat().st_size <= LARGEST and b'http-equiv="refresh"' not in path.read_bytes()[:4096].lower()


def stem(name: str, seed: int) -> str:
    """The file stem of a document's page: its name, made plain, and a hash that tells seeds and namesakes apart."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name.rpartition(".")[0])[-48:].strip("-")
    return f"{plain}-{hashlib.sha256(f'{seed} {name}'.encode()).hexdigest()[:6]}"


def page(browser: Browser, path: Path, look: appearance.Look) -> tuple[bytes, list[dict]]:
    """One document in one look: the screenshot as a PNG file, and its words in pixels of it."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)  # the document's own scripts, not ours
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": look.scheme}])
    browser.open(path.as_uri(), round(look.width / look.zoom), round(look.height / look.zoom), look.zoom)
    options = vars(look) | {"still": STILL, "mdbook": "navy" if look.zoom < 1 else "coal"}
    browser.evaluate(f"{PREPARE}({json.dumps(options)})")
    words = browser.evaluate(WORDS)
    shot = browser.screenshot()
    if browser.evaluate(WORDS) != words:
        raise PageError("the page moved while it was taken")
    return shot, [{"text": w["text"], "box": [round(look.zoom * v, 1) for v in w["box"]]} for w in words]
