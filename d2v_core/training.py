"""What a training has in its hands: made, saved, restored."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from d2v_core.allocator import keep_freed_memory
from d2v_core.checkpoint import (
    checkpoint_files,
    checkpoints,
    load_into,
    restore_optimizer,
    save_checkpoint,
)
from d2v_core.config import OptimConfig, RunConfig
from d2v_core.learner import Learner
from d2v_core.model import Student
from d2v_core.processes import in_first_process, launch, may_leave_out, mesh_of
from d2v_core.sharding import is_sharded, shard, whole
from d2v_core.teacher import Teacher, copied_names


@dataclass(frozen=True)
class Training:
    """What a training has in its hands.

    Attributes:
        fabric: device, precision and the other processes.
        learner: what is trained.
        teacher: what it is trained towards.
        optimizer: AdamW over the learner.
    """

    fabric: Fabric
    learner: Learner
    teacher: Teacher
    optimizer: torch.optim.Optimizer


def set_up(config: RunConfig, *, leaves_out: bool = False) -> Training:
    """Make all that a training needs, in one process or in those that `torchrun` started.

    Args:
        config: of the run.
        leaves_out: whether the data make steps that leave out parameters, which many processes
            have to know.
    """
    fabric = launch(config, leaves_out=leaves_out or may_leave_out(config))
    if fabric.device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(config.seed)
    learner, mesh = Learner(config), mesh_of(fabric)
    teacher = Teacher(learner.student, copied=copied_names(learner.student, config))
    for module in (learner, teacher.model):
        if mesh is None:
            module.to(fabric.device)
        else:
            shard(module, mesh, device=fabric.device)
    return Training(fabric, learner, teacher, make_optimizer(learner, config.optim))


def make_optimizer(learner: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return AdamW; weight decay acts on matrices only.

    The reference applies it to everything, though it marks biases and norms as exempt; we exempt
    them, and CLS tokens and temperatures.
    """
    is_matrix = {
        name: parameter.dim() >= 2 and not name.endswith(("extra", "bias.table"))
        for name, parameter in learner.named_parameters()
    }
    named = list(learner.named_parameters())
    groups = [
        {
            "params": found,
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for decayed in (True, False)
        for sharded in (True, False)  # one kernel cannot do both
        if (found := [p for n, p in named if is_matrix[n] == decayed and is_sharded(p) == sharded])
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def whole_student(training: Training) -> Student | None:
    """Return a student that the first process can run by itself; None in the others."""
    fabric, student = training.fabric, training.learner.student
    if mesh_of(fabric) is None:
        return student
    tensors = whole(student.state_dict())
    if not fabric.is_global_zero:
        return None
    copy = Student(training.learner.config)
    copy.load_state_dict(tensors)
    return copy.to(fabric.device)


def restore(training: Training, run: Path) -> int:
    """Load learner, teacher and optimiser from the newest checkpoint of a run; return its step.

    A run that was stopped before it had one gets the first.
    """
    found = checkpoints(run)
    training.fabric.barrier()  # or others would see the one that is about to be written
    if not found:
        save(training, run, 0)
        return 0
    load_into(training.learner, found[-1] / "learner.safetensors")
    load_into(training.teacher.model, found[-1] / "teacher.safetensors")
    restore_optimizer(training.learner, training.optimizer, found[-1] / "optimizer.safetensors")
    return int(json.loads((found[-1] / "state.json").read_text())["step"])


def save(training: Training, run: Path, step: int) -> None:
    """Write a checkpoint; every process has to take part.

    Raises:
        CheckpointError: if it cannot be written.
        TrainingError: if a weight is not finite.
    """
    fabric, learner = training.fabric, training.learner
    files: dict[str, dict[str, torch.Tensor]] = {}
    if fabric.is_global_zero or mesh_of(fabric) is not None:
        files = checkpoint_files(learner, training.teacher.model, training.optimizer)
    in_first_process(fabric, lambda: save_checkpoint(run, step, files))
