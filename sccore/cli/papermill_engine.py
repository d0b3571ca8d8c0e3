"""Makes `papermill notebooks/train.ipynb -p lmbda 0.0035` work as it stands, for notebooks that use sccore.

papermill loads this module (entry point group `papermill.engine`) before it reads its command line. Four things differ
from plain papermill, and only for notebooks in which a code cell mentions sccore:

- without an output path the executed notebook goes to data/runs/notebooks/NAME-{parameters}.ipynb. Plain papermill
  refuses at a terminal, prints the notebook in a script, and takes the notebook for its output when stdin is a pipe;
- an unknown parameter or one of a wrong type is an error before anything runs (`sccore.cli.notebook_parameters`);
- what the notebook prints, a progress bar above all, is seen while it runs;
- its kernel starts with an allocator that trains faster, where there is one (`sccore.utils.allocator`).
"""

import os
import re
import sys
from pathlib import Path

import click
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, papermill_engines

from sccore.cli import notebook_parameters
from sccore.utils import allocator, paths
from sccore.utils.errors import InputError

PAIRS = {"-p", "--parameters", "-r", "--parameters_raw"}  # options followed by two words
FLAGS = re.compile(r"--(inject-.*|request-save-.*|no-.*|prepare-.*|progress-bar|log-output|report-mode)$")
LONGEST = 150  # bytes of a file name, which may have 255
QUIET = {"-h", "--help", "--help-notebook", "--version"}  # nothing is executed


def uses_sccore(notebook: NotebookNode) -> bool:
    return any(cell.cell_type == "code" and "sccore" in cell.source for cell in notebook.cells)


class Engine(NBClientEngine):
    """papermill's own engine, with what stands above for notebooks that use sccore."""

    @classmethod
    def execute_notebook(cls, nb, kernel_name, progress_bar=True, **options):
        if uses_sccore(nb):
            given = nb.metadata.get("papermill", {}).get("parameters", {})
            given = {name: value for name, value in given.items() if not name.startswith("PAPERMILL_")}
            try:
                notebook_parameters.check(given, notebook_parameters.declared(nb))
            except InputError as error:
                raise click.ClickException(str(error)) from None
            os.environ |= allocator.environment()  # which the kernel inherits
            progress_bar = False  # the notebook's own bars are shown instead; two would overwrite each other
            for stream in "stdout_file", "stderr_file":  # stdout itself may carry the executed notebook
                options[stream] = options.get(stream) or sys.stderr
        return super().execute_notebook(nb, kernel_name, progress_bar=progress_bar, **options)


def split(words: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The positional words of a papermill command line, and its parameters as (name, value)."""
    places, pairs, rest = [], [], iter(words)
    for word in rest:
        if word in PAIRS:
            pairs.append((next(rest, ""), next(rest, "")))
        elif word.startswith("-") and word != "-":
            if word not in QUIET and "=" not in word and not FLAGS.match(word):
                next(rest, None)  # the option's value
        else:
            places.append(word)
    return places, pairs


def default_output(notebook: str, pairs: list[tuple[str, str]]) -> Path:
    """data/runs/notebooks/NAME-lmbda=0.0035.ipynb; characters that a file name or papermill minds become '_'."""
    name = "-".join([Path(notebook).stem, *(f"{name}={value}" for name, value in pairs)])
    return paths.RUNS / "notebooks" / (os.fsencode(re.sub(r"[^\w.=+-]", "_", name))[:LONGEST].decode(errors="ignore") + ".ipynb")


def complete(argv: list[str]) -> list[str]:
    """papermill's command line with an output path, if it names just one notebook and that one uses sccore."""
    places, pairs = split(argv[1:])
    if len(places) != 1 or QUIET & set(argv) or not places[0].endswith(".ipynb"):
        return argv
    try:
        if "sccore" not in Path(places[0]).read_text(encoding="utf-8"):
            return argv
    except OSError:
        return argv  # papermill says what is wrong with the path
    output = default_output(places[0], pairs)
    output.parent.mkdir(parents=True, exist_ok=True)
    at = argv.index(places[0]) + 1
    return [*argv[:at], str(output), *argv[at:]]


papermill_engines.register(None, Engine)  # the engine that papermill takes when none is named
program = sys.orig_argv[-len(sys.argv)] if sys.argv[0] == "-m" else sys.argv[0]
if Path(program).stem == "papermill":  # the script, or python -m papermill
    sys.argv[:] = complete(sys.argv)
