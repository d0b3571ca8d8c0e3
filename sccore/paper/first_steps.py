"""How fast WACNN learns in its first steps, by its start and by its optimiser, as benchmarks/first_steps.py recorded it."""

from sccore.paper.tables import MISSING
from sccore.utils import paths
from sccore.utils.json_files import load_json


def record() -> dict:
    """The record; without one it has no runs."""
    path = paths.RESULTS / "speed" / "first-steps.json"
    return load_json(path) if path.exists() else {"runs": []}


def by_start() -> list[dict]:
    """A run from the KLT start, and the one from the ordinary start that differs in nothing else."""
    noise = [run for run in record()["runs"] if run["start"] == "noise"]
    return [run for run in record()["runs"] if run["start"] == "klt" and [run["recipe"]] == [other["recipe"] for other in noise]] + noise


def by_optimizer() -> list[dict]:
    """The runs from the KLT start: with Adam, then with Muon, each at that learning rate which came lowest."""
    runs = sorted((run for run in record()["runs"] if run["start"] == "klt"), key=lambda run: -run["val_loss"][-1])
    return sorted({run["optimizer"]: run for run in runs}.values(), key=lambda run: run["optimizer"])


def reached(name: str, run: dict, loss: float) -> str:
    """After how many steps the held-out loss of a run, called so, was this low."""
    step = next((step for step, own in zip(run["step"], run["val_loss"]) if own <= loss), None)
    if step is None:
        return f"{name} did not come below the other's last value."
    return f"{name} was below the other's last value after {step:,} steps."


def setting(run: dict) -> str:
    """What a run was trained with, and on."""
    return f"Batches of {run['recipe']['batch']} × {run['recipe']['crop']}², on {record()['machine']}."


def of_starts() -> str:
    """What the KLT start saves."""
    if not (runs := by_start()):
        return MISSING
    klt, noise = runs
    return (
        f"{setting(klt)} The ordinary start ended its "
        f"{noise['step'][-1]:,} steps at a held-out loss of {noise['val_loss'][-1]:.2f}, the KLT start at {klt['val_loss'][-1]:.2f}. "
        f"{reached('It', klt, noise['val_loss'][-1])} {conditions(klt)}"
    )


def conditions(run: dict) -> str:
    """Under what the two starts were compared."""
    return f"One run each, at the learning rate {run['recipe']['lr']:g} of the KLT start's recipe; none was sought for the ordinary start."


def of_optimizers() -> str:
    """What Muon saves beside Adam."""
    if not (runs := by_optimizer()):
        return MISSING
    tried = lambda name: ", ".join(
        f"{run['recipe']['lr']:g}" for run in record()["runs"] if run["optimizer"] == name and run["start"] == "klt"
    )
    at = lambda run: f"at {run['recipe']['lr']:g} it ended its {run['step'][-1]:,} steps at a held-out loss of {run['val_loss'][-1]:.2f}"
    adam, muon = runs
    return (
        f"{setting(muon)} Adam was tried at the learning rates {tried('adam')}; {at(adam)}. Muon was tried at {tried('muon')}; {at(muon)}. "
        f"{reached('Muon', muon, adam['val_loss'][-1])} One run each."
    )


def verdict() -> str:
    """:func:`of_starts` in a sentence."""
    if not (runs := by_start()):
        return MISSING
    klt, noise = (f"{run['val_loss'][-1]:.2f}" for run in runs)
    return f"After {runs[0]['step'][-1]:,} steps the held-out loss is {klt} from the KLT and {noise} from the ordinary start. {conditions(runs[0])}"
