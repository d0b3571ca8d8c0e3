"""Several processes train as one does: two with half a batch each, on a processor, by gloo."""

import csv
import socket
import time

import pytest
import torch
from programs import Program

from sccore.training.ranks import ALONE, Ranks
from sccore.utils.errors import InputError

TRAIN = """
import os
import sys
from models import NARROW
from sccore.cli import command_line
from sccore.training import fit
from sccore.hyperprior import GaussianConditional
from sccore.presets import PRESETS
PRESETS["companion"] = NARROW
EntropyModel = GaussianConditional.__mro__[1]
quantize = EntropyModel.quantize
if sys.argv.pop(1) == "quiet":  # the noise differs by rank
    EntropyModel.quantize = lambda self, x, mode, means=None: x if mode == "noise" else quantize(self, x, mode, means)
train = fit.fit
fit.fit = lambda *a, **k: train(*a, **k, save_every=float(os.environ["SAVE_EVERY"]))
sys.exit(command_line.main(sys.argv[1:]))
"""


def train(parts, out, count, *more, noise="quiet", steps=4, save_every=60):
    """`count` processes with one batch of 4 between them, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [
        "train",
        "--model",
        "wacnn",
        "--data",
        str(parts),
        "--validation",
        str(parts),
        "--out",
        str(out),
        "--batch",
        "4",
        "--crop",
        "64",
        "--steps",
        str(steps),
        "--initial",
        "noise",
        "--optimizer",
        "adam",
        "--validate-every",
        "2",
        *more,
    ]
    group = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    of = lambda i: group | {"RANK": str(i), "LOCAL_RANK": str(i)} if count > 1 else {}
    script = out.with_suffix(".py")
    script.write_text(TRAIN, encoding="utf-8")
    return [Program(script, noise, *arguments, SAVE_EVERY=str(save_every), **of(i)) for i in range(count)]


def finish(processes):
    """What each printed; where one fails or all take too long, none is waited for and all say what they did."""
    deadline = time.monotonic() + 300
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        if any(process.returncode for process in processes):
            break
        time.sleep(0.05)
    for process in processes:
        process.kill()
    results = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), results
    return [output for output, _ in results]


def losses(out):
    with open(out / "log.csv", newline="", encoding="utf-8") as file:
        return [float(row["loss"] or row["val_loss"]) for row in csv.DictReader(file)]


def weights(out):
    return torch.load(out / "last.pt", weights_only=True)["model"]


def test_two_with_half_a_batch_each_are_one_with_all_of_it(parts, tmp_path):
    finish(train(parts, tmp_path / "one", 1))
    first, second = finish(train(parts, tmp_path / "two", 2))
    assert '"step": 4' in first and not second  # the first alone writes and shows
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    ours, theirs = (torch.cat([w.flatten().double() for w in weights(tmp_path / name).values()]) for name in ("two", "one"))
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()  # Adam moves what has hardly a gradient by its sign


def test_killed_they_go_on_as_if_nothing_had_happened(parts, tmp_path):
    finish(train(parts, tmp_path / "whole", 2, "--stream", noise="loud", steps=10))
    begun = train(parts, tmp_path / "parts", 2, "--stream", noise="loud", steps=10, save_every=0)
    log, deadline = tmp_path / "parts" / "log.csv", time.monotonic() + 200
    while not (log.exists() and len(log.read_text(encoding="utf-8").splitlines()) > 6) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in begun:
        process.kill()
        process.communicate()
    assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["step"] < 10
    finish(train(parts, tmp_path / "parts", 2, "--stream", noise="loud", steps=10))
    ours, theirs = weights(tmp_path / "parts"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_shares_of_a_batch():
    assert [Ranks(i, 3).part(6) for i in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)] and ALONE.part(5) == slice(0, 5)
    assert ALONE.own == Ranks(0, 2).own == () and Ranks(1, 2).own == (1,)
    with pytest.raises(InputError, match="a batch of 5 cannot be shared by 2"):
        Ranks(0, 2).part(5)
