"""Reads pages side by side, one a core and four at most, for running their cells is most of the time of a build."""

import os
from pathlib import Path

MOST = 4  # each has weights and pictures in memory
DO_NOT_SAY = {"sphinx_jupyterbook_latex", "sphinx_multitoc_numbering"}  # that they are safe for it; neither keeps anything while it reads


def begin(app, env, docnames):
    """Pages with cells first, so that the last to be taken are quickly done; each computes with one thread."""
    docnames.sort(key=lambda name: "{code-cell}" not in Path(env.doc2path(name)).read_text(encoding="utf-8"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    app.parallel = min(cores, MOST)
    for name in DO_NOT_SAY & app.extensions.keys():
        app.extensions[name].parallel_read_safe = True
    if app.parallel > 1 and len(docnames) > 5:  # fewer are read one after the other
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def end(app, env):
    app.parallel = 1


def setup(app):
    app.connect("env-before-read-docs", begin)
    app.connect("env-updated", end)
    return {"parallel_read_safe": True}
