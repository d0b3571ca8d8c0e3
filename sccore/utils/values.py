"""A value that a user gave, turned into the type that it has to have: numbers of numpy and numbers in words are numbers, too."""

from typing import Any

from sccore.utils.errors import InputError

KINDS = {int: "a whole number", float: "a number", str: "a word"}


def cast(name: str, value: Any, kind: type) -> Any:
    """`value` as Python's own int, float or str; `name` is what the user calls it.

    Raises:
        InputError: it is nothing of the kind; says what it is.

    Example:
        >>> cast("lr", "1e-4", float), cast("steps", np.int64(8), int), cast("steps", 8.0, int)
        (0.0001, 8, 8)
    """
    try:
        if kind is str and not isinstance(value, str):
            raise ValueError
        if kind is int and isinstance(value, str) and not value.strip().isdecimal():
            value = float(value)  # "1e3"
        found = kind(value)
        if kind is int and not isinstance(value, str) and found != value:  # 8.5
            raise ValueError
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch's are of the last kind
        raise InputError(f"{name} is {KINDS[kind]}, not {value!r}") from None
    return found
