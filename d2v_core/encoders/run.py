"""Our own runs as encoders: trained ones from their folder, untrained ones from a preset."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from d2v_core.checkpoint import load_into, newest_checkpoint, read_run
from d2v_core.config import RunConfig, to_json
from d2v_core.encoders.encoder import Role
from d2v_core.encoders.pooling import Pooling
from d2v_core.encoders.student import StudentEncoder
from d2v_core.errors import CheckpointError
from d2v_core.fitting import check_fit
from d2v_core.learner import Learner
from d2v_core.presets import preset


def of_learner(
    name: str,
    learner: Learner,
    *,
    role: Role = "trained",
    pooling: Pooling = "mean",
    ffn: bool = False,
) -> StudentEncoder:
    """Return the encoder of a learner with its weights."""
    found = hash_of(learner.config, learner.state_dict())
    return StudentEncoder(name, learner, weights_hash=found, role=role, pooling=pooling, ffn=ffn)


def trained(path: Path, *, pooling: Pooling = "mean", ffn: bool = False) -> StudentEncoder:
    """Return the encoder of a run folder, or of one of its checkpoints.

    Raises:
        CheckpointError: if the path is neither.
    """
    is_checkpoint = path.parent.name == "checkpoints"
    run = path.parent.parent if is_checkpoint else path
    config, _ = read_run(run)
    checkpoint = path if is_checkpoint else newest_checkpoint(run)
    is_step = checkpoint.name.removeprefix("step_").isdecimal()
    if not (is_step and (checkpoint / "state.json").is_file()):
        raise CheckpointError(f"{checkpoint} is not a complete checkpoint")
    check_fit(config, checkpoint / "learner.safetensors")
    learner = Learner(config)
    load_into(learner, checkpoint / "learner.safetensors")
    step = int(checkpoint.name.removeprefix("step_"))
    role: Role = "shuffled pairs" if config.pairs.shuffled else "trained"
    name = f"{run.name}-{checkpoint.name}" if is_checkpoint else run.name
    role = role if step else "random twin"
    return of_learner(name, learner, role=role, pooling=pooling, ffn=ffn)


def untrained(
    name: str, *, seed: int = 0, pooling: Pooling = "mean", ffn: bool = False
) -> StudentEncoder:
    """Return a preset's model with its first, random weights: the control of every claim."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        learner = Learner(preset(name))
    return of_learner(f"random:{name}", learner, role="random twin", pooling=pooling, ffn=ffn)


def hash_of(config: RunConfig, weights: Mapping[str, Tensor]) -> str:
    """Return a hash of weights and of the settings that change what they compute."""
    digest = hashlib.sha256(json.dumps(model_settings(config), sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def model_settings(config: RunConfig) -> dict[str, object]:
    """Return the settings that change what the encoder computes."""
    values = to_json(config)
    return {name: values[name] for name in ("image", "audio", "text", "trunk", "share_trunk")}
