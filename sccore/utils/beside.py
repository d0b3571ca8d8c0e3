"""Several cores for one picture, with the numbers of one: what is shared out are whole sums, each in the order of a single thread.

torch's own threads share out the terms of a sum, and choose other kernels by their number. They also wait for each other at every
operator, which takes the cores from whoever else computes. Here a thread takes a piece whose size does not depend on how many there are.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from sccore.utils.device import cores

_pool: ContextVar[ThreadPoolExecutor | None] = ContextVar("pool", default=None)


@contextmanager
def one_thread():
    """Here, and in threads that begin to compute meanwhile, torch uses no others; gives how many it did before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


@contextmanager
def side_by_side():
    """In here :class:`Beside` and :func:`each` use as many threads as torch did before, each of them for itself.

    No thread waits for another at every operator, so that work of others on the same cores costs its share and no more.
    """
    if _pool.get():
        yield  # in such a block already
        return
    with one_thread() as before:
        helpers = min(before, cores()) - 1
        pool = ThreadPoolExecutor(helpers) if helpers > 0 else None
        token = _pool.set(pool)
        try:
            yield
        finally:
            _pool.reset(token)
            if pool:
                pool.shutdown(cancel_futures=True)


class Beside:
    """A value that another thread may be computing; who asks for it before one began computes it himself.

    Example:
        >>> with side_by_side():
        ...     other = Beside(lambda: 2 + 2)
        ...     print(3 + other.result())
        7
    """

    def __init__(self, function: Callable[[], Any]):
        self.function = function
        pool, graded = _pool.get(), torch.is_grad_enabled()
        fewer_bits = [torch.autocast(kind, torch.bfloat16) for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]

        def work():  # in a thread, which has these modes for itself
            with torch.set_grad_enabled(graded), ExitStack() as modes:
                for mode in fewer_bits:
                    modes.enter_context(mode)
                return function()

        self.future = pool.submit(work) if pool else None

    def result(self) -> Any:
        return self.function() if not self.future or self.future.cancel() else self.future.result()


def each(function: Callable[[Any], Any], items: Iterable[Any]) -> list:
    """[function(item) for item in items], shared out."""
    tasks = [Beside(lambda item=item: function(item)) for item in items]
    return [task.result() for task in reversed(tasks)][::-1]  # from the end that the others have not reached


def in_strips(function: Callable, maps: tuple[Tensor, ...], rows: int, halo: int) -> tuple[Tensor, ...]:
    """``function(*maps)``, a strip at a time, which takes less memory and several cores; in training all at once.

    Args:
        function: of maps (B, C, h, w) of equal height; gives a tuple of maps whose heights are equal, too, and a fixed part
            or multiple of it. No row of them depends on what is farther than `halo` rows from it.
        rows: of a strip at most, beside its halo; how strips are cut is a matter of the height alone: into an even number of strips
            of equal height, a multiple of the halo. The halo is one of whatever `function` strides over.
    """
    height = maps[0].shape[2]
    if torch.is_grad_enabled() or height < rows:
        return function(*maps)
    rows = -(-height // (2 * -(-height // (2 * rows))))
    rows = -(-rows // halo) * halo if halo else rows

    def strip(top: int) -> list[Tensor]:
        begin, end = max(0, top - halo), min(height, top + rows + halo)
        made = function(*(m[:, :, begin:end] for m in maps))
        first, last = (made[0].shape[2] * (row - begin) // (end - begin) for row in (top, min(height, top + rows)))
        return [m[:, :, first:last] for m in made]

    return tuple(torch.cat(strips, dim=2) for strips in zip(*each(strip, range(0, height, rows))))
