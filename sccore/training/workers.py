"""Workers on the plan: each takes the next run that is ready, and holds a lock on its folder, which the system releases however it ends."""

import multiprocessing
import signal
import sys
import time
from contextlib import ExitStack

from sccore.training.plan import RUNS, Planned
from sccore.training.suite import Suite
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import holder, lock

GRACE = 60.0  # seconds after the budget, for the last checkpoint
START = "fork" if sys.platform == "linux" else "spawn"  # of a worker; forked ones share the images, others get a copy each


def run_suite(suite: Suite, samples, validation, minutes: float, jobs: int = 1) -> None:
    """Does what is ready, `jobs` runs side by side, until everything is done or the time is over.

    On a processor each has a process and the images are shared; on a GPU one process takes a step of each in turn, and
    the device overlaps them. Ends by itself when nothing is left that could be done here.
    """
    deadline = time.monotonic() + 60 * minutes
    for run in RUNS:
        if who := held_by(run):
            print(f"note: {run.name}: {who} is at work on it; it is left to that one", file=sys.stderr)
    if suite.device != "cpu":
        if work(suite, samples, validation, deadline, together=jobs):
            raise InputError("a run failed, its error is above; the others are kept")
        return
    context = multiprocessing.get_context(START)
    shared = (suite, samples, validation, deadline, jobs)
    processes = [context.Process(target=worker, args=(i, *shared)) for i in range(jobs)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(max(0, deadline + GRACE - time.monotonic()))
    finally:
        for process in processes:
            process.terminate()
            process.join()
    if any(process.exitcode not in (0, -signal.SIGTERM) for process in processes):
        raise InputError("a run failed, its error is above; the others are kept")


def worker(index: int, suite: Suite, samples, validation, deadline: float, jobs: int):
    """One of several processes at work on the plan."""
    from sccore.utils.device import work_for_another

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    work_for_another(jobs)
    sys.exit(len(work(suite, samples, validation, deadline, position=index)) > 0)


def work(suite: Suite, samples, validation, deadline: float, together: int = 1, position: int = 0) -> set[str]:
    """Takes the next runs that are ready, `together` at a time; waits while others are at work on what the rest begins with.

    Returns the names of those that failed.
    """
    failed: set[str] = set()
    asked = [run for run in RUNS if not suite.only or run.name in suite.only]
    open_runs = lambda: [run for run in asked if run.name not in failed and suite.state(run)[0] not in ("done", "waiting")]
    while (left := deadline - time.monotonic()) > 0 and (ready := open_runs()):
        with ExitStack() as locks:
            mine = []
            for run in ready:
                alike = not mine or (run.start, run.recipe.batch) == (mine[0].start, mine[0].recipe.batch)
                if alike and len(mine) < together and locks.enter_context(lock(paths.RUNS / run.name)):
                    mine += [run] if suite.state(run)[0] not in ("done", "waiting") else []
            if mine:
                try:
                    suite.do(mine, samples, validation, left / 60, position)
                except InputError as error:
                    failed |= {run.name for run in mine}
                    print(f"error: {', '.join(run.name for run in mine)}: {error}", file=sys.stderr)
        if not mine:
            time.sleep(1)
    return failed


def held_by(run: Planned) -> str:
    """Who works in a run's folder, if anybody does."""
    folder = paths.RUNS / run.name
    if not folder.is_dir():
        return ""
    with lock(folder) as free:
        return "" if free else holder(folder)
