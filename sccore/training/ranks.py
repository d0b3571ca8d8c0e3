"""Several processes that train one model, each with its share of every batch (torchrun).

The model lies on every device; gradients are averaged in one message a step. All ranks draw the same crops and take
their share of them, so that a run of N processes sees what a run of one does.
"""

import atexit
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from sccore.utils.errors import InputError

PATIENCE = timedelta(hours=12)  # that processes wait for one another: the first makes the index of a large set alone


@dataclass(frozen=True)
class Ranks:
    """This process, one of `count`."""

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether it is the one that validates, writes and shows."""
        return self.index == 0

    @property
    def own(self) -> tuple[int, ...]:
        """What its noise is seeded with beside the run's seed; nothing for the first."""
        return () if self.first else (self.index,)

    def part(self, batch: int) -> slice:
        """Its share of a batch."""
        if batch % self.count:
            raise InputError(f"a batch of {batch} cannot be shared by {self.count} processes; choose a multiple")
        share = batch // self.count
        return slice(self.index * share, (self.index + 1) * share)

    @contextmanager
    def one_after_the_other(self) -> Iterator[None]:
        """The first process goes through the block, then all others."""
        if not self.first:
            dist.barrier()
        yield
        if self.first and self.count > 1:
            dist.barrier()

    def share(self, tensors: Iterable[Tensor]):
        """The first process's values, for all, in place."""
        for tensor in tensors if self.count > 1 else ():
            dist.broadcast(tensor.detach(), 0)

    def average(self, gradients: list[Tensor], values: dict[str, Tensor]):
        """Means over all processes, in place: gradients and what is logged, as one message."""
        if self.count == 1:
            return
        tensors = [*gradients, *values.values()]
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        means = flat.split([t.numel() for t in tensors])
        torch._foreach_copy_(tensors, [mean.view_as(tensor) for tensor, mean in zip(tensors, means)])

    def agree(self, *numbers: float) -> list[float]:
        """The first process's numbers, for what a clock decides; by way of the host, no device waits."""
        if self.count == 1:
            return list(numbers)
        message = torch.tensor(numbers, dtype=torch.float64)
        dist.broadcast(message, 0)
        return message.tolist()


ALONE = Ranks()


def join(device: str) -> tuple[Ranks, str]:
    """This process among those that torchrun started, and its device; alone where none did."""
    if "RANK" not in os.environ:
        return ALONE, device
    cuda = torch.device(device).type == "cuda"
    if cuda:
        number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= there:
            raise InputError(f"{number + 1} processes or more on this machine, and {there} GPUs; choose --nproc-per-node={there}")
        device = f"cuda:{number}"
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    atexit.register(dist.destroy_process_group)
    return Ranks(dist.get_rank(), dist.get_world_size()), device
