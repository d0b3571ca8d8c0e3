"""Official weights of other people's detectors: looked for on this machine, and known by their sha256."""

import os
from collections.abc import Container
from importlib.util import find_spec
from pathlib import Path

from sccore.utils.errors import InputError
from sccore.utils.files import file_hash


def find_official(
    path: Path | str | None,
    what: str,
    hashes: Container[str],
    variable: str,
    places: list[tuple[str, str]],
    caches: tuple[str, ...],
    command: str,
) -> Path:
    """An official file: `path`, or the one that an environment variable names, or that of an installed package or a cache.

    Args:
        what: the file's or detector's name, for errors.
        hashes: sha256 of the files that are official.
        places: (package, file inside it), in the order in which they are looked for. Packages are located, not imported.
        caches: files looked for after these, ~ for the home.
        command: what brings the weights.

    Raises:
        InputError: there is none; the message names the command. Or the named one is missing or not official.
    """
    if named := path or os.environ.get(variable):
        named = Path(named).expanduser()
        if not named.is_file():
            raise InputError(f"{named}: no such file{'' if path else f' ({variable} names it)'}")
        if file_hash(named) not in hashes:
            raise InputError(f"{named}: not the official {what} (its sha256 is another)")
        return named
    inside = [
        Path(folder) / file for package, file in places if (spec := find_spec(package)) for folder in spec.submodule_search_locations or ()
    ]
    found = [file for file in (*inside, *(Path(os.path.expanduser(cache)) for cache in caches)) if file.is_file()]
    for file in found:
        if file_hash(file) in hashes:
            return file
    damaged = f" ({', '.join(map(str, found))}: damaged or not the official file)" if found else ""
    raise InputError(f"no {what} weights{damaged}; get them with: {command}")
