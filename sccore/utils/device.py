"""What this machine computes with."""

import multiprocessing
import os
import threading

import torch

from sccore.utils.errors import InputError

RUNS_ON_A_GPU = 6  # companions that train side by side; one alone does not fill it


def best() -> str:
    """ "cuda" if there is a GPU, else "cpu". The driver is not woken for the answer, so that processes can still be forked."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    return "cuda" if torch.cuda.is_available() else "cpu"


def chosen(asked: str | torch.device | None) -> str:
    """The device that was asked for, or the best one.

    Raises:
        InputError: it is not here, or not a device that is trained on.
    """
    if asked is None:
        return best()
    try:
        device = torch.device(asked)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"unknown device {str(asked)!r}; known: cpu, cuda")
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        raise InputError(f"{asked}: no GPU that this torch can use; give cpu, or leave the device out")
    return str(device)


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # the former: Linux alone


def work_for_another(jobs: int):
    """In a process that works for another one, of so many: its share of the cores, and its end when the other is gone, however that ended."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    torch.set_num_threads(max(1, cores() // jobs))
    threading.Thread(target=wait, daemon=True).start()


def jobs(device: str) -> int:
    """How many runs to train side by side: one a processor core, or RUNS_ON_A_GPU."""
    return cores() if torch.device(device).type == "cpu" else RUNS_ON_A_GPU


def trains_in_bf16(device: str | torch.device, crop: int) -> bool:
    """Whether to train in bfloat16 on crops of this side.

    On a processor only where the prior features at H/64 are more than one pixel wide: oneDNN 3.12 computes the weight's
    gradient of a strided bfloat16 convolution over a map one pixel wide from memory that nobody wrote.
    """
    return native_bf16(device) and (torch.device(device).type == "cuda" or crop > 64)


def native_bf16(device: str | torch.device) -> bool:
    """Whether bfloat16 arithmetic is native here; emulated it is many times slower than float32."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()  # not in every build
