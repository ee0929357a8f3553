"""A data2vec 2.0 training step on pictures: ours beside the same model written plainly.

    python benchmarks/training_step.py --threads 2

Four ways do the same step (teacher, student, decoder, loss, backward, clipping, AdamW, moving
average) on the same pictures and masks, each in a process of its own, in turns: `ours` in fp32 and
in bf16, `reference` (see reference_step.py) and `transformers`, which is the reference with the
blocks of Hugging Face's library. A ratio is taken in every round, between steps that ran right
after each other; its median and quartiles are printed, so that other work on the machine does
little harm. Then where the time of ours goes, and how near it comes to plain matrix products of
the same shapes.
"""

import argparse
import dataclasses
import json
import multiprocessing
import statistics
from multiprocessing.connection import Connection
from typing import Any

import torch
from reference_step import PlainBlock, ReferenceLearner, TransformersBlock, reference_step
from step_sizes import CASES, Case, flops, make_batch, matrix_rates, timed
from torch import nn

from d2v_core.data.steps import Step
from d2v_core.train import optimise, set_up

WAYS = ("ours", "ours bf16", "reference", "transformers")
PRECISION = {"ours": "32-true", "ours bf16": "bf16-mixed"}
WARM_STEPS = 4


class Ours:
    """The step of `d2v train`."""

    def __init__(self, case: Case, way: str) -> None:
        config = case.config(PRECISION[way])
        self.training = set_up(config)
        self.module = self.training.fabric.setup_module(self.training.learner)
        self.batch, self.done = Step([{"image": make_batch(case)}], None), 0
        self.device = self.training.fabric.device

    def step(self) -> None:
        """Do one step."""
        self.done += 1
        optimise(self.training, self.module, self.batch, self.done)

    def phases(self, steps: int) -> dict[str, float]:
        """Return the median seconds of a step's parts."""
        student, teacher = self.training.learner.student, self.training.teacher
        objective: Any = self.training.learner.objectives["image"]
        parts = {
            "teacher": [(objective, "targets")],
            "student": [(student, "embed"), (student, "encode_visible")],
            "decoder": [(objective.decoder, "forward")],
            "backward": [(self.training.fabric, "backward")],
            "optimiser and average": [
                (nn.utils, "clip_grad_norm_"),
                (self.training.optimizer, "step"),
                (teacher, "follow"),
            ],
        }
        spent: dict[str, list[float]] = {name: [] for name in parts}
        before = [self._watch(spent[name], *at) for name, found in parts.items() for at in found]
        whole, by_part = [], {name: [] for name in parts}
        for _ in range(steps):
            whole.append(timed(self.step, self.device))
            for name, seconds in spent.items():
                by_part[name].append(sum(seconds))
                seconds.clear()
        for owner, name, method in before:
            setattr(owner, name, method)
        found = {name: statistics.median(x) for name, x in by_part.items()}
        # The teacher embeds the pictures too, inside its own part: not counted twice.
        found["loss, statistics, the rest"] = statistics.median(whole) - sum(found.values())
        return found

    def _watch(self, spent: list[float], owner: Any, name: str) -> tuple[Any, str, Any]:  # noqa: ANN401
        method = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            result = []
            spent.append(timed(lambda: result.append(method(*args, **kwargs)), self.device))
            return result[0]

        setattr(owner, name, watched)
        return owner, name, method


class Reference:
    """The step written plainly."""

    def __init__(self, case: Case, way: str, device: torch.device) -> None:
        torch.manual_seed(0)
        block = TransformersBlock if way == "transformers" else PlainBlock
        self.learner = ReferenceLearner(case.config(), block).to(device)
        self.optimizer = torch.optim.AdamW(self.learner.learns(), lr=1e-3)
        batch = make_batch(case).to(device)
        self.values, self.mask = batch.values, batch.mask
        self.device = device

    def step(self) -> None:
        """Do one step."""
        assert self.mask is not None
        reference_step(
            self.learner, self.optimizer, self.values, self.mask, clip_norm=3.0, decay=0.999
        )


def work(pipe: Connection, case: Case, way: str, threads: int, device_name: str) -> None:
    """Make one way's step and do it when asked: the body of a process."""
    torch.set_num_threads(threads)
    device = torch.device(device_name)
    made = Ours(case, way) if way in PRECISION else Reference(case, way, device)
    for _ in range(WARM_STEPS):
        made.step()
    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        if asked == "step":
            pipe.send(timed(made.step, device))
        elif isinstance(made, Ours):
            pipe.send(made.phases(asked))


def compare(case: Case, rounds: int, threads: int, device: str) -> dict[str, Any]:
    """Run the ways in turns and return all that was found."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for way in WAYS:
        pipes[way], theirs = context.Pipe()
        args = (theirs, case, way, threads, device)
        context.Process(target=work, args=args, daemon=True).start()
    for pipe in pipes.values():
        pipe.recv()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    rates: dict[str, float] = {}
    for n in range(rounds):
        for name, rate in matrix_rates(case, torch.device(device)).items():
            rates[name] = max(rate, rates.get(name, 0.0))
        for way in WAYS if n % 2 else reversed(WAYS):
            pipes[way].send("step")
            seconds[way].append(pipes[way].recv())
    medians = {way: statistics.median(x) for way, x in seconds.items()}
    best = min(PRECISION, key=medians.__getitem__)
    pipes[best].send(min(rounds, 8))
    phases = pipes[best].recv()
    for pipe in pipes.values():
        pipe.send(None)
    return {
        "case": dataclasses.asdict(case),
        "device": device,
        "threads": threads,
        "rounds": rounds,
        "seconds": medians,
        "least_seconds": {way: min(x) for way, x in seconds.items()},
        "items_per_second": {way: case.batch / s for way, s in medians.items()},
        "ratio_to_ours": {
            ours: {
                way: quartiles([b / a for a, b in zip(seconds[ours], seconds[way], strict=True)])
                for way in WAYS
                if way not in PRECISION
            }
            for ours in PRECISION
        },
        "fastest_of_ours": best,
        "phases": phases,
        "flops": flops(case),
        "matrix_rates": rates,
    }


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return (lower quartile, median, upper quartile)."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def show(found: dict[str, Any]) -> None:
    """Print the tables of one case."""
    case = Case(**found["case"])
    print(
        f"\n{case.name}: {case.dim} channels, {case.prenet_depth} + {case.depth} blocks, "
        f"{case.tokens} tokens, {case.batch} pictures x {case.masks} masks, {found['device']}, "
        f"{found['threads']} threads, {found['rounds']} rounds"
    )
    print(
        f"{'':14} {'s/step':>8} {'pictures/s':>11} {'views/s':>9}   ours is faster by (quartiles)"
    )
    best = found["fastest_of_ours"]
    for way, seconds in found["seconds"].items():
        rate = found["items_per_second"][way]
        row = f"{way:14} {seconds:>8.3f} {rate:>11.1f} {rate * case.masks:>9.0f}"
        if way not in PRECISION:
            for ours in PRECISION:
                low, middle, high = found["ratio_to_ours"][ours][way]
                row += f"   {ours}: x {middle:.2f} ({low:.2f} to {high:.2f})"
        print(row)
    whole = sum(found["phases"].values())
    print(f"where the time of {best} goes:")
    for name, seconds in found["phases"].items():
        print(f"  {name:28} {1000 * seconds:>8.1f} ms {seconds / whole:>6.0%}")
    rate = found["flops"] / found["least_seconds"][best]
    print(f"{best}: {found['flops'] / 1e9:.1f} GFLOP a step, at best {rate / 1e9:.0f} GFLOP/s:")
    for name, peak in found["matrix_rates"].items():
        print(
            f"  {rate / peak:.0%} of {name} products of the same shapes ({peak / 1e9:.0f} GFLOP/s)"
        )


def main() -> None:
    """Print the tables, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=[case.name for case in CASES])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--json", action="store_true", help="one JSON document, nothing else")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = []
    for case in CASES:
        if options.size in (None, case.name):
            rounds = 4 if options.quick else case.rounds
            results.append(compare(case, rounds, options.threads, options.device))
            if not options.json:
                show(results[-1])
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
