"""Many processes that train one model: how they share the work, and how they end together."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh

from d2v_core.config import RunConfig
from d2v_core.errors import D2VError, TrainingError
from d2v_core.objectives.contrastive import meetings


def launch(config: RunConfig, *, leaves_out: bool) -> Fabric:
    """Return the device and the other processes, in one process or in those of `torchrun`.

    Args:
        config: of the run.
        leaves_out: whether a step may leave parameters without gradient.
    """
    precision = config.optim.precision
    assert precision != "auto", "the machine has to be asked first, by settle_precision"
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        strategy=_strategy(config, world, leaves_out) if world > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def _strategy(config: RunConfig, world: int, leaves_out: bool) -> Strategy:
    if config.optim.strategy == "fsdp":
        # Sharded before the optimiser is made; nothing is left to do when Fabric wraps it.
        return ModelParallelStrategy(_unchanged, data_parallel_size=world, tensor_parallel_size=1)
    return DDPStrategy(
        find_unused_parameters=leaves_out,
        broadcast_buffers=False,  # they are constants
        gradient_as_bucket_view=True,
    )


def _unchanged(module: nn.Module, _mesh: DeviceMesh) -> nn.Module:
    return module


def may_leave_out(config: RunConfig) -> bool:
    """Tell whether a step may leave parameters without gradient, which DDP then has to look for."""
    pairs = config.pairs
    meet = {m for pair in meetings(config) if pairs.fraction for m in pair}
    apart = [config.of(m) for m in config.modalities if m not in meet]
    has_idle_head = bool(pairs.fraction and pairs.weight and apart)
    is_idle = any(modality.objective is None for modality in apart)
    return config.trunk.layer_drop > 0 or has_idle_head or is_idle


def mesh_of(fabric: Fabric) -> DeviceMesh | None:
    """Return the processes that weights are spread over; None where each keeps all."""
    strategy = fabric.strategy
    if isinstance(strategy, ModelParallelStrategy):
        return strategy.device_mesh["data_parallel"]
    return None


def in_first_process(fabric: Fabric, work: Callable[[], object]) -> None:
    """Do something in the first process; what the user can mend there ends all of them.

    Args:
        fabric: the processes; all have to call this.
        work: is called in the first one.

    Raises:
        D2VError: the one that `work` raised, in every process.
    """
    problem: D2VError | None = None
    if fabric.is_global_zero:
        try:
            work()
        except D2VError as error:
            problem = error
    problem = fabric.broadcast(problem)
    if problem is not None:
        raise problem


def from_all(fabric: Fabric, sentences: list[str]) -> list[str]:
    """Return the sentences of all processes, those of the first one first."""
    if fabric.world_size == 1:
        return sentences
    found: list[list[str]] = [[]] * fabric.world_size
    dist.all_gather_object(found, sentences)
    return [sentence for part in found for sentence in part]


@contextmanager
def naming_lost_processes() -> Iterator[None]:
    """Say in one sentence that another process has gone, which torch says in the network's words.

    Raises:
        TrainingError: in place of torch's RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise TrainingError(
            "another process of this training has ended, and so does this one; the last checkpoint "
            "is whole: go on from it with --resume"
        ) from error
