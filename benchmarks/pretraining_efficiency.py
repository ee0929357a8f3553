"""How long until the features are good: three objectives, one clock.

    d2v data get cifar10 --out data/cifar10
    python benchmarks/pretraining_efficiency.py data/cifar10 --minutes 10

Each of data2vec 2.0, data2vec 1.0 and masked reconstruction (MAE) trains a trunk of the same size
on the same pictures for about the same time; the clock counts training only. At every point of the
curve all layers are read off with kNN (weighted, centred cosine); layer and k are chosen on
validation pictures, and the accuracy on test pictures is what is shown. Each objective has its own
published masks, decoder, and place of the norms; data2vec 1.0 and MAE show the student one masked
view of a picture, data2vec 2.0 eight, and have larger batches for it.

In the end data2vec 2.0 does the same steps again in the other precision, to see whether bf16 costs
quality. The result is printed, and written as JSON for those who want to draw it.
"""

import argparse
import dataclasses
import itertools
import json
import time
from pathlib import Path

import numpy as np
import torch

from d2v_core.config import RunConfig, override
from d2v_core.data.batches import Collator
from d2v_core.data.folder import DataFolder, read_folder
from d2v_core.data.steps import ItemCache, TrainSteps
from d2v_core.learner import Learner
from d2v_core.precision import settle_precision
from d2v_core.presets import preset
from d2v_core.train import optimise, set_up
from probes.knn import knn_probe
from probes.splits import Splits

POINTS = 6
BANK, VAL, TEST = 5_000, 500, 2_000
COMMON = {
    "audio": "none",
    "text": "none",
    "image.size": "32",
    "image.patch": "4",
    "image.smallest_crop": "0.3",
    "image.target.layers": "5",
    "trunk.dim": "192",
    "trunk.depth": "6",
    "trunk.heads": "3",
    "trunk.prenet_depth": "1",
    "optim.precision": "auto",
    "optim.clip_norm": "4",
    "teacher.ema_decay_start": "0.996",
    "teacher.ema_decay_end": "0.9998",
}
BATCHES = {"data2vec2": 32, "data2vec": 64, "reconstruct": 128}
OWN = {
    "data2vec2": {"image.mask.ratio": "0.8", "image.mask.masks": "8", "image.decoder.width": "192"},
    "data2vec": {},
    "reconstruct": {},
}


class Eye:
    """Reads the features of fixed pictures off a student, and scores them with kNN.

    Args:
        folder: the pictures.
        config: of a run on them.
    """

    def __init__(self, folder: DataFolder, config: RunConfig) -> None:
        cache, collate = ItemCache(config), Collator(config, "image")
        rng = np.random.default_rng(0)
        chosen = []
        for split, most in (("train", BANK), ("val", VAL), ("test", TEST)):
            items = [item for item in folder.of("image") if item.split == split]
            order = rng.permutation(len(items))[:most]
            chosen += [items[n] for n in order]
        self.batches = [
            collate([cache(item) for item in chosen[n : n + 500]])
            for n in range(0, len(chosen), 500)
        ]
        self.labels = np.array([item.label for item in chosen])
        self.splits = Splits.from_column(np.array([item.split for item in chosen]))

    @torch.no_grad()
    def accuracy(self, learner: Learner) -> tuple[float, float, str]:
        """Return test accuracy and its half interval at the layer that is best on val."""
        learner.eval()
        device = next(learner.parameters()).device
        states = [learner.student.pooled_layers("image", b.to(device)) for b in self.batches]
        learner.train()
        layers = torch.cat(states, dim=1).float().cpu().numpy()
        bank = self.splits.train
        results = [knn_probe(x - x[bank].mean(axis=0), self.labels, self.splits) for x in layers]
        best = max(range(len(results)), key=lambda n: max(results[n].val_accuracy))
        score = results[best].accuracy
        assert score.value is not None
        assert score.low is not None
        assert score.high is not None
        return score.value, (score.high - score.low) / 2, learner.student.taps[best]


def plan(name: str, folder: DataFolder, minutes: float) -> RunConfig:
    """Return the settings of a run with one objective that takes about so many minutes."""
    settings = COMMON | OWN[name] | {"optim.batch": str(BATCHES[name]), "optim.lr": "1e-3"}
    config = settle_precision(override(preset(f"tiny-{name}"), settings))
    seconds = seconds_a_step(folder, config)
    steps = max(POINTS, round(minutes * 60 / seconds))
    optim = dataclasses.replace(config.optim, steps=steps, warmup_steps=steps // 15)
    teacher = dataclasses.replace(config.teacher, ema_anneal_steps=steps)
    return dataclasses.replace(config, optim=optim, teacher=teacher)


def in_other_precision(config: RunConfig) -> RunConfig:
    """Return the same settings in bf16 if they were in fp32, and the other way round."""
    other = {"32-true": "bf16-mixed", "bf16-mixed": "32-true"}[config.optim.precision]
    return dataclasses.replace(config, optim=dataclasses.replace(config.optim, precision=other))


def curve(name: str, folder: DataFolder, config: RunConfig) -> list[dict[str, float | str]]:
    """Train as planned; return the points of the curve."""
    steps, batch = config.optim.steps, config.optim.batch
    data, training = TrainSteps(folder, config), set_up(config)
    module, eye = training.fabric.setup_module(training.learner), Eye(folder, config)
    points: list[dict[str, float | str]] = []
    spent = 0.0
    for done in range(steps + 1):
        if done:
            start = time.perf_counter()
            optimise(training, module, data[done - 1], done)
            spent += time.perf_counter() - start
        if done % max(1, steps // POINTS) == 0 or done == steps:
            value, half, tap = eye.accuracy(training.learner)
            points.append(
                {
                    "seconds": spent,
                    "pictures": done * batch,
                    "accuracy": value,
                    "half_interval": half,
                    "tap": tap,
                }
            )
            print(
                f"{name:22} {spent:6.0f} s  {done * batch:8,} pictures  "
                f"{100 * value:5.1f} % ± {100 * half:.1f}  {tap}",
                flush=True,
            )
    return points


def seconds_a_step(folder: DataFolder, config: RunConfig, *, trials: int = 6) -> float:
    """Return the median time of a step, data included."""
    data, training = TrainSteps(folder, config), set_up(config)
    module = training.fabric.setup_module(training.learner)
    times = []
    for done in range(1, trials + 2):
        start = time.perf_counter()
        optimise(training, module, data[done], done)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def seconds_until(points: list[dict[str, float | str]], level: float) -> float | None:
    """Return when the curve first passes a level, interpolated linearly; None if it never does."""
    for before, after in itertools.pairwise(points):
        low, high = float(before["accuracy"]), float(after["accuracy"])
        if low < level <= high:
            share = (level - low) / (high - low)
            start, end = float(before["seconds"]), float(after["seconds"])
            return start + share * (end - start)
    return None


def main() -> None:
    """Run all three, one after the other, and print the times to the level that all reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each objective")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path("pretraining_efficiency.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    folder = read_folder(given.data)
    plans = {name: plan(name, folder, given.minutes) for name in BATCHES}
    curves = {name: curve(name, folder, config) for name, config in plans.items()}
    other = in_other_precision(plans["data2vec2"])
    again = curve(f"data2vec2, {other.optim.precision}", folder, other)
    given.out.write_text(json.dumps(curves | {f"data2vec2 {other.optim.precision}": again}))
    level = min(max(float(p["accuracy"]) for p in points) for points in curves.values())
    print(f"\nseconds until {100 * level:.1f} % (the best that all of them reach)")
    times = {name: seconds_until(points, level) for name, points in curves.items()}
    for name, seconds in times.items():
        best = max(float(p["accuracy"]) for p in curves[name])
        when = "from the start" if seconds is None else f"{seconds:6.0f} s"
        print(f"  {name:12} {when}   best {100 * best:.1f} %")
    precisions = (plans["data2vec2"].optim.precision, other.optim.precision)
    print(f"\ndata2vec2, the same {other.optim.steps:,} steps, accuracy at the end")
    for precision, points in zip(precisions, (curves["data2vec2"], again), strict=True):
        end = points[-1]
        print(
            f"  {precision:12} {100 * float(end['accuracy']):.1f} % ± "
            f"{100 * float(end['half_interval']):.1f}   {float(end['seconds']):.0f} s"
        )


if __name__ == "__main__":
    main()
