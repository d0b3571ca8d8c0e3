"""The one error type of bad input."""


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


def first_line(error: BaseException) -> str:
    """What a library's error says in one line, its kind if it says nothing."""
    return f"{(str(error).strip().splitlines() or [type(error).__name__])[0]:.200}"
