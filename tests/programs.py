"""Programs that begin with torch imported, for importing it is most of what a test waits for that kills and starts again.

They are forked from a process that waits with IMPORTED; sccore itself each imports anew, with an environment of its own.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTED = ["torch", "torch._dynamo", "torch.distributed", "numpy", "pandas", "PIL.Image", "scipy.interpolate", "safetensors.torch"]
CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
if sys.platform == "linux":
    CONTEXT.set_forkserver_preload(IMPORTED)


class Program:
    """A Python script at work, with the methods of `subprocess.Popen` that tests use.

    Args:
        script: its file.
        environment: what is changed in that of the tests.
    """

    def __init__(self, script: Path, *arguments: str, **environment: str):
        self.printed = tempfile.TemporaryDirectory()
        self.process = CONTEXT.Process(target=run, args=(str(script), arguments, environment, self.printed.name))
        self.process.start()

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def kill(self):
        self.process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout)
        texts = [Path(self.printed.name, name) for name in ("out", "err")]
        return tuple(text.read_text(encoding="utf-8") if text.exists() else "" for text in texts)


def run(script: str, arguments: tuple[str, ...], environment: dict[str, str], printed: str):
    """What a process does: the script, as `python script` would, with one thread."""
    import torch

    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(printed, name), os.O_WRONLY | os.O_CREAT), number)
    os.environ.update(environment, OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
