"""The one error type of bad input, and notes on what is done with input that is odd."""

import re
import warnings
from collections.abc import Iterable
from typing import Any

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~])?")  # that colour a terminal


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line that says what and why.

    The command line prints it and exits with 1; in Python it is a ValueError.

    Example:
        >>> sccore.create_model("vtm")
        Traceback (most recent call last):
        sccore.utils.errors.InputError: unknown name 'vtm'; known: wacnn, sftip, cheng2020, ms2020
    """


class OtherRun(InputError):
    """A folder holds another training run than the one that was asked for."""


def require(what: str, value: Any, known: Iterable[str]):
    """Refuses a word that is not among the known ones; says which these are."""
    if value not in (words := list(known)):
        raise InputError(f"unknown {what} {value!r}; known: {', '.join(words)}")


def first_line(error: BaseException) -> str:
    """What a library's error says in one line, without colours of a terminal; its kind if it says nothing."""
    return f"{(ESCAPES.sub('', str(error)).strip().splitlines() or [type(error).__name__])[0]:.200}"


def of_system(error: OSError) -> str:
    """What the system says of a file, in one line.

    Raises:
        OSError: the error itself, if it names no file.
    """
    if not error.filename:
        raise error
    return f"{error.filename}: {(error.strerror or type(error).__name__).lower()}"


def note(text: str):
    """Says something about what the user gave, once, as a warning; the command line prints it as a note."""
    warnings.warn(text, stacklevel=2)
