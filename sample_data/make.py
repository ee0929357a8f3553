"""Make everything in this folder anew: `make sample`. About half an hour on two cores.

The runs are trained on a made world of another seed than the sample, so every item of the sample is
new to them; combinations of factors in the sample's test split are new as well.
"""

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from d2v_core.checkpoint import publish
from d2v_core.data.aviary.make import make_aviary

HERE = Path(__file__).parent
ITEMS, TRAINING_ITEMS, TRAINING_SEED = 240, 2000, 1
ARMS = {
    "separate": "separate",
    "shared": "shared",
    "paired": "shared-pairs-100",
    "shuffled": "shuffled-100",
    "random": "random",
}


def train(folder: Path, world: Path, name: str) -> None:
    """Train one arm in a process of its own, on one core, and keep what others need."""
    command = [sys.executable, "-m", "app.cli", "train", str(world), "--preset", ARMS[name]]
    environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run([*command, "--out", str(folder / name)], check=True, env=environment)
    shutil.rmtree(HERE / "runs" / name, ignore_errors=True)
    publish(folder / name, HERE / "runs" / name)


def main() -> None:
    """Draw the sample, draw the training world, train every arm, measure the answer."""
    shutil.rmtree(HERE / "aviary", ignore_errors=True)
    make_aviary(HERE / "aviary", items=ITEMS)
    with tempfile.TemporaryDirectory() as place:
        world = Path(place) / "aviary-train"
        make_aviary(world, items=TRAINING_ITEMS, seed=TRAINING_SEED)
        with ThreadPoolExecutor(2) as two_at_a_time:
            list(two_at_a_time.map(partial(train, Path(place), world), ARMS))
    subprocess.run([sys.executable, "-m", "app.answers"], check=True)


if __name__ == "__main__":
    main()
