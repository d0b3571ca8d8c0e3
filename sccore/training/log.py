"""log.csv of a run: the losses, a row every few steps, which survive kills, crashes and a full disk."""

import csv
import math
import time
import warnings
from pathlib import Path

from sccore.utils.errors import InputError
from sccore.utils.files import replacing

COLUMNS = ("step", "loss", "bpp", "mse", "psnr", "aux", "lr", "seconds", "val_loss", "val_bpp", "val_psnr")


class Log:
    """log.csv of a run; rows past the step that a run resumes from are dropped, rows that are not finite left out."""

    def __init__(self, path: Path, step: int):
        rows = [row for row in read_log(path) if int(row["step"]) <= step] if path.exists() and step > 0 else []
        self.path, self.flushed = path, time.monotonic()
        self.waiting: list[dict] = []
        with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def add(self, **row):
        """Keeps a row; its tensors stay on their device."""
        self.waiting.append(row)

    def flush(self) -> dict[str, float]:
        """Writes what waits; the last row that a training step gave."""
        rows = [{k: v if isinstance(v, int) else float(f"{float(v):.7g}") for k, v in r.items()} for r in self.waiting]
        rows = [r for r in rows if math.isfinite(r.get("loss", 0.0))]
        try:
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, COLUMNS).writerows(rows)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error})") from None
        self.waiting, self.flushed = [], time.monotonic()
        return next((r for r in reversed(rows) if "loss" in r), {})


def read_log(path: Path) -> list[dict[str, str]]:
    """Rows of a log.csv; those that a crash of the machine left unreadable, or that have other columns, are left out, and that is said."""
    lines = [line.split(",") for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line]
    header = next((cells for cells in lines if cells[0] == "step"), [])
    cells = [row for row in lines if row != header]
    rows = [dict(zip(header, row)) for row in cells if len(row) == len(header) and row[0].isdecimal() and all(map(number, row))]
    known = [{k: v for k, v in row.items() if k in COLUMNS} for row in rows]
    if len(rows) < len(cells):
        warnings.warn(f"{path}: {len(cells) - len(rows)} rows cannot be read and are left out", stacklevel=2)
    return known


def number(text: str) -> bool:
    try:
        return not text or math.isfinite(float(text))
    except ValueError:
        return False
