"""Every command behind the tables and figures, with the time that it takes by the records.

Three kinds of time stand in the table: measured (of the commands themselves), summed (the seconds of all files in a record) and
computed (steps at the recorded speed). A record's machine says in which column its time belongs.
"""

import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from sccore.evaluation.records import recorded, trained
from sccore.paper import speed
from sccore.paper.tables import paper_numbers, table
from sccore.utils import paths


@dataclass(frozen=True)
class Time:
    """Seconds on a machine, and how they were found."""

    seconds: float
    machine: str
    how: str = "measured"

    def __str__(self):
        return said(self.seconds) + f" ({self.how})" * (self.how != "measured")

    @property
    def on_gpu(self) -> bool:
        return "NVIDIA" in self.machine or "CUDA" in self.machine


def said(seconds: float) -> str:
    """Seconds in the unit in which one would say them: "8 s", "2.5 min", "3.1 h", "12 days"."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def speeds(kind: str) -> list[dict]:
    """Records of :func:`sccore.paper.speed.records`, the latest last."""
    return sorted(speed.records(kind), key=lambda record: record["date"])


def coding(action: str) -> list[Time]:
    """The command for one screenshot, from start to end."""
    return [Time(statistics.median(r["seconds"]["chosen"][action]), r["machine"]) for r in speeds("coding")]


def measuring(codecs: Iterable[str], dataset: str = "samples") -> list[Time]:
    """All files of these codecs on a data set, encoded and decoded."""
    found = [record for codec in codecs if (record := recorded(codec, dataset))]
    total = sum(row["encode_s"] + row["decode_s"] for record in found for row in record["images"])
    return [Time(total, found[0]["machine"], "summed")] if found else []


def stage(codec: str) -> list[Time]:
    """The last stage of training of a shipped model, and of as many steps at the speed of the processors that are recorded."""
    checkpoint = trained(codec)
    if "steps" not in checkpoint:
        return []
    crops = checkpoint["steps"] * checkpoint["recipe"]["batch"]
    return [Time(checkpoint["seconds"], checkpoint.get("machine", "processor")), *at_speed(crops, codec, "companion")]


def paper_size() -> list[Time]:
    """One stage and one lambda of the paper, at the recorded speed."""
    paper = paper_numbers()["training"]
    return at_speed(paper["iterations"] * paper["batch"], "sftip", "paper")


def at_speed(crops: int, model: str, preset: str) -> list[Time]:
    """So many crops at the recorded speed of a model."""
    rows = [(row, record) for record in speeds("training") for row in record["rows"]]
    return [
        Time(crops / row["images_s"], record["machine"], "computed")
        for row, record in rows
        if (row["model"], row["preset"], row["way"]) == (model, preset, "ours")
    ]


def limit() -> list[Time]:
    """When the training notebook stops unless told otherwise."""
    found = re.search(r"^minutes = ([\d.]+)", (paths.ROOT / "book/experiments/train.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [Time(60 * float(found[1]), "processor", "its limit")] if found else []


def commands() -> str:
    """The table in Markdown: what one gets, the command, and the latest time on two cores and on a GPU."""
    classical = ("jpeg", "webp", "jxl", "avif", "avif-plain", "hevc")
    rows: list[tuple[str, str, list[Time]]] = [
        ("Installation and all tests", "make test", []),
        ("This book, with every table and figure", "make book", []),
        ("A screenshot as a small file", "python -m sccore encode shot.png shot.sci", coding("encode")),
        ("The screenshot again", "python -m sccore decode shot.sci back.png", coding("decode")),
        ("Table 1 from the records", "papermill notebooks/table-1.ipynb", []),
        ("`sftip` measured anew on the samples", "python -m sccore evaluate --images samples --out FILE.json", measuring(["sftip"])),
        ("Classical codecs on the samples", "python -m sccore anchors --images samples --out DIR", measuring(classical)),
        ("A model for one λ, on the samples", "papermill notebooks/train.ipynb -p lmbda 0.0035", limit()),
        (
            "The last stage of the shipped `sftip`",
            "python -m sccore train --warm-start wacnn-base --batch 16 --data data/open --out DIR",
            stage("sftip"),
        ),
        (
            "One stage and one λ at the paper's size",
            "python -m sccore train --preset paper --recipe paper --initial noise --lmbda 0.0067 --data data/open --out DIR",
            paper_size(),
        ),
    ]
    return table(["you get", "command", "two cores", "GPU"], [[what, f"`{line}`", *columns(times)] for what, line, times in rows])


def columns(times: list[Time]) -> list[str | None]:
    """The latest time on processors and the latest on a GPU, where there are any."""
    latest = lambda gpu: next((str(time) for time in reversed(times) if time.on_gpu == gpu), None)
    return [latest(False), latest(True)]


def machines() -> str:
    """The machines of the records behind the table."""
    known = [*coding("encode"), *measuring(["sftip"]), *stage("sftip"), *paper_size()]
    return "; ".join(dict.fromkeys(time.machine for time in known if time.machine != "processor"))
