"""Our own runs as encoders: trained ones from their folder, untrained ones from a preset."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from d2v_core.checkpoint import load_into, newest_checkpoint, read_run
from d2v_core.config import RunConfig, to_json
from d2v_core.data.batches import Collator, item_tensor
from d2v_core.data.items import Item
from d2v_core.encoders.encoder import LayerVectors, Role
from d2v_core.errors import CheckpointError
from d2v_core.learner import Learner
from d2v_core.modality import Modality
from d2v_core.presets import preset


class RunEncoder:
    """The student of a run; tokens are pooled by the mean over valid ones.

    Args:
        name: what the user called it.
        learner: with its weights.
        role: what it is to a claim.
    """

    pooling = "mean"

    def __init__(self, name: str, learner: Learner, *, role: Role = "trained") -> None:
        self.name = name
        self.learner = learner.eval()
        self.config = learner.config
        self.modalities = learner.config.modalities
        self.taps = learner.taps
        self.widths = tuple(
            self.config.pairs.dim if tap == "joint" else self.config.trunk.dim for tap in self.taps
        )
        self.hash = _hash(learner)
        self.role: Role = role
        self.collators = {m: Collator(self.config, m) for m in self.modalities}

    def load(self, item: Item) -> Tensor:
        """Decode an item; raise MediaError with the reason if that fails."""
        return item_tensor(item, self.config)

    @torch.inference_mode()
    def encode(self, modality: Modality, tensors: Sequence[Tensor]) -> LayerVectors:
        """Encode decoded items of one modality, in fp32."""
        device = next(self.learner.parameters()).device
        inputs = self.collators[modality](tensors).to(device)
        return LayerVectors(tuple(self.learner.layer_vectors(modality, inputs)))


def trained(path: Path) -> RunEncoder:
    """Return the encoder of a run folder, or of one of its checkpoints.

    Raises:
        CheckpointError: if the path is neither.
    """
    is_checkpoint = path.parent.name == "checkpoints"
    run = path.parent.parent if is_checkpoint else path
    config, _ = read_run(run)
    checkpoint = path if is_checkpoint else newest_checkpoint(run)
    if not (checkpoint / "state.json").is_file():
        raise CheckpointError(f"{checkpoint} is not a complete checkpoint")
    learner = Learner(config)
    load_into(learner, checkpoint / "learner.safetensors")
    step = int(checkpoint.name.removeprefix("step_"))
    role: Role = "shuffled pairs" if config.pairs.shuffled else "trained"
    name = f"{run.name}-{checkpoint.name}" if is_checkpoint else run.name
    return RunEncoder(name, learner, role=role if step else "random twin")


def untrained(name: str, *, seed: int = 0) -> RunEncoder:
    """Return a preset's model with its first, random weights: the control of every claim."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RunEncoder(f"random:{name}", Learner(preset(name)), role="random twin")


def _hash(learner: Learner) -> str:
    """Return a hash of settings and weights."""
    digest = hashlib.sha256(json.dumps(model_settings(learner.config), sort_keys=True).encode())
    for name, tensor in sorted(learner.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def model_settings(config: RunConfig) -> dict[str, object]:
    """Return the settings that change what the encoder computes."""
    values = to_json(config)
    return {name: values[name] for name in ("image", "audio", "text", "trunk", "share_trunk")}
