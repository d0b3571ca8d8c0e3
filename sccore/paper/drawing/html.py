"""Tables in HTML whose numbers can be traced to their records, without a network and without a script.

A number is the summary of a <details> element. Its box shows command, checkpoint, data, software, machine and date.
"""

from collections.abc import Iterable
from html import escape

TRACED = """<style>
table.traced { font-size: .8rem; border-collapse: collapse; width: 100%; }
table.traced td, table.traced th { text-align: left; vertical-align: top; padding: .25rem .3rem; border-top: 1px solid #ddd; }
table.traced td:first-child { min-width: 5.5rem; }
table.traced small { font-size: .7rem; white-space: nowrap; }
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


def trace(shown: str, records: Iterable[dict], note: str = "") -> str:
    """A number (plain text, lines apart) that opens what is behind it: a note and a list a record."""
    head, *rest = escape(shown).split("\n")
    below = "".join(f"<br><small>{line}</small>" for line in rest)
    entries = f"<p>{escape(note)}</p>" * bool(note) + "".join(map(entry, records))
    return f'<details class="trace" name="trace"><summary>{head}{below}</summary><div>{entries}</div></details>'


def entry(record: dict) -> str:
    """What a record says of how it was made, as an HTML list."""
    checkpoint, dataset, versions = record.get("checkpoint") or {}, record.get("dataset") or {}, record.get("versions") or {}
    masks, threads = dataset.get("masks_sha256"), record.get("threads")
    fields = {
        "codec": record["codec"],
        "settings": record.get("settings"),
        "checkpoint": checkpoint and f"{checkpoint.get('file') or 'a file of its own'}, sha256 {checkpoint.get('sha256')}",
        "data": dataset
        and f"{dataset['name']}, {dataset['images']} images, sha256 {dataset['sha256']}" + (f"; masks {masks}" if masks else "; no masks"),
        "command": record.get("command"),
        "origin": record.get("origin"),
        "software": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "machine": ", ".join(filter(None, [record.get("machine"), threads and f"{threads} thread{'s' * (threads > 1)}"])),
        "date": record.get("date") or "not noted",
        "note": record.get("note"),
    }
    lines = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in fields.items() if value)
    return f"<dl>{lines}</dl>"


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
