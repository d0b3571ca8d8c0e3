"""Training and evaluation of ASIQE-R from a table of :mod:`sccore.evaluation.asiqe_training_set`; needs scikit-learn (extra `asiqe`)."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from sccore.evaluation import asiqe_training_set, provenance
from sccore.evaluation.asiqe import index
from sccore.evaluation.asiqe.index import COUNT, FAMILIES, Weights
from sccore.evaluation.records import as_recorded, save_record
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash

FOLDS = 6  # groups of scenes
SVR = {"C": 4.0, "epsilon": 0.02, "gamma": 0.5 / COUNT}  # of features scaled to -1 ... 1 and labels in [0, 1]
FEATURES = [f"x{i}" for i in range(COUNT)]
LABEL = "sqms"
LEVELLED = {kind for kind, (_, count) in asiqe_training_set.DISTORTIONS.items() if count > 2} | set(asiqe_training_set.LEARNED)
LABELS = {"sqms": lambda v: v, "gmsd": lambda v: 1 - 3 * v}  # as quality: higher is better, about 0 to 1


def scikit_learn() -> ModuleType:
    try:
        import sklearn.svm

        return sklearn
    except ImportError:
        raise InputError("training needs scikit-learn: pip install -e '.[asiqe]'") from None


def fit(table: pd.DataFrame, label: str = LABEL, use: Iterable[int] = range(COUNT), meta: dict | None = None) -> Weights:
    """Weights from rows of a table: the lines of pristine screens by least squares, then epsilon-SVR.

    Args:
        label: of LABELS.
        use: the features that the regression may see; the others are made constant.
    """
    Regression = scikit_learn().svm.SVR
    raw = table[FEATURES].to_numpy()
    pristine = raw[(table["type"] == asiqe_training_set.PRISTINE).to_numpy()]
    lines = [np.polyfit(terms, pristine[:, 0], 1) for terms in index.signed(pristine).T]
    alpha, beta = np.array(lines).T
    x = index.linear(raw, alpha, beta)
    low, high = x.min(0), x.max(0)
    hidden = np.setdiff1d(np.arange(COUNT), list(use))
    low[hidden] = high[hidden] = 1e9  # everything is below, so the same
    empty = np.zeros(0)
    scale = Weights(alpha, beta, low, high, empty, empty, empty, empty, {})
    regression = Regression(**SVR).fit(scale.scaled(raw), LABELS[label](table[label].to_numpy()))
    vectors = regression.support_vectors_.astype(np.float32).astype(np.float64)  # as a file holds them
    meta = {"format": index.FORMAT, "step": index.STEP} | (meta or {})
    found = dict(dual=regression.dual_coef_[0], gamma=np.array(SVR["gamma"]), intercept=regression.intercept_[0])
    return replace(scale, vectors=vectors, meta=meta, **found)


def correlations(truth: np.ndarray, score: np.ndarray) -> dict:
    """Spearman's and Pearson's correlation and the number of images; None where one side is constant."""
    from scipy.stats import pearsonr, spearmanr

    if len(truth) < 3 or np.ptp(truth) == 0 or np.ptp(score) == 0:
        return {"srcc": None, "plcc": None, "images": len(truth)}
    return {"srcc": float(spearmanr(truth, score)[0]), "plcc": float(pearsonr(truth, score)[0]), "images": len(truth)}


def held_out(table: pd.DataFrame, label: str = LABEL, use: Iterable[int] = range(COUNT), without: Iterable[str] = ()) -> pd.Series:
    """The score of every row by weights that saw none of its scene; of the types `without`, if any, which they saw nothing of."""
    names = sorted(table["scene"].unique())
    order = np.random.default_rng(0).permutation(len(names))
    fold = table["scene"].map({names[i]: place % FOLDS for place, i in enumerate(order)})
    excluded, scores = table["type"].isin(without), pd.Series(np.nan, table.index)
    for number in range(FOLDS):
        seen, rest = table[(fold != number) & ~excluded], table[(fold == number) & (excluded | (not without))]
        scores[rest.index] = fit(seen, label, use).score(rest[FEATURES].to_numpy())
    return scores


def evaluate(table: pd.DataFrame) -> dict:
    """Correlations with the labels, all on scenes that the weights had not seen.

    Returns:
        held_out_scenes: all rows; by_type, by_source: those of one type or source; within_scene: mean and lowest SRCC of the
        scenes; within_scene_by_type: its mean among the levels of one type; held_out_types: of each type, by weights that saw
        no image of it; ablation: without a family of features, or with one alone; labels: with each of LABELS, tested on both.
    """
    truth, scores = table[LABEL], held_out(table)
    some = lambda rows: correlations(truth[rows], scores[rows])
    parts = lambda column: {name: some(own) for name, own in table.groupby(column).groups.items()}
    within = pd.Series({name: some(own)["srcc"] for name, own in table.groupby("scene").groups.items()})
    kinds = [kind for kind in dict.fromkeys(table["type"]) if kind != asiqe_training_set.PRISTINE]
    unseen = {}
    for kind in kinds:
        own = table.index[table["type"] == kind]
        unseen[kind] = correlations(truth[own], held_out(table, without=[kind])[own])
    own = table.index[table["type"].isin(asiqe_training_set.LEARNED)]
    if len(own):  # the two are alike
        unseen["both learned codecs"] = correlations(truth[own], held_out(table, without=asiqe_training_set.LEARNED)[own])
    own_features = {name: set(range(COUNT)[part]) for name, part in FAMILIES.items()}
    families = {f"without {name}": set(range(COUNT)) - own for name, own in own_features.items()} | {
        f"{name} alone": own for name, own in own_features.items()
    }
    other = held_out(table, "gmsd")
    return {
        "held_out_scenes": correlations(truth, scores),
        "within_scene": {"mean": as_recorded(float(within.mean())), "lowest": as_recorded(float(within.min())), "scenes": len(within)},
        "within_scene_by_type": {kind: ranked(own, scores) for kind, own in table.groupby("type", sort=False) if kind in LEVELLED},
        "by_type": parts("type"),
        "by_source": parts("source"),
        "held_out_types": unseen,
        "ablation": {name: correlations(truth, held_out(table, use=use)) for name, use in families.items()},
        "labels": {
            "SQMS-like, tested on it": correlations(truth, scores),
            "SQMS-like, tested on GMSD": correlations(LABELS["gmsd"](table["gmsd"]), scores),
            "GMSD, tested on it": correlations(LABELS["gmsd"](table["gmsd"]), other),
            "GMSD, tested on SQMS-like": correlations(truth, other),
        },
    }


def ranked(rows: pd.DataFrame, scores: pd.Series) -> dict:
    """Mean over scenes of the SRCC among a scene's images in `rows`, and how many scenes; ties in the labels have none."""
    own = [correlations(some[LABEL].to_numpy(), scores[some.index].to_numpy())["srcc"] for _, some in rows.groupby("scene")]
    own = [value for value in own if value is not None]
    return {"mean": float(np.mean(own)) if own else None, "scenes": len(own)}


def train(
    sources: list[Path],
    out: Path | str,
    record: Path | str,
    work: Path | str,
    count: int = 60,
    learned_every: int = 4,
    seed: int = 0,
    progress: bool = True,
) -> dict:
    """Makes the table, evaluates, trains on all of it; writes the weights and the record, which is given back.

    Args:
        sources, work, count, learned_every, seed: of :func:`sccore.evaluation.asiqe_training_set.make`.
    """
    version = scikit_learn().__version__  # before hours of work
    table = asiqe_training_set.make(sources, work, count, learned_every, seed, progress)
    found = evaluate(table)
    data = {
        "sources": {name: int(n) for name, n in table.groupby("source")["scene"].nunique().items()},
        "scenes": int(table["scene"].nunique()),
        "images": len(table),
        "seed": seed,
        "types": {name: int(n) for name, n in table["type"].value_counts(sort=False).items()},
        "table_sha256": file_hash(work),
    }
    meta = {"name": "ASIQE-R (reconstructed, re-trained)", "label": "SQMS-like", "svr": SVR, "sklearn": version}
    meta |= {"data": data, "held_out_scenes": found["held_out_scenes"]}
    weights = fit(table, meta=meta)
    index.save(weights, out)
    made = {"index": meta["name"], "weights": file_hash(out), "vectors": len(weights.dual)}
    made |= {"svr": SVR, "folds": FOLDS, "step": index.STEP, "data": data, "versions": provenance.versions() | {"scikit-learn": version}}
    made |= {"machine": provenance.machine(), "date": provenance.now(), "command": provenance.command_line(), "evaluation": found}
    save_record(record, made)
    return made
