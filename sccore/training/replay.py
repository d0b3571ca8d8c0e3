"""A step as one CUDA graph.

A step of training is thousands of small kernels, and a processor that launches them one by one leaves a GPU idle most
of the time. A graph is recorded once and replayed by a single call. What changes from step to step must therefore lie
in tensors that stay where they are.
"""

import warnings
from collections import deque
from contextlib import nullcontext
from typing import Callable

import torch

from sccore.utils.errors import first_line

WARM_UP = 3  # steps that are done one kernel at a time: libraries and optimisers make their buffers in them
AHEAD = 4  # replays that may wait for the device: enough to keep it busy, few enough for a deadline to hold


class Replay:
    """Does `body` again and again: on CUDA, after some times, as one graph on a stream of its own, elsewhere as it is.

    Args:
        body: does a step with what lies in fixed tensors; returns tensors, which hold the results of the last call.
        device: of these tensors.
        graph: False never records.
    """

    def __init__(self, body: Callable[[], dict], device: str | torch.device, graph: bool = True):
        self.body, self.cuda = body, torch.device(device).type == "cuda"
        self.stream = torch.cuda.Stream(device) if self.cuda else None
        self.to_record, self.graph, self.results = self.cuda and graph, None, {}
        self.times, self.waiting = 0, deque()

    def place(self):
        """Context in which inputs are written: they reach the device in the order of the steps."""
        if not self.cuda:
            return nullcontext()
        if not self.times:  # what made model and data
            self.stream.wait_stream(torch.cuda.current_stream())
        return torch.cuda.stream(self.stream)

    def __call__(self) -> dict:
        """One time more; what it returns is overwritten by the next."""
        if self.to_record and self.times == WARM_UP:
            self.record()
        self.times += 1
        if not self.cuda:
            return self.body()
        with self.place():
            if self.graph:
                self.graph.replay()
            else:
                self.results = self.body()
            done = torch.cuda.Event()
            done.record()
        self.waiting.append(done)
        if len(self.waiting) > AHEAD:
            self.waiting.popleft().synchronize()
        return self.results

    def record(self):
        self.to_record = False
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                self.results = self.body()
        except RuntimeError as error:
            torch.cuda.synchronize()
            warnings.warn(f"no CUDA graph, the step goes on kernel by kernel: {first_line(error)}", stacklevel=2)
        else:
            self.graph = graph

    def finish(self):
        """Waits until all that was asked for is done."""
        self.waiting.clear()
        if self.cuda:
            self.stream.synchronize()
