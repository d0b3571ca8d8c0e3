"""Files of strict JSON; those whose name ends in .gz are compressed."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from sccore.utils.errors import InputError, first_line
from sccore.utils.files import regular, replacing

PACKED = ".gz"


def write_text(path: Path | str, text: str):
    """Writes a file atomically, always the same bytes for a text."""
    content = text.encode()
    with replacing(path) as part:
        part.write_bytes(gzip.compress(content, mtime=0) if Path(path).suffix == PACKED else content)


def load_json(path: Path | str) -> Any:
    """The content of a file of strict JSON; InputError with its name if it is missing or damaged."""
    regular(path)
    try:
        content = Path(path).read_bytes()
        text = (gzip.decompress(content) if Path(path).suffix == PACKED else content).decode()
        return json.loads(text, parse_constant=_refuse)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: damaged ({first_line(error)})") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # JSON or UTF-8
        raise InputError(f"{path}: damaged or not strict JSON ({error})") from None


def _refuse(constant):
    raise ValueError(f"{constant} is no number in JSON")
