"""The data sets of the paper and of this edition: what each one is, where it comes from, and where it lies here.

An image set is a folder `data/NAME` with `images/` and, where there are any, text masks of the same stems in `masks/`. Whatever
takes a data set takes a folder of images as well (:func:`place`). :mod:`sccore.data.download` brings them here.

Some can be had file by file from public repositories, at fixed commits; their catalogues (tables in data/) hold path,
licence, size and the sha256 of each image's decoded RGB bytes. The others are handed out by their owners only, or in
ways that no program can follow; of those a copy is taken over.
"""

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path

from sccore.utils import paths
from sccore.utils.errors import InputError, note, require


def lies(name: Path | str) -> Path:
    """The folder of a data set: that of the shipped samples if there is no other of that name, else in the user's data."""
    folders = paths.DATA / name, paths.SHIPPED / name
    return next((folder for folder in folders if (folder / "images").is_dir()), folders[0])


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Args:
        name: of its folder in data/.
        what: one line for readers.
        source: the page of those who made it.
        images: how many there are; None if nobody says.
        licence: under which it can be had.
        catalogue: table of what can be downloaded file by file; None if nothing can.
        pattern: the names of its images in a copy from the source (a regular expression); other files are left alone.
        advice: how to get a copy.
    """

    name: str
    what: str
    source: str
    images: int | None
    licence: str
    catalogue: Path | None = None
    pattern: str = r".*"
    advice: str = ""

    @property
    def folder(self) -> Path:
        return lies(self.name)

    @property
    def command(self) -> str:
        """What brings it here."""
        return f"python -m sccore fetch {self.name}" + ("" if self.catalogue else " --from FOLDER")

    def rows(self) -> dict[str, dict]:
        """The catalogue's rows by stem; {} without one."""
        if not self.catalogue:
            return {}
        reader = gzip.open if self.catalogue.suffix == ".gz" else open
        with reader(self.catalogue, "rt", newline="", encoding="utf-8") as file:
            return {row["stem"]: row for row in csv.DictReader(file, delimiter="\t")}


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "samples",
            "GB82-SC: screenshots of five systems, 640x480 to 2940x1912, shipped with the project",
            "https://github.com/gianni-rosato/gb82-image-set",
            10,
            "CC0-1.0",
            paths.SAMPLES / "SOURCES.tsv",
        ),
        Dataset(
            "kodak",
            "Kodak suite: photographs, 768x512 and 512x768",
            "https://r0k.us/graphics/kodak",
            24,
            "released for unrestricted use",
            paths.SHIPPED / "kodak.tsv",
            r"kodim\d\d\.png",
        ),
        Dataset(
            "open",
            "the training set of the shipped weights: screenshots of software projects, and some photographs",
            "data/catalogue.tsv.gz",
            2531,
            "a licence a row: Apache-2.0, MIT, BSD, CC-BY-4.0, CC-BY-SA-4.0, CC0-1.0, Unsplash",
            paths.SHIPPED / "catalogue.tsv.gz",
        ),
        Dataset(
            "jpegai",
            "JPEG AI validation set: photographs and some screens (Fig. 5; its training set is the paper's second stage)",
            "https://jpegai.github.io/3-datasets",
            350,
            "for research on image coding; see the source",
            advice="the committee hands it out on request; the paper crops its images to at most 1920x1080",
        ),
        Dataset(
            "siqad",
            "SIQAD: reference screens of an image quality database, about 700x700 (Fig. 6, Tables 2-6)",
            "https://sites.google.com/site/subjectiveqa",
            20,
            "for research; see the source",
            pattern=r"cim\d+\.bmp",
            advice="unpack the archive; the references cim1.bmp to cim20.bmp are taken, distorted images are left alone",
        ),
        Dataset(
            "scid",
            "SCID: reference screens of an image quality database, 1280x720 (Fig. 7)",
            "https://eezkni.github.io/publications/ESIM.html",
            40,
            "for research; see the source",
            pattern=r"SCI\d\d\.bmp",
            advice="unpack the archive; ReferenceSCIs/SCI01.bmp to SCI40.bmp are taken, distorted images are left alone",
        ),
        Dataset(
            "mlscid",
            "MLSCID: a column of Table 1, for which the paper gives no reference",
            "not known",
            None,
            "not known",
            advice="if you know it, put your copy here",
        ),
        Dataset(
            "openimages",
            "Open Images: photographs (first training stage); the paper draws 300,000 and does not say which",
            "https://storage.googleapis.com/openimages/web/index.html",
            None,
            "images CC-BY-2.0 as listed by their authors",
            advice="download a choice of your own with the source's downloader",
        ),
    )
}


def known(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        InputError: there is none; says which there are.
    """
    require("data set", name, DATASETS)
    return DATASETS[name]


def place(name: Path | str, masks: Path | str | None = None) -> tuple[Path, Path | None]:
    """The folder of images and the folder of masks of a data set, None without masks.

    Args:
        name: of a folder in data/, the bare name; or the path of any folder: of images, or with `images/` and `masks/` inside.
        masks: of another folder of masks.

    Raises:
        InputError: no such folder; of a known data set it says how to get it.
    """
    known_one, folder = lies(name), Path(os.path.expanduser(name))
    if os.sep not in str(name) and (known_one / "images").is_dir():
        if folder.is_dir() and not folder.samefile(known_one):
            note(f"{name}: taken as the data set of this name; ./{name} is the folder beside you")
        folder = known_one
    if not folder.is_dir():
        if str(name) in DATASETS:
            raise InputError(f"data set {name} is not here yet: {DATASETS[str(name)].command}")
        raise InputError(f"{name}: no such folder, and no data set of that name; known: {', '.join(DATASETS)}")
    images = folder / "images" if (folder / "images").is_dir() else folder
    if masks:
        return images, Path(masks).expanduser()
    return images, folder / "masks" if images != folder and (folder / "masks").is_dir() else None


def listing() -> str:
    """Some lines a data set: name and what it is, number of images, licence, source, and how to get it or that it is here."""
    from sccore.data.images import image_files

    lines = []
    for dataset in DATASETS.values():
        images = dataset.folder / "images"
        here = len(image_files(images)) if images.is_dir() else 0
        count = f"{dataset.images:,} images" if dataset.images else "number of images not known"
        lines += [
            f"{dataset.name:11} {dataset.what}",
            f"{'':11} {count}; licence: {dataset.licence}; source: {dataset.source}",
            f"{'':11} {f'{here:,} here; ' if here else ''}{dataset.command}{f'  ({dataset.advice})' if dataset.advice else ''}",
        ]
    return "\n".join(lines)
