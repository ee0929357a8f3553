"""Trains runs one after the other, in each of the processes that torchrun starts; no test itself.

    torchrun --nproc-per-node 2 tests/core/many_processes.py JOBS.json

A job has `data`, `config`, `run`, and may have `resume`, and `signal_after`: a step after which the
first process gets SIGTERM. What it ended with is written into RUN.RANK.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch.distributed.device_mesh import init_device_mesh

from d2v_core import stopping
from d2v_core.config import from_json
from d2v_core.data.folder import read_folder
from d2v_core.errors import D2VError
from d2v_core.sharding import average_unsharded, clip_gradients, shard
from d2v_core.train import train

stopping.EVERY = 1


def do(job):
    def report(progress):
        if progress.step == job.get("signal_after"):
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        train(
            read_folder(Path(job["data"])),
            from_json(job["config"]),
            Path(job["run"]),
            resume=job.get("resume", False),
            report=report,
        )
    except D2VError as error:
        return f"{type(error).__name__}: {error}"
    return "complete"


def gradients():
    """Return what is left of gradients that differ between processes, and their common norm."""
    module = torch.nn.Linear(3, 4, bias=False)
    module.scale = torch.nn.Parameter(torch.tensor(1.0))
    torch.nn.init.ones_(module.weight)
    mesh = init_device_mesh("cpu", (2,))
    shard(module, mesh, device=torch.device("cpu"))
    rank = float(os.environ["RANK"])
    (module(torch.full((1, 3), rank)) * module.scale).sum().backward()
    average_unsharded(module.parameters())
    norm = clip_gradients(module.parameters(), 1.0)
    return {
        "norm": float(norm),
        "scale": float(module.scale.grad),
        "weight": module.weight.grad.full_tensor().tolist(),
    }


for number, job in enumerate(json.loads(Path(sys.argv[1]).read_text())):
    Path(f"{sys.argv[1]}.{number}.{os.environ['RANK']}").write_text(do(job))
Path(f"{sys.argv[1]}.gradients.{os.environ['RANK']}").write_text(json.dumps(gradients()))
