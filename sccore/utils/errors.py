"""The one error type of bad input."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line that says what and why.

    The command line prints it and exits with 1; in Python it is a ValueError.
    """


class OtherRun(InputError):
    """A folder holds another training run than the one that was asked for."""
