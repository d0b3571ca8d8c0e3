"""Many files with one command: folders, several names, patterns; side by side in processes, past what cannot be read."""

import os
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from sccore.cli.values import STANDARD
from sccore.utils.errors import InputError, of_system
from sccore.utils.files import writable, writable_folder

Work = Callable[[Namespace, Path, Path], str]  # options, source, target -> a line that says what was written

LEFT_OUT = 3  # exit code: some files could not be read and were named, the rest is done


MOST = 61  # processes that a pool of Python's can have on Windows


def show_notes():
    """Warnings as notes, a line each; none of libraries about themselves."""
    warnings.showwarning = lambda message, category, *_: print(f"note: {message}", file=sys.stderr)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # without the file's name


def pairs(sources: list[Path], target: Path, suffix: str, kind: str, wanted: Callable[[Path], bool]) -> list[tuple[Path, Path]]:
    """(source, target) of every file; one source that is a file goes to `target` itself, all else into it as a folder.

    Args:
        sources: files, folders, patterns that the shell left alone, or `-`.
        suffix: of what is written into a folder.
        kind: what is looked for in a folder, in words.
        wanted: which files of a folder or a pattern are meant.

    Raises:
        InputError: nothing there, two sources for one target, or a target that cannot be written.
    """
    found: list[Path] = []
    for source in sources:
        pattern = not os.path.lexists(source) and any(sign in source.name for sign in "*?[")
        if source.is_dir() or pattern:
            here = sorted(path for path in (source.parent.glob(source.name) if pattern else source.iterdir()) if wanted(path))
            if not here:
                raise InputError(f"{source}: no {kind} in it" if not pattern else f"{source}: no such files")
            found += here
        else:
            found.append(source)
    if found == sources and len(sources) == 1:
        if str(target) != STANDARD:
            writable(target)
        return [(sources[0], target)]
    writable_folder(target)
    made: dict[Path, Path] = {}
    for source in found:
        place = target / f"{source.stem}{suffix}"
        if str(source) == STANDARD or str(target) == STANDARD:
            raise InputError("standard input and output are for one picture alone")
        if place in made:
            raise InputError(f"{source}: would be written over what {made[place]} becomes, {place}")
        made[place] = source
    return [(source, place) for place, source in made.items()]


def run(work: Work, a: Namespace, files: list[tuple[Path, Path]], say: Callable[[Path, str], None]) -> tuple[list[str], int]:
    """Does the work for every file; (what went wrong, how many are done). Of a single file the error is raised.

    Args:
        a: the options; `jobs` processes, and `skip_existing`.
        say: shows the line of a target.
    """
    todo = [pair for pair in files if not (a.skip_existing and pair[1].exists())]
    if len(files) == 1:
        for source, target in todo:
            say(target, work(a, source, target))
        return [], 1
    from tqdm import tqdm

    failed, done = [], len(files) - len(todo)
    with tqdm(total=len(files), initial=done, unit="file") as bar:
        for target, line, error in _results(work, a, todo):
            bar.update()
            if error:
                failed.append(error)
            else:
                done += 1
                with bar.external_write_mode(sys.stdout):
                    say(target, line)
    return failed, done


def named(failed: dict[str, str]) -> list[str]:
    """{file: why} in lines that name the file."""
    return [error if name in error else f"{name}: {error}" for name, error in failed.items()]


def left_out(failed: list[str], done) -> int:
    """Names what was left out, at the end; the exit code: 1 if nothing was done at all."""
    for line in failed:
        print(f"error: {line}", file=sys.stderr)
    return 0 if not failed else LEFT_OUT if done else 1


def _results(work, a, todo) -> Iterator[tuple[Path, str, str]]:
    if a.jobs == 1:
        yield from (_one(work, a, *pair) for pair in todo)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    with ProcessPoolExecutor(min(a.jobs, len(todo) or 1, MOST), get_context("spawn"), _begin, (a.jobs,)) as pool:
        try:
            for future in as_completed([pool.submit(_one, work, a, *pair) for pair in todo]):
                yield future.result()
        except BrokenProcessPool:
            raise InputError("a process was killed, perhaps for want of memory; try fewer --jobs, and --skip-existing") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin(jobs):
    """In each process: notes as in the first, its share of the cores, and a quiet end with Ctrl-C or with the first process."""
    from sccore.utils.device import work_for_another

    show_notes()
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    work_for_another(jobs)


def _one(work, a, source, target):
    from sccore.data.decoding import allowing

    try:
        with allowing(a.max_pixels):
            return target, work(a, source, target), ""
    except InputError as error:
        return target, "", str(error) if str(source) in str(error) else f"{source}: {error}"
    except OSError as error:
        return target, "", of_system(error)
