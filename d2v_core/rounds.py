"""HuBERT's rounds: what has to be there before a run can predict clusters, and then the run.

RUN/
├── rounds.json               the settings of the whole, written first: they are what is resumed
├── round_1/                  a run folder of its own, trained on clusters of MFCC
├── clusters.safetensors      of a layer of round 1 (of MFCC, if there is but one round)
├── labels.safetensors
└── config.json, …            the run folder of the last round, trained from scratch

Every part is complete or absent, so that a run that was stopped anywhere goes on from there.
"""

import dataclasses
import functools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from d2v_core.checkpoint import FORMAT, checkpoints, read_run, write_json
from d2v_core.config import RunConfig, from_json, to_json
from d2v_core.data.folder import DataFolder
from d2v_core.errors import CheckpointError
from d2v_core.labelling import Source, layer_source, make_labels, mfcc_source
from d2v_core.labels import cluster_settings, labels_file
from d2v_core.record import Progress
from d2v_core.train import train

Report = Callable[[Progress], None]
WAIT_SECONDS = 0.2


def train_rounds(
    folder: DataFolder,
    config: RunConfig,
    run: Path,
    *,
    resume: bool = False,
    workers: int = 0,
    report: Report = lambda _: None,
) -> Path:
    """Train a run, and before it whatever it needs; see `d2v_core.train.train`.

    A run that predicts clusters of a layer first trains, in RUN/round_1, the model whose layer it
    is. A run that predicts no clusters has one round and no preparations.

    Raises:
        CheckpointError: if the run exists and `resume` is not set, or the other way round.
        InputError: if the recordings cannot be clustered.
    """
    config = _settings(run) if resume else config
    clusters = cluster_settings(config)
    if clusters is None:
        return train(folder, config, run, resume=resume, workers=workers, report=report)
    has_begun = resume and (run / "config.json").exists()
    if not resume and _is_first_process():
        _begin(run, config)
    work = _Work(folder, workers, report)
    source: Callable[[], Source] = functools.partial(mfcc_source, config)
    if clusters.source == "layer":
        source = functools.partial(layer_source, run / "round_1", layer_of(config))
        if not labels_file(run).exists():
            _first_round(work, first_round(config), run / "round_1")
    _label(work, config, run, source)
    last = "round 2 of 2" if clusters.source == "layer" else ""
    return train(
        folder, config, run, resume=has_begun, workers=workers, report=_staged(report, last)
    )


def first_round(config: RunConfig) -> RunConfig:
    """Return the settings of the run whose layer is clustered: sounds alone, clusters of MFCC."""
    assert config.audio is not None
    clusters = config.audio.clusters
    mfcc = dataclasses.replace(clusters, source="mfcc", count=clusters.first_count)
    steps = config.optim.steps if clusters.first_steps is None else clusters.first_steps
    return dataclasses.replace(
        config,
        image=None,
        text=None,
        audio=dataclasses.replace(config.audio, clusters=mfcc),
        pairs=dataclasses.replace(config.pairs, fraction=0.0),
        optim=dataclasses.replace(config.optim, steps=steps),
    )


def layer_of(config: RunConfig) -> int:
    """Return the layer of round 1 that is clustered: the one that is set, else the middle one."""
    assert config.audio is not None
    layer = config.audio.clusters.layer
    return max(1, config.trunk.depth // 2) if layer is None else layer


@dataclass(frozen=True)
class _Work:
    """What is the same for everything that a command does.

    Attributes:
        folder: the data.
        workers: processes that decode.
        report: told of progress.
    """

    folder: DataFolder
    workers: int
    report: Report


def _first_round(work: _Work, config: RunConfig, place: Path) -> None:
    """Train round 1, or what is missing of it."""
    done = checkpoints(place)
    if done and done[-1].name == f"step_{config.optim.steps:08d}":
        return
    has_begun = (place / "config.json").exists()
    _label(work, config, place, functools.partial(mfcc_source, config))
    train(
        work.folder,
        config,
        place,
        resume=has_begun,
        workers=work.workers,
        report=_staged(work.report, "round 1 of 2"),
    )


def _label(work: _Work, config: RunConfig, run: Path, source: Callable[[], Source]) -> None:
    """Make the labels of a run, if they are not there; the first process does, the others wait."""
    if _is_first_process() and not labels_file(run).exists():
        started = time.monotonic()

        def report(done: int, of: int) -> None:
            left = (time.monotonic() - started) / done * (of - done)
            work.report(Progress(done, of, {}, left, stage="clusters"))

        make_labels(work.folder, config, run, source=source(), workers=work.workers, report=report)
    while not labels_file(run).exists():
        time.sleep(WAIT_SECONDS)


def _begin(run: Path, config: RunConfig) -> None:
    """Write down what is to be trained, before anything that takes long."""
    if any((run / name).exists() for name in ("config.json", "rounds.json", "round_1")):
        raise CheckpointError(
            f"{run} is a run already; resume it (--resume) or choose another folder"
        )
    run.mkdir(parents=True, exist_ok=True)
    labels_file(run).unlink(missing_ok=True)  # of nobody
    write_json(run / "rounds.json", {"format": FORMAT, "config": to_json(config)})


def _settings(run: Path) -> RunConfig:
    """Return the settings of a run that may have got no further than its preparations."""
    path = run / "rounds.json"
    if (run / "config.json").exists() or not path.is_file():
        return read_run(run)[0]
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not of format {FORMAT}, the one this version reads")
    return from_json(values["config"])


def _staged(report: Report, stage: str) -> Report:
    return lambda progress: report(dataclasses.replace(progress, stage=stage))


def _is_first_process() -> bool:
    return int(os.environ.get("RANK", "0")) == 0
