"""What the value of an option may be: each function turns its text into the value, or says in one line why it cannot."""

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from sccore.utils import files
from sccore.utils.errors import InputError

STANDARD = "-"  # standard input or output, in place of a file
UNITS = {"s": 1 / 60, "m": 1, "h": 60}  # in minutes


def number(text: str) -> float:
    """Any number, but neither NaN nor infinite."""
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number") from None
    if not math.isfinite(value):
        raise ArgumentTypeError(f"must be finite, not {text}")
    return value


def whole(text: str) -> int:
    """Any whole number."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no whole number") from None


def _bounded(kind: Callable, fits: Callable, what: str) -> Callable:
    def value(text: str):
        if not fits(found := kind(text)):
            raise ArgumentTypeError(f"must be {what}, not {text}")
        return found

    value.what = what  # for the help
    return value


positive = _bounded(number, lambda value: value > 0, "more than 0")
not_negative = _bounded(number, lambda value: value >= 0, "0 or more")
share = _bounded(number, lambda value: 0 <= value <= 1, "a share, from 0 to 1")
count = _bounded(whole, lambda value: value >= 1, "1 or more")
natural = _bounded(whole, lambda value: value >= 0, "0 or more")
effort = _bounded(whole, lambda value: 0 <= value <= 6, "from 0 to 6")
seed = _bounded(whole, lambda value: 0 <= value < 2**63, "from 0 to 2^63 - 1")


def minutes(text: str) -> float:
    """90s, 25m or 2h in minutes; a bare number is minutes."""
    unit = UNITS.get(text[-1:])
    try:
        return positive(text[:-1] if unit else text) * (unit or 1)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}; a time is 90s, 25m or 2h") from None


def size(text: str) -> float:
    """50000, 50k, 0.05M or 48KiB in bytes; k and M are of thousands, Ki and Mi of 1024s, and a B may stand behind."""
    found = re.fullmatch(r"([0-9.]+)\s*([kKM]?)(i?)B?", text.strip())
    try:
        return positive(found[1]) * (1024 if found[3] else 1000) ** ("kM".index(found[2].replace("K", "k")) + 1 if found[2] else 0)
    except (ArgumentTypeError, TypeError):
        raise ArgumentTypeError(f"{text!r} is no size; a size is 50000, 50k, 0.05M or 48KiB") from None


def path(text: str) -> Path:
    """Of a file or folder; without a name the working folder would be taken."""
    if not text:
        raise ArgumentTypeError("is empty; name a file or folder")
    return Path(text)


def new_file(text: str) -> Path:
    """A file that can be written."""
    if text == STANDARD:
        raise ArgumentTypeError("nothing is written to standard output here; name a file")
    return _checked(files.writable, text)


def new_file_or_output(text: str) -> Path:
    """A file that can be written, or `-`."""
    return Path(text) if text == STANDARD else new_file(text)


def new_folder(text: str) -> Path:
    """A folder that can be written into, or made."""
    return _checked(files.writable_folder, text)


def _checked(check, text):
    try:
        check(path(text).expanduser())
    except InputError as error:
        raise ArgumentTypeError(str(error)) from None
    return Path(text).expanduser()
