"""ASIQE-R: quality of screen content without a reference; a reconstruction of ASIQE, re-trained. Higher is better.

ASIQE (Gu et al., "No-Reference Quality Assessment of Screen Content Pictures", 2017) is the index of the paper's
Table 6. Neither its program nor its weights are public. What is known is its form: picture complexity, statistics of
screen content, brightness and sharpness of details, put together by support vector regression on labels that a full-reference
metric gave. ASIQE-R has that form, with formulas, training images and labels of its own (:mod:`sccore.evaluation.asiqe_training`), so
that its numbers are **not** those of ASIQE.
"""

import json
import zipfile
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np

from sccore.evaluation.asiqe.edges import surroundings
from sccore.evaluation.asiqe.free_energy import free_energy
from sccore.evaluation.asiqe.full_reference import grey
from sccore.evaluation.asiqe.statistics import brightness, sharpness, structure
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

FORMAT = "asiqe-r-1"
STEP = 7  # of the accelerated free energy; 7 meets all columns and rows of 8x8 blocks alike
NOISY = 5.0  # bits of free energy, above which structure terms count as negative (NFERM)
SMALLEST = 50  # pixels a side
FAMILIES = {
    "complexity": slice(0, 1),
    "statistics": slice(1, 13),
    "brightness": slice(13, 17),
    "sharpness": slice(17, 20),
    "edges": slice(20, 35),
}
COUNT = 35  # features


def features(image: np.ndarray, step: int = STEP) -> np.ndarray:
    """The raw features (COUNT,) of an image, float64: FAMILIES in their order.

    Args:
        image: uint8 (H, W, 3) RGB or (H, W) grey; at least SMALLEST pixels a side, otherwise InputError.
        step: of :func:`sccore.evaluation.asiqe.free_energy.free_energy`; weights belong to one step.
    """
    luma = grey(np.asarray(image))
    if min(luma.shape) < SMALLEST:
        raise InputError(f"ASIQE-R needs {SMALLEST} pixels a side, the image is {luma.shape[1]}x{luma.shape[0]}")
    return np.array([free_energy(luma, step), *structure(luma), *brightness(luma), *sharpness(luma), *surroundings(luma)])


def asiqe_r(image: np.ndarray, weights: "Weights | None" = None) -> float:
    """The score of an image, uint8 (H, W, 3): about 1 for a pristine screen, lower for worse ones."""
    weights = weights or shipped()
    return float(weights.score(features(image, weights.meta["step"])[None])[0])


@dataclass(frozen=True)
class Weights:
    """A trained regression; `meta` says from what."""

    alpha: np.ndarray  # (12,) free energy of pristine screens = alpha * structure + beta
    beta: np.ndarray  # (12,)
    low: np.ndarray  # (COUNT,) of the features in training, which are scaled to -1 ... 1
    high: np.ndarray  # (COUNT,)
    vectors: np.ndarray  # (n, COUNT) support vectors
    dual: np.ndarray  # (n,) their coefficients
    gamma: np.ndarray  # () of the kernel
    intercept: np.ndarray  # ()
    meta: dict

    def score(self, raw: np.ndarray) -> np.ndarray:
        """Scores (m,) of raw features (m, COUNT): support vector regression with a Gaussian kernel."""
        x = self.scaled(raw)
        distances = ((x**2).sum(1)[:, None] + (self.vectors**2).sum(1) - 2 * x @ self.vectors.T).clip(0)  # (m, n)
        return np.exp(-self.gamma * distances) @ self.dual + self.intercept

    def scaled(self, raw: np.ndarray) -> np.ndarray:
        """What the regression sees (m, COUNT); features beyond those met in training count as the outermost of these."""
        x = linear(raw, self.alpha, self.beta)
        return (2 * (x - self.low) / np.maximum(self.high - self.low, 1e-9) - 1).clip(-1, 1)


def linear(raw: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Raw features (m, COUNT) with the structure terms S in place: alpha * S + beta - F, 0 for pristine screens."""
    complexity, terms = raw[:, :1], signed(raw)
    return np.hstack([complexity, alpha * terms + beta - complexity, raw[:, 13:]])


def signed(raw: np.ndarray) -> np.ndarray:
    """The structure terms (m, 12) of raw features, negative for noisy pictures."""
    return np.where(raw[:, :1] > NOISY, -raw[:, FAMILIES["statistics"]], raw[:, FAMILIES["statistics"]])


def save(weights: Weights, path: Path | str) -> None:
    """One .npz file of plain arrays; the support vectors in single precision, the meta data as JSON."""
    arrays = {field.name: getattr(weights, field.name) for field in fields(Weights)}
    arrays["meta"] = np.array(json.dumps({"format": FORMAT} | weights.meta))
    with replacing(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **arrays | {"vectors": weights.vectors.astype(np.float32)})


def load(path: Path | str) -> Weights:
    """What :func:`save` wrote; InputError if the file is missing, damaged or something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {field.name: file[field.name] for field in fields(Weights)}
        meta = json.loads(str(arrays.pop("meta")))
        arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
        n = len(arrays["dual"])
        shapes = {"alpha": (12,), "beta": (12,), "low": (COUNT,), "high": (COUNT,), "vectors": (n, COUNT), "gamma": (), "intercept": ()}
        if meta["format"] != FORMAT or any(arrays[name].shape != shape for name, shape in shapes.items()):
            raise ValueError("another format")
        if not (all(np.isfinite(array).all() for array in arrays.values()) and int(meta["step"]) > 0):
            raise ValueError("numbers that are none")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise InputError(f"{path}: damaged, or not weights of ASIQE-R ({error})") from None
    return Weights(**arrays, meta=meta)


@lru_cache(maxsize=1)
def shipped() -> Weights:
    """The weights in the repository, data/asiqe/asiqe-r.npz."""
    return load(paths.ASIQE)
