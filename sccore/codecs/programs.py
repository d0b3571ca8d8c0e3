"""BPG and VTM: codecs that are programs, with the interface of :mod:`sccore.codecs.classical`.

Both are run as a user would at a terminal, one image a call, so their times hold the start of the program and
the writing of its input. VTM is the reference software of VVC; `vtm` is its all-intra configuration, `vtm-scc`
adds the class configuration for screen content (intra block copy, palette, BDPCM, hash search). The `-rgb` variants
code the planes G, B, R with the reference configuration for them (adaptive colour transform).
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sccore.utils.errors import InputError

KR, KB = 0.2126, 0.0722  # of BT.709
GBR = ("--ColorTransform=1", "--Log2MaxTbSize=5", "--DualITree=0", "--LMCSEnable=0")  # VTM's cfg/per-class/formatGBR.cfg


@dataclass(frozen=True)
class BPG:
    """Bellard's BPG: HEVC intra in a small container. The quality is x265's QP, 0 (faithful) to 51 (small)."""

    name = "bpg"
    settings = "bpgenc -e x265 -m 9, YCbCr 4:4:4"
    qualities = (46, 42, 38, 34, 30, 26)
    scale = 0, 51
    hint = "build libbpg 0.9.8 (bellard.org/bpg) and put bpgenc and bpgdec on the PATH"

    def missing(self) -> str:
        absent = [program for program in ("bpgenc", "bpgdec") if not shutil.which(program)]
        return f"no {' and no '.join(absent)} on the PATH; {self.hint}" if absent else ""

    def versions(self) -> dict[str, str]:
        return {"bpgenc": _version("bpgenc", "-h")}

    def encode(self, image: np.ndarray, quality: int) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "image.png"), Path(folder, "image.bpg")
            Image.fromarray(image).save(source, compress_level=1)
            _run("bpgenc", "-e", "x265", "-m", 9, "-f", 444, "-q", quality, "-o", target, source)
            return _read(target, "bpgenc")

    def decode(self, data: bytes, size: tuple[int, int]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "image.bpg"), Path(folder, "image.png")
            source.write_bytes(data)
            _run("bpgdec", "-o", target, source)
            try:
                with Image.open(target) as file:
                    image = np.array(file.convert("RGB"))
            except OSError as error:
                raise InputError(f"bpgdec wrote no image ({error})") from None
        if image.shape[:2] != tuple(size):
            raise InputError(f"bpgdec decodes to {image.shape[1]}x{image.shape[0]}, not {size[1]}x{size[0]}")
        return image


@dataclass(frozen=True)
class VTM:
    """VVC's reference software, one frame, 4:4:4, 8 bits in and out. The quality is the QP, 0 (faithful) to 63 (small)."""

    name: str
    screen: bool = False
    rgb: bool = False
    qualities = (52, 47, 42, 37, 32, 27, 22)
    scale = 0, 63
    hint = "build VTM (vcgit.hhi.fraunhofer.de/jvet/VVCSoftware_VTM) and name its folder in SCCORE_VTM"

    @property
    def settings(self) -> str:
        colour = "G, B, R 4:4:4, adaptive colour transform" if self.rgb else "YCbCr 4:4:4 (BT.709, full range, rounded)"
        return f"{' + '.join(self.configurations)}, {colour}, 8 bits"

    @property
    def configurations(self) -> list[str]:
        """Files in VTM's folder, the later ones over the earlier."""
        return ["cfg/encoder_intra_vtm.cfg"] + ["cfg/per-class/classSCC.cfg"] * self.screen

    def missing(self) -> str:
        folder = os.environ.get("SCCORE_VTM")
        if not folder:
            return f"SCCORE_VTM is not set; {self.hint}"
        needed = ["bin/EncoderAppStatic", "bin/DecoderAppStatic", *self.configurations]
        absent = [file for file in needed if not Path(folder, file).is_file()]
        return f"no {', '.join(absent)} in {folder}; {self.hint}" if absent else ""

    def versions(self) -> dict[str, str]:
        return {"vtm": _version(self._program("Encoder"))}

    def encode(self, image: np.ndarray, quality: int) -> bytes:
        height, width = image.shape[:2]
        planes = image[..., [1, 2, 0]] if self.rgb else to_ycbcr(image)
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "image.yuv"), Path(folder, "image.vvc")
            source.write_bytes(np.ascontiguousarray(planes.transpose(2, 0, 1)).tobytes())  # (3, H, W)
            files = [word for file in self.configurations for word in ("-c", Path(os.environ["SCCORE_VTM"], file))]
            picture = f"-wdt {width} -hgt {height} -f 1 -fr 1 --InputChromaFormat=444 --InputBitDepth=8 --ConformanceWindowMode=1".split()
            places = "-i", source, "-b", target, "-o", os.devnull
            _run(self._program("Encoder"), *files, *places, "-q", quality, *picture, *(GBR if self.rgb else ()))
            return _read(target, "EncoderAppStatic")

    def decode(self, data: bytes, size: tuple[int, int]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "image.vvc"), Path(folder, "image.yuv")
            source.write_bytes(data)
            _run(self._program("Decoder"), "-b", source, "-o", target, "-d", 8)
            planes = np.frombuffer(_read(target, "DecoderAppStatic"), np.uint8)
        if planes.size != 3 * size[0] * size[1]:
            raise InputError(f"DecoderAppStatic wrote {planes.size} samples, not those of 3 planes of {size[1]}x{size[0]}")
        planes = planes.reshape(3, *size).transpose(1, 2, 0)
        return np.ascontiguousarray(planes[..., [2, 0, 1]]) if self.rgb else from_ycbcr(planes)

    def _program(self, which):
        return Path(os.environ["SCCORE_VTM"], "bin", f"{which}AppStatic")


def to_ycbcr(image: np.ndarray) -> np.ndarray:
    """RGB to YCbCr, BT.709, full range, both uint8 (H, W, 3), rounded to the nearest."""
    r, g, b = np.moveaxis(image.astype(np.float64), 2, 0)
    y = KR * r + (1 - KR - KB) * g + KB * b
    return to_bytes(np.stack([y, (b - y) / (2 - 2 * KB) + 128, (r - y) / (2 - 2 * KR) + 128], axis=2))


def from_ycbcr(planes: np.ndarray) -> np.ndarray:
    """The inverse of :func:`to_ycbcr`, up to its rounding."""
    y, cb, cr = np.moveaxis(planes.astype(np.float64), 2, 0)
    r, b = y + (2 - 2 * KR) * (cr - 128), y + (2 - 2 * KB) * (cb - 128)
    return to_bytes(np.stack([r, (y - KR * r - KB * b) / (1 - KR - KB), b], axis=2))


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Rounded and clipped, uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _run(program, *arguments):
    """Runs a program to its end; if it fails, its last words are the error."""
    try:
        done = subprocess.run([str(word) for word in (program, *arguments)], capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise InputError(f"{Path(program).name} cannot be run ({error.strerror})") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"{Path(program).name} failed with exit code {done.returncode}" + (f": {words[-1]}" if words else ""))


def _read(file, program):
    if not file.exists():
        raise InputError(f"{program} wrote no file")
    return file.read_bytes()


def _version(program, *arguments):
    """The version in what a program prints about itself; whether it calls that a success does not matter."""
    try:
        said = subprocess.run([program, *arguments], capture_output=True, text=True, errors="replace")
    except OSError as error:
        return f"unknown ({error.strerror})"
    found = re.search(r"[Vv]ersion\s+\[?([\w.-]+)", said.stdout + said.stderr)
    return found[1] if found else "unknown"
