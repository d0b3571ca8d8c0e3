"""Tables of the page on speed, one a machine's record in data/results/speed."""

import statistics

from sccore.paper.drawing.style import title
from sccore.paper.tables import paper_numbers, table
from sccore.utils import paths
from sccore.utils.json_files import load_json

NONE = "No time is recorded yet."


def records(kind: str) -> list[dict]:
    """What the files of a kind hold, `speed/KIND-MACHINE.json`."""
    return list(map(load_json, sorted((paths.RESULTS / "speed").glob(f"{kind}-*.json"))))


def captioned(name: str, caption: str, head: list[str], rows: list[list], below: str = "") -> str:
    """A table with its caption in MyST, and what is said below it."""
    return f":::{{table}} {caption}\n:name: {name}\n\n{table(head, rows)}\n:::\n\n{below}"


def gpu() -> str:
    """Milliseconds a step of training on each GPU, and what bounds it."""
    said = []
    for i, record in enumerate(records("gpu")):
        ms, busy, run = record["ms"], {name: record[f"profile {name}"] for name in ("wacnn", "sftip")}, record["training"]
        rows = [
            ["WACNN, kernel by kernel", f"{ms['kernels wacnn']:.0f}", ""],
            *([f"{name.upper()}, one graph", f"{ms[name]:.0f}", f"{profile['kernels']:,}"] for name, profile in busy.items()),
            ["WACNN and two SFTIP side by side", f"{ms['wacnn and two sftip']:.0f}", ""],
            ["WACNN and three SFTIP", f"{ms['wacnn and three sftip']:.0f}", ""],
            [f"three SFTIP, mean of {run['steps']:,} steps of training", f"{1e3 * run['seconds'] / run['steps']:.0f}", ""],
        ]
        software = f"torch {record['torch']}, CUDA {record['cuda']}"
        caption = f"A step of training on {record['machine']} ({software}); batches of {record['batch']} crops of {record['crop']}²."
        profile = busy["wacnn"]
        below = (
            f"One replayed step of WACNN keeps the device busy for {profile['busy_ms']:.0f} of its {ms['wacnn']:.0f} ms, "
            f"with {profile['kernels']:,} kernels of {1e3 * profile['busy_ms'] / profile['kernels']:.0f} µs in the mean. "
            "So launching no longer bounds it; the time of many small kernels does. "
            "Hypothesis: most of them are too small to fill the device. Models side by side take less time than one after the other."
        )
        said.append(captioned(f"tbl-gpu-{i}", caption, ["", "ms", "kernels"], rows, below))
    return "\n\n".join(said) or NONE


def training() -> str:
    """Steps a second on each processor, ours beside the plain loop, and the operators that they are spent in.

    Without counts of parameters a record is of a smaller companion than today's; what it says of the paper's size is shown.
    """
    said = []
    for i, record in enumerate(records("training")):
        shown = [row for row in record["rows"] if "parameters" in record or row["preset"] == "paper"]
        plain = {(row["preset"], row["model"]): row["steps_s"] for row in shown if row["way"] == "plain"}
        rows, spent = [], []
        for row in shown:
            speed, waiting = row["steps_s"], row["waiting"]
            names = [row["preset"], row["model"], row["way"], row.get("allocator", "system")]
            numbers = [f"{speed:.2f}", f"{speed / plain[row['preset'], row['model']]:.2f}", None if waiting is None else f"{waiting:.0%}"]
            rows.append([*names, *numbers, f"{row['memory'] / 2**30:.1f}"])
            if "profile" in row:
                shares = ", ".join(f"`{op['operator'].removeprefix('aten::')}` {op['share']:.0%}" for op in row["profile"][:4])
                spent.append(f"{row['model']}, {row['preset']}: {shares}")
        sizes = ", ".join(f"{name} {n:,} parameters" for name, n in record.get("parameters", {}).items())
        caption = (
            f"Training steps a second. {record['machine']}; {sizes or 'the sizes of the paper'}; "
            f"batches of {record['batch']} crops of {record['crop']}². Side by side: one model a core, steps of all together."
        )
        head = ["size", "model", "way", "allocator", "steps/s", "times plain", "waiting for data", "memory (GiB)"]
        said.append(captioned(f"tbl-speed-{i}", caption, head, rows, f"Largest shares of a step: {'; '.join(spent)}."))
    return "\n\n".join(said) or NONE


def allocators() -> str:
    """What the allocator does for the commands of one screenshot, and how long the paper's training would take; a list."""
    lines = []
    for record in records("coding"):
        middle = {(way, action): statistics.median(own[action]) for way, own in record["seconds"].items() for action in own}
        pairs = "; ".join(
            f"{action} {middle['system', action]:.1f} s with the system's allocator, {middle['chosen', action]:.1f} s with {record['allocator']}"
            for action in ("encode", "decode")
        )
        size = f"{record['width']} × {record['height']}"
        lines.append(f"- The commands for one screenshot of {size} on {record['machine']}, from start to end: {pairs}.")
    paper = paper_numbers()["training"]
    for record in records("training"):
        for row in record["rows"]:
            if row["preset"] == "paper" and row["way"] == "ours":
                days = paper["iterations"] * paper["batch"] / row["images_s"] / 86400
                lines.append(
                    f"- `{row['model']}` at the paper's size on {record['machine']}: {days:.0f} days for one stage and one λ of the paper. "
                    f"That is {paper['iterations']:,} steps of {paper['batch']} crops, at the speed of the table."
                )
    return "\n".join(lines) or NONE


def coding() -> str:
    """Median seconds of each codec for one crop, and of the parts of ours."""
    clock = lambda one, part: one["clock"] if "clock" in one else one[part][0]
    median = lambda rounds, part: statistics.median(clock(one, part) for one in rounds)
    said = []
    for i, record in enumerate(records("split")):
        rows, count = [], 0
        for what, rounds in record["rounds"].items():
            name, action = what.rsplit(": ", 1)
            first, count = rounds[0], len(rounds)
            parts = {part: median(rounds, part) for part, value in first.items() if isinstance(value, list) and part != "whole"}
            spent = ", ".join(f"{part} {value:.2f}" for part, value in parts.items() if value >= 0.05)
            if "psnr" in first:
                spent += f"; {first['bytes']:,} bytes, {first['psnr']:.2f} dB" if "bytes" in first else f"; {first['psnr']:.2f} dB"
            if "off_at_most" in first:
                spent += f", pixels off by {first['off_at_most']} levels at most, {100 * first['off_by_more_than_one']:.1f} % of values by more than one"
            if name.startswith("command"):
                spent = f"peak of {max(one['peak_MB'] for one in rounds):,.0f} MB of memory"
            codec, *how = name.split(", ")
            who = ", ".join(["the command, from its start", *map(title, how)] if codec == "command" else [title(codec), *how])
            rows.append([who, f"`{'decode --' * (action == 'preview')}{action}`", f"{median(rounds, 'whole'):.2f}", spent or None])
        crop = f"a crop of `{record['image']}` at λ = {record['lmbda']:g}"
        caption = f"Seconds by the clock to code {crop}. {record['machine']}; medians of {count} rounds."
        whole = {what: median(rounds, "whole") for what, rounds in record["rounds"].items()}
        own = next(what for what in whole if what.endswith(": decode") and not what.startswith("command"))  # the first is the command's
        start = whole["command: decode"] - whole[own]
        below = f"Of the command's {whole['command: decode']:.1f} seconds to decode, {start:.1f} are the start of Python and torch, the weights and the PNG file."
        below += limit(record)
        said.append(captioned(f"tbl-coding-{i}", caption, ["codec", "", "seconds", "of these"], rows, below))
    return "\n\n".join(said) or NONE


def limit(record: dict) -> str:
    """What arithmetic alone takes of decoding on that machine: its operations at the rate of large products of matrices."""
    amount, rate, alone = record["operations"], record["product_rate"], record["product_rate_alone"]
    billions = lambda numbers, part: f"{numbers[part] / 1e9:.0f} billion"
    least = sum(amount[part] / rate[part] for part in amount)
    return (
        f" Arithmetic alone takes {least:.1f} seconds. The synthesis has {billions(amount, 'synthesis')} operations in single "
        f"precision, of which large products of matrices do {billions(rate, 'synthesis')} a second there, on one core {billions(alone, 'synthesis')}. The exact networks have "
        f"{billions(amount, 'exact networks')} in double precision, of which such products do {billions(rate, 'exact networks')}. "
        "Less time than that needs fewer operations: a smaller decoder."
    )
