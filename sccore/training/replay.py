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
    """Does one thing again and again: on CUDA, after some times, as one graph on a stream of its own, elsewhere as it is.

    Args:
        device: where it is done.
        graph: False never records.
    """

    def __init__(self, device: str | torch.device, graph: bool = True):
        self.device, self.cuda = device, torch.device(device).type == "cuda"
        self.stream = torch.cuda.Stream(device) if self.cuda else None
        self.to_record, self.graph, self.results = self.cuda and graph, None, {}
        self.times, self.waiting = 0, deque()

    def place(self):
        """Context in which inputs are written: they reach the device in the order of the steps."""
        if not self.cuda:
            return nullcontext()
        if not self.times:  # what made model and data
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
        return torch.cuda.stream(self.stream)

    def __call__(self, body: Callable[[], dict]) -> dict:
        """One time more; what it returns is overwritten by the next.

        Args:
            body: does a step with what lies in fixed tensors, always the same ones; returns tensors. It is not kept: with its model
                it would outlive the run.
        """
        if self.to_record and self.times == WARM_UP:
            self.record(body)
        self.times += 1
        if not self.cuda:
            return body()
        with self.place():
            if self.graph:
                self.graph.replay()
            else:
                self.results = body()
            done = torch.cuda.Event()
            done.record()
        self.waiting.append(done)
        if len(self.waiting) > AHEAD:
            self.waiting.popleft().synchronize()
        return self.results

    def record(self, body: Callable[[], dict]):
        self.to_record = False
        torch.cuda.synchronize(self.device)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                self.results = body()
        except RuntimeError as error:
            torch.cuda.synchronize(self.device)
            warnings.warn(f"no CUDA graph, the step goes on kernel by kernel: {first_line(error)}", stacklevel=2)
        else:
            self.graph = graph

    def finish(self):
        """Waits until all that was asked for is done."""
        self.waiting.clear()
        if self.cuda:
            self.stream.synchronize()
