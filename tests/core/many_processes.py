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

from d2v_core import stopping
from d2v_core.config import from_json
from d2v_core.data.folder import read_folder
from d2v_core.errors import D2VError
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


for number, job in enumerate(json.loads(Path(sys.argv[1]).read_text())):
    Path(f"{sys.argv[1]}.{number}.{os.environ['RANK']}").write_text(do(job))
