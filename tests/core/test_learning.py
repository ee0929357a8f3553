"""It learns: two hundred steps on made data make classes readable that were not.

The classes are made so that no average tells them: lines of any height and colour, melodies of any
pitch, sentences whose words are anagrams of each other. A linear probe on held-out items has to
read them better off the trained student than off the same student before training.
"""

import numpy as np
import pytest
import torch

from d2v_core.config import RunConfig, TeacherConfig, TrunkConfig
from d2v_core.data.batches import Collator
from d2v_core.learner import Learner
from d2v_core.modality_config import (
    ConvDecoderConfig,
    ImageConfig,
    MaskConfig,
    MelConfig,
    TargetConfig,
    TextConfig,
)
from d2v_core.monitor import effective_rank
from d2v_core.teacher import Teacher, copied_names, ema_decay

SIDE, FRAMES, BINS, CHARACTERS = 32, 96, 32, 64
ANAGRAMS = ("stop", "tops", "spot", "pots")
FILLERS = ("a", "the", "we", "see", "in", "red", "big", "may", "not")


def pictures(count, rng):
    """Level, wavy, rising and falling lines of any colour on any ground."""
    across, down = np.arange(SIDE), np.arange(SIDE)
    made, labels = [], rng.integers(4, size=count)
    for label in labels:
        slope = 0.4 * (across - SIDE / 2)
        path = (0 * slope, 3 * np.sin(across / 2), slope, -slope)[label] + rng.uniform(10, 22)
        line = np.exp(-((down[:, None] - path) ** 2) / 2)
        pixels = rng.uniform(-0.5, 0, 3) + line[..., None] * rng.uniform(0.5, 1, 3)
        pixels += rng.normal(0, 0.05, pixels.shape)
        made.append(torch.tensor(pixels.transpose(2, 0, 1), dtype=torch.float32))
    return made, labels


def sounds(count, rng):
    """Level, trilled, rising and falling tones."""
    time, bins = np.arange(FRAMES), np.arange(BINS)
    made, labels = [], rng.integers(4, size=count)
    for label in labels:
        slide = 0.15 * (time - FRAMES / 2)
        path = rng.uniform(8, 22) + (0 * slide, 4 * np.sin(time / 4), slide, -slide)[label]
        mel = 3 * np.exp(-((bins - path[:, None]) ** 2) / 2) - 1.5
        mel += rng.normal(0, 0.3, mel.shape)
        made.append(torch.tensor(mel, dtype=torch.float32))
    return made, labels


def sentences(count, rng):
    """One of four anagrams, four times, between other words."""
    made, labels = [], rng.integers(4, size=count)
    for label in labels:
        words = []
        for _ in range(4):
            words += [*rng.choice(FILLERS, rng.integers(1, 3)), ANAGRAMS[label]]
        made.append(torch.tensor(list(" ".join(words).encode())[:CHARACTERS]))
    return made, labels


GRID = {
    "mask": MaskConfig(ratio=0.75, length=3, adjust=0.07, inverse=True, masks=4),
    "target": TargetConfig(layers=3, average="layer"),
    "decoder": ConvDecoderConfig(layers=2, width=64),
}
CASES = {
    "image": (ImageConfig(size=SIDE, patch=4, smallest_crop=1.0, **GRID), pictures, 0.1),
    "audio": (
        MelConfig(
            bins=BINS,
            patch_frames=8,
            patch_bins=8,
            train_frames=FRAMES,
            max_frames=FRAMES,
            **GRID,
        ),
        sounds,
        0.2,
    ),
    "text": (
        TextConfig(
            mask=MaskConfig(ratio=0.5, length=3, adjust=0.05, masks=4),
            target=TargetConfig(layers=3),
            decoder=ConvDecoderConfig(layers=2, width=64, kernel=7),
            max_tokens=CHARACTERS,
            position_std=0.002,
        ),
        sentences,
        0.1,
    ),
}


class Course:
    """A student of one modality, what it is trained on, and the probe that it is examined with."""

    def __init__(self, modality, steps):
        config, make, _ = CASES[modality]
        self.modality, self.steps = modality, steps
        self.config = RunConfig(
            **{modality: config},
            trunk=TrunkConfig(dim=64, depth=3, prenet_depth=1, heads=4),
            teacher=TeacherConfig(
                ema_decay_start=0.98, ema_decay_end=0.999, ema_anneal_steps=steps
            ),
        )
        rng = np.random.default_rng(0)
        self.train, _ = make(600, rng)
        self.known, self.known_labels = make(300, rng)
        self.new, self.new_labels = make(300, rng)
        self.collate = Collator(self.config, modality)
        self.learner = Learner(self.config)

    def vectors(self, items):
        with torch.no_grad():
            pooled = self.learner.eval().student.pooled_layers(self.modality, self.collate(items))
        return pooled[-1]

    def examine(self):
        """Return accuracy of ridge regression onto the classes, on items not seen by anybody."""
        known, new = self.vectors(self.known), self.vectors(self.new)
        mean, std = known.mean(dim=0), known.std(dim=0) + 1e-6
        x, z = (known - mean) / std, (new - mean) / std
        wanted = torch.nn.functional.one_hot(torch.tensor(self.known_labels)).float()
        weights = torch.linalg.solve(
            x.T @ x + 3 * torch.eye(x.shape[1]), x.T @ (wanted - wanted.mean(dim=0))
        )
        right = (z @ weights).argmax(dim=1) == torch.tensor(self.new_labels)
        return right.float().mean().item()

    def run(self):
        """Train, and return what was found at the last step."""
        learner, rng = self.learner.train(), np.random.default_rng(1)
        teacher = Teacher(learner.student, copied=copied_names(learner.student, self.config))
        optimizer = torch.optim.AdamW(learner.parameters(), weight_decay=0.05)
        for step in range(1, self.steps + 1):
            rate = 2e-3 * min(1, step / 20) * (0.5 + 0.5 * np.cos(np.pi * step / self.steps))
            optimizer.param_groups[0]["lr"] = rate
            items = [self.train[n] for n in rng.integers(len(self.train), size=16)]
            seeds = [torch.Generator().manual_seed(100 * step + n) for n in range(16)]
            inputs = self.collate.masked(items, generators=seeds)
            outcome = learner(teacher.model, {self.modality: inputs}, None)
            optimizer.zero_grad()
            outcome.total.backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), 3.0)
            optimizer.step()
            teacher.follow(learner.student, decay=ema_decay(step, self.config.teacher))
        return outcome


@pytest.mark.slow
@pytest.mark.parametrize("modality", CASES)
def test_classes_become_readable(modality):
    course = Course(modality, steps=200)
    before = course.examine()
    outcome = course.run()
    after, margin = course.examine(), CASES[modality][2]

    assert np.isfinite(outcome.total.item())
    layers = course.config.of(modality).target.layers
    spread = outcome.statistics[f"{modality}/target_std"].item()
    assert 0.9 / layers**0.5 < spread < 1.01
    assert effective_rank(course.vectors(course.new)) > 1.5
    assert after > before + margin, f"{before:.3f} before, {after:.3f} after"
