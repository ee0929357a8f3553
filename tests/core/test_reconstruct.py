"""Masked reconstruction: what is predicted, of which places, and what is asked of whom."""

import dataclasses
import math

import pytest
import torch

from d2v_core.errors import ConfigError
from d2v_core.inputs import with_mask
from d2v_core.learner import Learner
from d2v_core.modality_config import (
    ConvDecoderConfig,
    MaskConfig,
    TransformerDecoderConfig,
)
from d2v_core.model import Student, tokens_of
from d2v_core.objectives import make_objective
from d2v_core.objectives.reconstruct import corrupt, normalised_patches
from tests.core.small import (
    DIM,
    SETTINGS,
    masked_batch,
    modality_of,
    redrawn,
    run_of,
    with_other,
)

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
DECODER = TransformerDecoderConfig(depth=1, dim=16, heads=2)
WORD_MASK = MaskConfig(ratio=0.5, masks=2)
pictures = pytest.mark.parametrize("name", ["image", "mel"])


def config_of(name, **changes):
    changes = {"objective": "reconstruct", "decoder": DECODER, "cls_weight": 0.0} | changes
    return run_of(name, trunk={"norm_first": True}, **changes)


class Scene:
    """A learner and a masked batch."""

    def __init__(self, name, **changes):
        self.config = config_of(name, **changes)
        self.modality = modality_of(name)
        self.settings = self.config.of(self.modality)
        self.learner = redrawn(Learner(self.config))
        self.student = self.learner.student
        self.objective = self.learner.objectives[self.modality]
        self.part = self.objective.part
        self.tokens = self.student.prenets[self.modality].tokens
        self.inputs = masked_batch(self.config, (7, 7) if name == "image" else (7, 4))
        self.teacher = Student(self.config)  # is not asked: it would say nothing but NaN
        for parameter in self.teacher.parameters():
            torch.nn.init.constant_(parameter, torch.nan)

    def outcome(self, inputs=None):
        inputs = self.inputs if inputs is None else inputs
        return self.objective(self.student, self.teacher, inputs)

    def run(self, inputs=None):
        return self.outcome(inputs).losses["reconstruction"]

    def predicting(self, wanted):
        """Make the decoder say something else."""
        self.part.decoder.forward = lambda _seen, _inputs: wanted

    def wanted(self):
        """Return the normalised patches at masked places, from the definition."""
        patches = self.tokens.patches(self.inputs.values)
        mean = patches.mean(dim=-1, keepdim=True)
        count = patches.shape[-1]
        variance = (patches - mean).square().sum(dim=-1, keepdim=True) / (count - 1)
        normal = (patches - mean) / (variance + 1e-6).sqrt()
        return normal.repeat_interleave(self.inputs.masks, dim=0)[self.inputs.mask]


@pytest.fixture
def scene(name):
    return Scene(name)


# Patches.


@pictures
def test_a_patch_has_the_values_that_its_token_is_made_of(name):
    """The tokens are the patches times the first layer's weights, whatever these are."""
    scene = Scene(name)
    proj = scene.tokens.proj
    values = scene.inputs.values
    expected = scene.tokens.patches(values) @ proj.weight.flatten(1).T + proj.bias

    torch.testing.assert_close(scene.tokens.features(values), expected, **CLOSE)


@pictures
def test_patches_come_in_reading_order_and_so_do_their_values(name):
    """A kernel that picks one value picks that column of the patches; numbers tell which it is."""
    settings = SETTINGS[name]
    tokens = tokens_of(settings, DIM)
    torch.nn.init.zeros_(tokens.proj.weight)
    torch.nn.init.zeros_(tokens.proj.bias)
    if name == "image":
        values = torch.arange(3.0 * 40 * 40).view(1, 3, 40, 40)
        tokens.proj.weight.data[0, 2, 3, 1] = 1  # of the third colour, row 3, column 1
        column, token = 2 * 64 + 3 * 8 + 1, 5 * 2 + 4  # the patch in row 2, column 4
        expected = 2 * 1600 + (2 * 8 + 3) * 40 + 4 * 8 + 1
    else:
        values = torch.arange(40.0 * 32).view(1, 40, 32)
        tokens.proj.weight.data[0, 0, 3, 1] = 1  # of frame 3, bin 1
        column, token = 3 * 8 + 1, 4 * 2 + 3  # the patch at frames 16 to 23, bins 24 to 31
        expected = (2 * 8 + 3) * 32 + 3 * 8 + 1

    assert tokens.patches(values)[0, token, column].item() == expected
    assert tokens.features(values)[0, token, 0].item() == expected
    torch.testing.assert_close(tokens.features(values)[..., 0], tokens.patches(values)[..., column])


def test_patches_are_normalised_by_their_unbiased_variance():
    patches = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [7.0, 7.0, 7.0, 7.0]]])  # variance 5/3, and 0
    step = 1 / math.sqrt(5 / 3 + 1e-6)
    expected = [[[-1.5 * step, -0.5 * step, 0.5 * step, 1.5 * step], [0.0] * 4]]

    torch.testing.assert_close(normalised_patches(patches), torch.tensor(expected))


@pictures
def test_the_loss_is_0_for_a_perfect_prediction_and_its_mean_square_else(name, scene):
    wanted = scene.wanted()
    scene.predicting(wanted)
    assert scene.run().item() == pytest.approx(0, abs=1e-10)

    scene.predicting(wanted + 0.5)
    assert scene.run().item() == pytest.approx(0.25, rel=1e-5)
    scene.predicting(torch.zeros_like(wanted))
    assert scene.run().item() == pytest.approx(wanted.square().mean().item(), rel=1e-5)
    changed = wanted.clone()
    changed[3, 5] += 2.0  # one value of one patch
    scene.predicting(changed)
    assert scene.run().item() == pytest.approx(4 / wanted.numel(), rel=1e-4)


@pictures
@pytest.mark.parametrize("decoder", [DECODER, ConvDecoderConfig(width=32, noise_std=0.0)])
def test_visible_patches_enter_the_prediction_and_masked_ones_the_target_only(name, decoder):
    """Given what was predicted, visible pixels change nothing; given the target, masked ones."""
    scene = Scene(name, decoder=decoder)
    inputs = with_mask(scene.inputs, scene.inputs.mask[:: scene.inputs.masks])
    kept = []
    scene.part.decoder.register_forward_hook(lambda _decoder, _x, y: kept.append(y.detach()))
    before = scene.run(inputs).item()
    hidden = with_other(inputs, inputs.mask, scene.settings)
    visible = with_other(inputs, ~inputs.mask, scene.settings)
    assert scene.run(hidden).item() != pytest.approx(before, rel=1e-3)
    scene.run(visible)
    assert torch.equal(kept[1], kept[0])
    assert (kept[2] - kept[0]).abs().max() > 0.01

    scene.predicting(kept[0])
    assert scene.run(visible).item() == before


@pictures
def test_only_visible_tokens_enter_the_encoder(name, scene):
    widths = []
    for block in scene.student.trunks[scene.modality].blocks:
        block.register_forward_hook(lambda _block, x, _y: widths.append(x[0].shape[1]))
    scene.run()

    assert set(widths) == {1 + scene.inputs.visible.ids.shape[1]}
    assert max(widths) < scene.inputs.tokens


def test_raw_sound_is_refused():
    with pytest.raises(
        ConfigError, match="reconstruct needs patches or words; for sounds take the mel front end"
    ):
        make_objective(config_of("wave"), "audio")


# Words.


def test_of_ten_masked_words_eight_are_holes_one_is_wrong_and_one_is_left():
    """100,000 words of a vocabulary of 100; four standard deviations either way."""
    words = torch.randint(100, (100, 1000))
    mask = torch.rand(words.shape) < 0.5
    corrupted, holes = corrupt(words, mask, 100)
    count = int(mask.sum())
    wrong, left = (corrupted != words) & ~holes, (corrupted == words) & mask & ~holes

    def within(found, share):
        return abs(int(found) - share * count) < 4 * math.sqrt(share * (1 - share) * count)

    assert not (holes & ~mask).any()
    assert torch.equal(corrupted[~mask], words[~mask])
    assert torch.equal(corrupted[holes], words[holes])
    assert within(holes.sum(), 0.8)
    assert within(wrong.sum(), 0.1 * 0.99)  # one in a hundred is right by chance
    assert within(left.sum(), 0.1 + 0.1 * 0.01)
    spread = torch.bincount(corrupted[wrong], minlength=100).float()
    assert (spread > 0).all()
    assert spread.var() < 1.4 * spread.mean()  # even, as of a fair die with 100 faces


def test_a_prediction_of_equal_odds_costs_the_logarithm_of_the_vocabulary():
    scene = Scene("text", mask=WORD_MASK)
    for parameter in scene.part.head[-1].parameters():
        torch.nn.init.zeros_(parameter)

    assert scene.run().item() == pytest.approx(math.log(256), rel=1e-6)


def test_a_sure_and_right_prediction_costs_nothing():
    scene = Scene("text", mask=WORD_MASK)
    words = scene.inputs.values.repeat_interleave(2, dim=0)[scene.inputs.mask]
    sure = torch.nn.functional.one_hot(words, 256).float() * 1000
    scene.part.head.forward = lambda _x: sure
    outcome = scene.outcome()
    assert outcome.total.item() == pytest.approx(0, abs=1e-6)
    assert outcome.statistics["accuracy"].item() == 1.0

    scene.part.head.forward = lambda _x: sure.roll(1, dims=1)
    outcome = scene.outcome()
    assert outcome.total.item() == pytest.approx(1000)
    assert outcome.statistics["accuracy"].item() == 0.0


def test_the_loss_is_of_masked_words_only():
    """Its gradient with respect to the student's output is 0 elsewhere."""
    scene = Scene("text", mask=WORD_MASK)
    outputs = []

    def keep(_trunk, _x, states):
        states.output.retain_grad()
        outputs.append(states.output)

    scene.student.trunks["text"].register_forward_hook(keep)
    scene.run().backward()

    touched = outputs[0].grad.abs().sum(dim=-1) > 0
    assert torch.equal(touched, scene.inputs.mask)


def test_what_stands_at_a_hole_is_hidden_and_what_is_left_is_seen(monkeypatch):
    """With all masked words holes they change only what is wanted; with none, the student too."""
    scene = Scene("text", mask=dataclasses.replace(WORD_MASK, masks=1))
    told = []
    scene.part.head.register_forward_hook(lambda _head, x, _y: told.append(x[0].detach()))
    other = with_other(scene.inputs, scene.inputs.mask, scene.settings)
    for fate, is_hidden in ((0.0, True), (0.85, False)):
        drawn = torch.full(scene.inputs.mask.shape, fate)
        monkeypatch.setattr(torch, "rand", lambda *_, drawn=drawn, **__: drawn)
        told.clear()
        scene.run()
        scene.run(other)
        assert torch.equal(told[0], told[1]) == is_hidden


@pytest.mark.parametrize("name", ["image", "mel", "text"])
def test_gradients_reach_everything_that_learns(name):
    scene = Scene(name, **({"mask": WORD_MASK} if name == "text" else {}))
    scene.run().backward()
    silent = [
        key
        for key, p in scene.learner.named_parameters()
        if p.numel() and (p.grad is None or not p.grad.any())
    ]

    assert silent == []


def test_items_weigh_by_their_masked_tokens():
    """The loss of a batch is the mean over its masked places, not a mean of the items' means."""
    scene = Scene("mel")
    inputs, sums = scene.inputs, 0.0
    for n in range(2):
        part = inputs._replace(values=inputs.values[n : n + 1], lengths=inputs.lengths[n : n + 1])
        mask = inputs.mask.unflatten(0, (2, -1))[n]
        sums += scene.run(with_mask(part, mask)).item() * int(mask.sum())
    counts = inputs.mask.sum(dim=1)

    assert counts[0] != counts[-1]
    assert scene.run().item() == pytest.approx(sums / int(counts.sum()), rel=1e-5)
