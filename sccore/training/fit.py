"""Training: one loop for every model (Section 4.1), which can be killed at any moment and goes on exactly."""

import signal
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from sccore.codecs.checkpoint import content
from sccore.data.samples import centre_crops
from sccore.evaluation.provenance import maker
from sccore.hyperprior import Hyperprior
from sccore.training.begin import Data, Sources, check_given, images
from sccore.training.log import Log
from sccore.training.ranks import ALONE, Ranks
from sccore.training.recipe import Recipe, check
from sccore.training.run import Run
from sccore.utils import files
from sccore.utils.allocator import keep_memory
from sccore.utils.device import chosen, trains_in_bf16
from sccore.utils.errors import InputError, first_line
from sccore.utils.files import replacing
from sccore.utils.values import cast

ENGINE = 2  # how last.pt lays out the state of the optimisers
FIRST = 15.0  # seconds until the first checkpoint
LOG_EVERY = 10  # steps; and all of the first ten
ENDED: list[BaseException] = []  # what a signal has raised


def fit(
    model: Hyperprior, data: Data | Sources, out: Path | str, *, minutes: float | None = None, pause: float | None = None, **options
) -> dict:
    """Trains `model` until the recipe's last step or for `minutes`, whichever comes first; killed, it goes on (Section 4.1).

    Args:
        model: of :func:`sccore.codecs.zoo.create_model`; trained in place.
        data: images and masks, in memory (:class:`sccore.data.samples.Samples`) or read ahead (:class:`sccore.data.streaming.Stream`),
            or a folder or tar shard of them, or a list of such, which are read into memory.
        out: folder of the run: last.pt (to resume from), log.csv, and model.safetensors at every stop.
        minutes: of the whole run, earlier calls included; the learning rate's schedule ends with them.
        pause: minutes after which this call stops, to be gone on with; the schedule does not know of them.
        options: of :class:`Training`: `recipe`, `lmbda` (of a model of one rate), `validation` (as `data`), `device` and others.

    Returns:
        summary: step, finished, skipped (steps left out for NaN or Inf), seconds, first and last validation.

    Raises:
        InputError: a recipe, lambda or model that cannot be trained, data that cannot be read, or another run in `out`.

    Example:
        >>> recipe, model = sccore.Recipe(steps=1, batch=1, crop=64), sccore.create_model("wacnn")
        >>> sccore.fit(model, "screens", "run", lmbda=0.0067, recipe=recipe, progress=False)["step"]
        1
    """
    check_given(model, options.get("lmbda"), options.get("recipe", Recipe()))
    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes must be more than 0, not {minutes:g}")
    ranks, progress = options.get("ranks", ALONE), options.get("progress", True)
    data = images(data, "data", progress)
    if options.get("validation") is not None and ranks.first:
        options["validation"] = images(options["validation"], "validation", progress)
    with alone(out, ranks):
        return together([Training(model, data, out, minutes=minutes, **options)], pause)[0]


@contextmanager
def alone(out: Path | str, ranks: Ranks = ALONE):
    """The folder of a run for this process (or these ranks) alone.

    Raises:
        InputError: another one trains there, or it cannot be written to; says who, or why.
    """
    with files.alone(out, out, "trains there; wait for it or choose another folder") if ranks.first else nullcontext():
        yield


def together(trainings: list["Training"], pause: float | None = None) -> list[dict]:
    """Trains side by side, a step of each in turn; on a GPU their steps overlap. Returns the summary of each."""
    clock = started = time.monotonic()
    while not ENDED and (going := [t for t in trainings if not t.over(pause is not None and clock - started >= 60 * pause)]):
        for work in (Training.advance, Training.note):  # all of the time counts, that of validating and saving, too
            for training in going:
                work(training)
            before, clock = clock, time.monotonic()
            for training in going:
                training.run.seconds += clock - before
    if ENDED:
        raise ENDED.pop()
    return [training.finish() for training in trainings]


def end_at_signals():
    """Ctrl-C and SIGTERM end a training, with the codes that a shell knows and no half-written file.

    What is raised while Python finalises an object is dropped; so the loop looks for it, too.
    """
    ENDED.clear()

    def end(number, frame):
        ENDED.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))
        raise ENDED[0]

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


class Training:
    """One run in its folder: trains, logs, validates and saves.

    Args:
        model, data, out, minutes: see :func:`fit`.
        lmbda: of a fixed-rate model; a variable-rate one trains all its lambdas, spread over each batch.
        validation: held-out samples; one central crop each, coded with rounding, every `validate_every` steps.
        resume: go on from out/last.pt if it is there; a run of another model or recipe there is an error.
        save_every: seconds between checkpoints; the first is made after FIRST seconds, so that a short run, too, can be gone on with.
        bf16: autocast of the transforms (the entropy model stays in float32); None: where
            the machine computes it, see :func:`sccore.utils.device.trains_in_bf16`.
        ranks: the processes that share every batch; the first of them alone writes and shows.
        position, desc: line and name of the progress bar.
    """

    def __init__(
        self,
        model: Hyperprior,
        data: Data,
        out: Path | str,
        *,
        lmbda: float | None = None,
        recipe: Recipe = Recipe(),
        validation: Data | None = None,
        minutes: float | None = None,
        resume: bool = True,
        save_every: float = 120.0,
        device: str = "cpu",
        bf16: bool | None = None,
        ranks: Ranks = ALONE,
        progress: bool = True,
        position: int = 0,
        desc: str | None = None,
    ):
        lmbda, recipe = lmbda if lmbda is None else cast("lmbda", lmbda, float), replace(recipe)  # numbers that files can hold
        device = chosen(device)
        self.model, self.data, self.out, self.lmbda, self.recipe, self.ranks = model, data, Path(out), lmbda, recipe, ranks
        self.minutes, self.save_every = minutes, save_every
        self.out.mkdir(parents=True, exist_ok=True)
        check(model, lmbda, recipe)
        keep_memory()
        part = ranks.part(recipe.batch)
        crops = data.batches(recipe.crop, recipe.batch, recipe.seed, device, recipe.invert, part)
        bf16 = trains_in_bf16(device, recipe.crop) if bf16 is None else bf16
        self.run = run = Run(model, recipe, lmbda, device, bf16, crops, ranks=ranks)
        self.identity = {"engine": ENGINE, "spec": model.spec, "recipe": asdict(recipe), "lmbda": lmbda, "data": data.sha256}
        self.identity["start"] = [stage["sha256"] for stage in model.meta.get("history", [])]
        if resume and (self.out / "last.pt").exists():
            run.restore(self.out / "last.pt", self.identity)
        self.probes = None if validation is None or not ranks.first else centre_crops(validation, recipe.crop, recipe.batch)
        self.maker = maker(device) if ranks.first else {}
        self.saved, self.spent = time.monotonic() - max(0.0, save_every - FIRST), 0.0
        self.log = Log(self.out / "log.csv", run.step) if ranks.first else None
        self.bar = tqdm(
            total=recipe.steps,
            initial=run.step,
            unit="step",
            disable=not (progress and ranks.first),
            dynamic_ncols=True,
            desc=desc or f"{model.spec['name']} {lmbda or 'all lambdas'}",
            position=position,
            mininterval=0.5 if sys.stderr.isatty() else 20,
        )
        if run.step == 0:
            self.validate(scheduled=True)

    def over(self, stop: bool) -> bool:
        """Whether the run is at its end, or shall `stop`; as the first process sees it."""
        run = self.run
        spent = run.seconds / (60 * self.minutes) if self.minutes else 0.0
        stop = stop or run.step >= self.recipe.steps or run.stopped or spent >= 1
        self.spent, agreed, lr = self.ranks.agree(spent, float(stop), run.lr)
        if not self.ranks.first and self.recipe.schedule == "plateau":
            run.lr = lr
        return bool(agreed)

    def advance(self):
        """One step, or its launch on a device that works by itself."""
        values, run = self.run.train_step(self.spent), self.run
        if self.log and (run.step % LOG_EVERY == 0 or run.step <= LOG_EVERY):
            with run.replay.place():
                self.log.add(step=run.step, seconds=run.seconds, lr=run.lr, **{k: v.clone() for k, v in values.items()})

    def note(self):
        """What follows a step: shows, validates and saves when it is time."""
        run, r = self.run, self.recipe
        self.bar.update()
        if not self.log:
            return
        if time.monotonic() - self.log.flushed >= 5:  # seldom, for it waits for the device
            run.replay.finish()
            shown = self.log.flush()
            self.bar.set_postfix({k: f"{shown[k]:.3f}" for k in ("loss", "bpp", "psnr") if k in shown}, refresh=False)
        if run.step % r.validate_every == 0:
            self.validate(scheduled=True)
        if time.monotonic() - self.saved >= self.save_every and run.step < r.steps:  # what ends is saved by finish, once
            self.save()

    def validate(self, scheduled: bool = False):
        """Measures the held-out crops; the plateau schedule counts `scheduled` measurements alone, not that of a pause."""
        if self.probes is None or self.log is None:
            return
        run = self.run
        values = run.evaluate(self.probes)
        run.validations.append({"step": run.step, **values})
        self.log.add(step=run.step, seconds=run.seconds, lr=run.lr, **{f"val_{k}": v for k, v in values.items()})
        if scheduled and self.recipe.schedule == "plateau":
            run.plateau(values["loss"])

    def save(self):
        run, model = self.run, self.model
        run.replay.finish()
        self.log.flush()
        meta = dict(lmbda=self.lmbda, lambdas=model.lambdas, steps=run.step, seconds=round(run.seconds))
        meta |= dict(recipe=asdict(self.recipe), bf16=run.bf16, data=self.data.sha256, images=len(self.data))
        meta |= dict(skipped=run.skipped, history=model.meta.get("history", []), **self.maker)
        try:
            weights = content(model, **meta)
        except (OverflowError, RuntimeError) as error:
            raise InputError(f"{self.out}: the weights have diverged by step {run.step} ({first_line(error)}); try a smaller lr") from None
        with replacing(self.out / "model.safetensors") as new:  # in its place at last: where it is the finished one, nothing is left to do
            new.write_bytes(weights)
            with replacing(self.out / "last.pt") as part:
                run.store(part, self.identity)
        self.saved = time.monotonic()

    def finish(self) -> dict:
        """The last validation and the weights, and the summary of :func:`fit`."""
        run = self.run
        if self.ranks.first:
            if not run.validations or run.validations[-1]["step"] != run.step:
                self.validate()
            self.save()
        self.bar.close()
        finished = run.step >= self.recipe.steps or run.stopped or (self.minutes is not None and run.seconds >= 60 * self.minutes)
        ends = {"first": run.validations[:1], "last": run.validations[-1:]}
        return {"step": run.step, "finished": finished, "skipped": run.skipped, "seconds": run.seconds} | ends
