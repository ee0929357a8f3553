"""Cross-modal latent prediction: the target, both directions, and no way into the teacher."""

import dataclasses

import pytest
import torch

from d2v_core.config import PairConfig, RunConfig, TrunkConfig
from d2v_core.data.batches import Collator
from d2v_core.inputs import Paired
from d2v_core.learner import Learner
from d2v_core.modality_config import TargetConfig
from d2v_core.objectives.contrastive import meetings
from d2v_core.objectives.latent import LatentPrediction, pooled_target
from d2v_core.teacher import Teacher
from tests.core.small import DEPTH, DIM, SETTINGS, item, redrawn

ITEMS = 5
MODALITIES = ("image", "audio", "text")
WAYS = {"image-audio", "audio-image", "image-text", "text-image", "audio-text", "text-audio"}
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def config_of(layers=2, **pairs):
    """Return a run of all three modalities."""
    target = TargetConfig(layers=layers)
    return RunConfig(
        image=dataclasses.replace(SETTINGS["image"], target=target),
        audio=dataclasses.replace(SETTINGS["wave"], target=target),
        text=dataclasses.replace(SETTINGS["text"], target=target),
        trunk=TrunkConfig(dim=DIM, depth=DEPTH, heads=4),
        pairs=PairConfig(**({"fraction": 1.0, "weight": 0.0, "latent_weight": 3.0} | pairs)),
    )


class Scene:
    """A learner, a teacher, and paired items of different lengths."""

    def __init__(self, **settings):
        self.config = config_of(**settings)
        self.learner = redrawn(Learner(self.config))
        self.latent = self.learner.latent
        self.student = self.learner.student
        self.teacher = Teacher(self.student).model
        inputs = {
            m: Collator(self.config, m)([item(self.config.of(m), 3 + n) for n in range(ITEMS)])
            for m in MODALITIES
        }
        self.paired = Paired(inputs, tuple(meetings(self.config)))

    def pooled(self):
        return {m: self.student.pooled_layers(m, x)[-1] for m, x in self.paired.inputs.items()}

    def run(self):
        return self.latent(self.pooled(), self.teacher, self.paired)

    def target(self, modality):
        return pooled_target(self.teacher, modality, self.paired.inputs[modality])


@pytest.fixture
def scene():
    return Scene()


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_targets_are_the_means_of_the_last_layers_made_equal_over_items(modality, layers):
    """Item by item over its own tokens, at the second layer of the MLP of each block."""
    scene, outputs = Scene(layers=layers), []
    for block in scene.teacher.trunks[modality].blocks:
        block.mlp.fc2.register_forward_hook(lambda _fc2, _x, y: outputs.append(y))
    target = scene.target(modality)
    extra, lengths = scene.student.extra_tokens(modality), scene.paired.inputs[modality].lengths
    expected = torch.zeros(ITEMS, DIM)
    for y in outputs[-layers:]:
        means = torch.stack(
            [y[n, extra : extra + length].mean(0) for n, length in enumerate(lengths)]
        )
        variance, mean = torch.var_mean(means, dim=0, correction=0)
        expected += (means - mean) / (variance + 1e-5).sqrt() / layers

    torch.testing.assert_close(target, expected, **CLOSE)
    assert modality == "image" or len(set(lengths.tolist())) == ITEMS


@pytest.mark.parametrize("modality", MODALITIES)
def test_targets_of_one_layer_have_mean_0_and_variance_1_over_items(modality):
    target = Scene(layers=1).target(modality)

    torch.testing.assert_close(target.mean(dim=0), torch.zeros(DIM), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        target.var(dim=0, correction=0), torch.ones(DIM), rtol=0, atol=0.02
    )  # less by what is added to small variances


def test_what_all_items_have_in_common_is_no_part_of_the_target(scene):
    """A constant added to every ffn output of the last block, however large, is taken out."""
    before = scene.target("text")
    with torch.no_grad():
        scene.teacher.trunks["text"].blocks[-1].mlp.fc2.bias += 5

    torch.testing.assert_close(scene.target("text"), before, rtol=0, atol=1e-3)


def test_both_directions_of_every_pair_are_predicted(scene):
    outcome = scene.run()

    assert set(outcome.losses) == set(scene.latent.heads) == WAYS
    assert set(outcome.statistics) == {f"{way}/explained" for way in WAYS}


def test_a_hub_predicts_and_is_predicted():
    hub = LatentPrediction(config_of(between=(("image", "audio"), ("image", "text"))))

    assert set(hub.heads) == {way for way in WAYS if "image" in way}


def test_each_loss_is_the_mean_squared_error_of_its_head(scene):
    pooled, outcome = scene.pooled(), scene.run()
    for way in WAYS:
        a, b = way.split("-")
        wanted = scene.target(b)
        error = (scene.latent.heads[way](pooled[a]) - wanted).square().mean()

        torch.testing.assert_close(outcome.losses[way], 3.0 / 6 * error)
        explained = 1 - error / wanted.square().mean()
        torch.testing.assert_close(outcome.statistics[f"{way}/explained"], explained.detach())


def test_a_perfect_prediction_costs_nothing_and_explains_all(scene):
    for way in WAYS:
        wanted = scene.target(way.split("-")[1])
        scene.latent.heads[way].forward = lambda _x, wanted=wanted: wanted
    outcome = scene.run()

    assert outcome.total.item() == pytest.approx(0, abs=1e-10)
    assert all(x.item() == pytest.approx(1) for x in outcome.statistics.values())


def test_predicting_nothing_explains_nothing(scene):
    for head in scene.latent.heads.values():
        for parameter in head[-1].parameters():
            torch.nn.init.zeros_(parameter)

    for explained in scene.run().statistics.values():
        assert explained.item() == pytest.approx(0, abs=1e-6)


def test_gradients_reach_all_of_the_student_and_nothing_of_the_teacher(scene):
    """The teacher is given parameters that could learn; no gradient comes that far."""
    scene.teacher.requires_grad_(True)
    scene.run().total.backward()
    parts = {**dict(scene.student.named_parameters()), **dict(scene.latent.named_parameters())}
    silent = [k for k, p in parts.items() if p.numel() and (p.grad is None or not p.grad.any())]

    assert silent == []
    assert all(p.grad is None for p in scene.teacher.parameters())
    assert not scene.target("audio").requires_grad


def test_it_is_one_of_the_learners_terms(scene):
    outcome = scene.learner(scene.teacher, {}, scene.paired)

    assert set(outcome.losses) == {f"latent/{way}" for way in WAYS}
    torch.testing.assert_close(outcome.total, scene.run().total)
