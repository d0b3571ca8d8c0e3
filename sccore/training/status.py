"""Where the planned runs stand: a row a run, for `suite --status` and the page of training."""

import pandas as pd

from sccore.evaluation.records import load_record
from sccore.presets import LAMBDAS
from sccore.training.log import read_log
from sccore.training.plan import RUNS, Planned
from sccore.training.suite import Suite, record_path
from sccore.utils import paths

MIDDLE = LAMBDAS[len(LAMBDAS) // 2]


def status(suite: Suite) -> pd.DataFrame:
    """One row a planned run: state, steps, hours, and rate and quality on the samples at its middle lambda."""
    return pd.DataFrame([{"run": run.name, "for": run.purpose, **progress(suite, run)} for run in RUNS])


def progress(suite: Suite, run: Planned) -> dict:
    """State of a run and how far it is."""
    state, detail = suite.state(run)
    row, trained = {"state": f"{state} {detail}".strip()}, suite.trained(run) if state != "waiting" else None
    if not trained:
        log = paths.RUNS / run.name / "log.csv"
        rows = read_log(log) if state == "begun" and log.exists() else []
        return row | {"steps": int(rows[-1]["step"]), "hours": float(rows[-1]["seconds"]) / 3600} if rows else row
    row |= {"steps": trained["steps"], "hours": trained["seconds"] / 3600}
    if run.measured and "samples" in suite.sets and "samples" not in suite.lacks(run, trained):
        images = pd.DataFrame(load_record(record_path("samples", run))["images"])
        middle = images[images["lmbda"] == (run.lmbda or MIDDLE)]
        row |= {"lmbda": run.lmbda or MIDDLE, "bpp": middle["bpp"].mean(), "psnr": middle["psnr"].mean()}
    return row
