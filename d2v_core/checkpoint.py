"""Run folders: settings, metrics and checkpoints, complete or absent, never pickled.

runs/NAME/
├── config.json        the RunConfig, and what it was trained on and with
├── metrics.jsonl      one line a logged step
├── events/            the same for TensorBoard
└── checkpoints/step_00000800/
    ├── learner.safetensors      student, decoders, heads
    ├── teacher.safetensors      |  what going on needs; only the newest
    ├── optimizer.safetensors    |  checkpoint keeps these two
    └── state.json               step
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from d2v_core.config import RunConfig, from_json, to_json
from d2v_core.errors import CheckpointError, TrainingError
from d2v_core.sharding import spread_like, whole

FORMAT = 1
ADVICE = "the last checkpoint is whole, but start again with a lower learning rate"


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file aside, make it durable, move it into place."""
    aside = path.with_name(path.name + ".part")
    with aside.open("w") as file:
        json.dump(values, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def start_run(run: Path, config: RunConfig, about: dict[str, Any]) -> None:
    """Make a run folder with its config.json.

    Raises:
        CheckpointError: if there is a run already, or the folder cannot be written to.
    """
    if (run / "config.json").exists():
        raise CheckpointError(
            f"{run} is a run already; resume it (--resume) or choose another folder"
        )
    with writing(run):
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        values = {"format": FORMAT, "config": to_json(config), "about": about}
        write_json(run / "config.json", values)


def read_run(run: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the settings of a run and what was noted about it.

    Raises:
        CheckpointError: if the folder holds no run that this version can read.
    """
    path = run / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{run} is not a run folder: it has no config.json")
    try:
        values = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not of format {FORMAT}, the one this version reads")
    for part in ("config", "about"):
        if not isinstance(values.get(part), dict):
            raise CheckpointError(f"{path} holds no {part}, or one that is no JSON object")
    return from_json(values["config"]), values["about"]


def checkpoints(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    found = (path.parent for path in (run / "checkpoints").glob("step_*/state.json"))
    return sorted(path for path in found if path.name.removeprefix("step_").isdecimal())


def newest_checkpoint(run: Path) -> Path:
    """Return the newest complete checkpoint.

    Raises:
        CheckpointError: if there is none.
    """
    found = checkpoints(run)
    if not found:
        raise CheckpointError(f"{run} holds no complete checkpoint")
    return found[-1]


def checkpoint_files(
    learner: nn.Module, teacher: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, dict[str, Tensor]]:
    """Return all the tensors of a checkpoint by file, whole; every process has to take part."""
    return {
        "learner": whole(learner.state_dict()),
        "teacher": whole(teacher.state_dict()),
        "optimizer": optimizer_tensors(learner, optimizer),
    }


def save_checkpoint(run: Path, step: int, files: dict[str, dict[str, Tensor]]) -> Path:
    """Write a checkpoint aside, make it durable, move it into place, thin out the older ones.

    Args:
        run: the run folder.
        step: optimiser steps done.
        files: from `checkpoint_files`.

    Raises:
        CheckpointError: if it cannot be written.
        TrainingError: if a number in it is not finite.
    """
    for name, tensor in files["learner"].items():
        if not bool(tensor.isfinite().all()):
            raise TrainingError(f"{name} is not finite after step {step}; {ADVICE}")
    place = run / "checkpoints" / f"step_{step:08d}"
    aside = place.with_name(f".{place.name}.part")
    with writing(run):
        try:
            _write_checkpoint(aside, step, files)
        except (OSError, SafetensorError):
            shutil.rmtree(aside, ignore_errors=True)  # a full disk needs the room
            raise
        shutil.rmtree(place, ignore_errors=True)
        aside.replace(place)
        _fsync(place.parent)
        for older in checkpoints(run):
            if older != place:
                for name in ("teacher", "optimizer"):
                    (older / f"{name}.safetensors").unlink(missing_ok=True)
    return place


def _write_checkpoint(aside: Path, step: int, files: dict[str, dict[str, Tensor]]) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, tensors in files.items():
        save_file(tensors, aside / f"{name}.safetensors")
    (aside / "state.json").write_text(json.dumps({"step": step}))
    for path in [*aside.iterdir(), aside]:
        _fsync(path)


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """Say in one sentence that a run folder cannot be written to.

    Raises:
        CheckpointError: in place of an OSError or of what safetensors raises.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        found = re.search(r"I/O error: (.*) \(os error", str(error))  # as safetensors says it
        reason = found[1] if found else getattr(error, "strerror", None) or str(error)
        complete = checkpoints(run)
        advice = (
            f"{complete[-1].name} is whole: mend that, then go on from it with --resume"
            if complete
            else "there is no checkpoint yet"
        )
        raise CheckpointError(f"{run} cannot be written to: {reason}; {advice}") from error


def publish(run: Path, out: Path, *, lines: int = 200) -> None:
    """Copy what others need of a finished run: settings, the newest weights in half precision.

    Args:
        run: the run folder.
        out: the folder to make.
        lines: at most so many lines of the metrics are kept, spread evenly.

    Raises:
        CheckpointError: if `run` is not a run, or `out` is one already.
    """
    config, about = read_run(run)
    about["data"] = Path(about["data"]).name  # where it lay is nobody else's business
    newest = newest_checkpoint(run)
    start_run(out, config, about)
    place = out / "checkpoints" / newest.name
    place.mkdir()
    tensors = load_tensors(newest / "learner.safetensors")
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(halves, place / "learner.safetensors")
    shutil.copy(newest / "state.json", place)
    if (run / "metrics.jsonl").exists():
        found = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
        kept = {max(0, len(found) * n // lines - 1) for n in range(1, lines + 1)}
        (out / "metrics.jsonl").write_text("".join(found[n] for n in sorted(kept) if found))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: if it is missing or broken.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; was this checkpoint thinned out?") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def load_into(module: nn.Module, path: Path) -> None:
    """Load a file of tensors into a module, every name accounted for.

    Raises:
        CheckpointError: if names or shapes differ, or a number is not finite.
    """
    there = module.state_dict()
    tensors = {
        name: spread_like(tensor.float(), there[name]) if name in there else tensor
        for name, tensor in load_tensors(path).items()
    }
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{path}: {name} is not finite: damaged, or the run collapsed")
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit this model: {error}") from error


def optimizer_tensors(learner: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state as tensors named PARAMETER.QUANTITY, whole."""
    return whole(
        {
            f"{name}.{quantity}": torch.as_tensor(value)
            for name, parameter in learner.named_parameters()
            for quantity, value in optimizer.state.get(parameter, {}).items()
        }
    )


def restore_optimizer(learner: nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Give the optimiser back the state that `optimizer_tensors` wrote."""
    parameters = dict(learner.named_parameters())
    for name, value in load_tensors(path).items():
        parameter, _, quantity = name.rpartition(".")
        owner = parameters[parameter]
        is_count = quantity == "step"
        there = value.to(owner.device) if is_count else spread_like(value, owner)
        optimizer.state.setdefault(owner, {})[quantity] = there


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
