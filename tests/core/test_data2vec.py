"""data2vec 1.0: who sees what, what is predicted, and what the loss is made of."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from d2v_core.inputs import with_mask
from d2v_core.learner import Learner
from d2v_core.modality_config import MaskConfig, TargetConfig
from d2v_core.objectives import data2vec
from d2v_core.objectives.data2vec import make_head
from d2v_core.objectives.objective import regression_loss
from d2v_core.teacher import Teacher, copied_names
from tests.core.small import (
    DEPTH,
    DIM,
    SETTINGS,
    masked_batch,
    modality_of,
    redrawn,
    run_of,
    with_other,
)

PUBLISHED = {
    "image, relative": {
        "patch": 5,  # 8 x 8 of them: rectangles have 16 at least
        "mask": MaskConfig(ratio=0.6, shape="beit", masks=1),
        "target": TargetConfig(layers=2, tap="resid", per_layer="layer", average="layer"),
        "loss_beta": 2.0,
        "loss_scale": "mean",
    },
    "mel": {
        "mask": MaskConfig(ratio=0.6, length=2, masks=2),
        "target": TargetConfig(layers=2, average="layer"),
    },
    "wave": {"mask": MaskConfig(ratio=0.65, shape="spans", length=4, masks=1)},
    "text": {
        "mask": MaskConfig(ratio=0.35, shape="clipped-spans", length=4, masks=2),
        "target": TargetConfig(layers=2, per_layer="layer"),
        "loss_beta": 4.0,
        "loss_scale": "sum",
        "head_layers": 2,
    },
}
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
every_front_end = pytest.mark.parametrize("name", PUBLISHED)


def config_of(name, **changes):
    return run_of(name, objective="data2vec", cls_weight=0.0, **(PUBLISHED[name] | changes))


class Scene:
    """A learner, a teacher that has gone another way, and a masked batch.

    What enters the loss is kept in `predicted` and `wanted`.
    """

    def __init__(self, name, monkeypatch, **changes):
        self.config = config_of(name, **changes)
        self.modality = modality_of(name)
        self.settings = self.config.of(self.modality)
        self.learner = redrawn(Learner(self.config))
        self.student = self.learner.student
        self.objective = self.learner.objectives[self.modality]
        self.teacher = Teacher(self.student, copied=copied_names(self.student, self.config))
        redrawn(self.learner, std=0.05)
        self.teacher.follow(self.student, decay=0.5)
        sizes = (7, 7) if self.modality == "image" else (7, 4)
        self.inputs = masked_batch(self.config, sizes)
        monkeypatch.setattr(data2vec, "regression_loss", self.keep)

    def keep(self, predicted, wanted, config):
        self.predicted, self.wanted = predicted, wanted
        return regression_loss(predicted, wanted, config)

    def run(self, inputs=None):
        inputs = self.inputs if inputs is None else inputs
        return self.objective(self.student, self.teacher.model, inputs)

    def teachers_layers(self, inputs):
        """Return the layers that targets are made of, the teacher left alone with the batch."""
        teacher, extra = self.teacher.model, self.student.extra_tokens(self.modality)
        states = teacher.encode(self.modality, teacher.embed(self.modality, inputs), inputs)
        taken = states.residual[1:] if self.settings.target.tap == "resid" else states.ffn
        return [x[:, extra:] for x in taken[-self.settings.target.layers :]]


@pytest.fixture
def scene(name, monkeypatch):
    return Scene(name, monkeypatch)


def norm(x, dims):
    variance, mean = torch.var_mean(x, dim=dims, correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


@every_front_end
def test_targets_are_the_average_of_the_teachers_normalised_layers(name, scene):
    """Item by item and without its padding; by the formulas themselves."""
    scene.run()
    target, inputs = scene.settings.target, scene.inputs
    unmasked = inputs._replace(mask=None, visible=None, hidden=None)
    layers = scene.teachers_layers(unmasked)
    expected = []
    for row, mask in enumerate(inputs.mask):
        place = row // inputs.masks
        own = [x[place, : inputs.lengths[place]] for x in layers]
        over = 0 if target.per_layer == "instance" else 1  # over tokens, or over channels
        y = sum(norm(x, over) for x in own) / len(own)
        y = norm(y, 1) if target.average == "layer" else y
        expected.append(y[mask[: len(y)]])

    assert len(scene.wanted) == inputs.mask.sum()
    torch.testing.assert_close(scene.wanted, torch.cat(expected), **CLOSE)


@every_front_end
def test_the_teacher_sees_each_whole_item_once_and_the_student_each_view(name, scene):
    shapes = {"teacher": [], "student": []}
    for who, model in (("teacher", scene.teacher.model), ("student", scene.student)):
        for block in model.trunks[scene.modality].blocks:
            block.register_forward_hook(
                lambda _block, x, _y, who=who: shapes[who].append(tuple(x[0].shape))
            )
    scene.run()
    width = scene.student.extra_tokens(scene.modality) + scene.inputs.tokens

    assert shapes["teacher"] == [(2, width, DIM)] * DEPTH
    assert shapes["student"] == [(2 * scene.inputs.masks, width, DIM)] * DEPTH


def test_what_is_not_masked_changes_the_targets_of_texts(monkeypatch):
    """The released code shows its teacher masked words only; the paper and we show it all."""
    scene = Scene("text", monkeypatch)
    inputs = with_mask(scene.inputs, scene.inputs.mask[::2])
    scene.run(inputs)
    before = scene.wanted
    scene.run(with_other(inputs, ~inputs.mask, scene.settings))

    assert (scene.wanted - before).abs().amax(dim=1).min() > 0.01


@pytest.mark.parametrize("name", ["image, relative", "mel", "text"])
def test_what_is_masked_changes_the_targets_and_nothing_that_the_student_does(name, scene):
    inputs = with_mask(scene.inputs, scene.inputs.mask[:: scene.inputs.masks])
    scene.run(inputs)
    predicted, wanted = scene.predicted, scene.wanted
    scene.run(with_other(inputs, inputs.mask, scene.settings))
    assert torch.equal(scene.predicted, predicted)
    assert not torch.allclose(scene.wanted, wanted, atol=0.01)

    scene.run(with_other(inputs, ~inputs.mask, scene.settings))
    assert not torch.allclose(scene.predicted, predicted, atol=0.01)


def test_masked_features_of_sound_change_nothing_that_the_student_does(monkeypatch):
    scene = Scene("wave", monkeypatch)
    inputs, masked = scene.inputs, scene.inputs.mask[..., None]
    features = scene.student.embed("audio", inputs)
    other = torch.randn_like(features)

    def output(features):
        return scene.objective.masked.encode(
            scene.student, "audio", inputs, features=features
        ).output

    assert torch.equal(output(torch.where(masked, other, features)), output(features))
    changed = output(torch.where(masked, features, other))
    assert not torch.allclose(changed, output(features), atol=0.01)


def test_a_mask_vector_that_is_a_word_makes_that_word_of_every_masked_one(monkeypatch):
    scene = Scene("text", monkeypatch, mask=MaskConfig(ratio=0.35, length=4, masks=1))
    inputs = scene.inputs
    with torch.no_grad():
        scene.objective.masked.vector.copy_(
            scene.student.prenets["text"].tokens.embedding.weight[77]
        )
    ours = scene.objective.masked.encode(scene.student, "text", inputs).output
    told = inputs._replace(values=inputs.values.masked_fill(inputs.mask, 77))
    expected = scene.student.encode("text", scene.student.embed("text", told), told).output

    torch.testing.assert_close(ours[inputs.valid], expected[inputs.valid])


@pytest.mark.parametrize("name", ["image, relative", "mel"])
def test_a_mask_vector_that_is_an_empty_patch_empties_every_masked_one(name, scene):
    """An empty patch gives the bias of the first layer; its position is added as to any other."""
    inputs = with_mask(scene.inputs, scene.inputs.mask[:: scene.inputs.masks])
    tokens = scene.student.prenets[scene.modality].tokens
    with torch.no_grad():
        scene.objective.masked.vector.copy_(tokens.proj.bias)
    ours = scene.objective.masked.encode(scene.student, scene.modality, inputs).output
    empty = with_other(inputs, inputs.mask, scene.settings, torch.zeros_like(inputs.values))
    embedded = scene.student.embed(scene.modality, empty)
    expected = scene.student.encode(scene.modality, embedded, empty).output

    torch.testing.assert_close(ours, expected, **CLOSE)


@every_front_end
def test_the_loss_is_of_masked_places_only(name, scene):
    """Its value by the definition, from the student's output there; others get no gradient."""
    extra, inputs = scene.student.extra_tokens(scene.modality), scene.inputs
    outputs = []

    def keep(_trunk, _x, states):
        states.output.retain_grad()
        outputs.append(states.output)

    scene.student.trunks[scene.modality].register_forward_hook(keep)
    outcome = scene.run()
    outcome.total.backward()
    (output,) = outputs
    predicted = scene.objective.head(output[:, extra:][inputs.mask])
    torch.testing.assert_close(scene.predicted, predicted)

    beta, size = scene.settings.loss_beta, (predicted - scene.wanted).abs()
    error = torch.where(size < beta, size**2 / (2 * beta), size - beta / 2) if beta else size**2
    divisor = {"mean": DIM, "root": DIM**0.5, "sum": 1}[scene.settings.loss_scale]
    expected = error.sum() / divisor / inputs.mask.sum()
    assert outcome.losses["regression"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert outcome.total.item() == outcome.losses["regression"].item()

    touched = output.grad.abs().sum(dim=-1) > 0
    assert torch.equal(touched[:, extra:], inputs.mask)
    assert not touched[:, :extra].any()


@every_front_end
def test_gradients_reach_all_of_the_student_and_nothing_of_the_teacher(name, scene):
    scene.run().total.backward()
    parameters = {k: p for k, p in scene.learner.named_parameters() if p.numel()}

    assert [k for k, p in parameters.items() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for p in scene.teacher.model.parameters())
    assert not scene.wanted.requires_grad


def test_a_batch_without_masks_is_refused(monkeypatch):
    scene = Scene("text", monkeypatch)
    with pytest.raises(ValueError, match="this batch has no masks"):
        scene.run(scene.inputs._replace(mask=None, visible=None, hidden=None))


# The loss of a token.


@pytest.mark.parametrize("beta", [0.0, 2.0, 4.0])
@pytest.mark.parametrize(("scale", "divisor"), [("mean", 16), ("root", 4), ("sum", 1)])
def test_the_loss_of_a_token_is_torchs_times_its_scale(beta, scale, divisor):
    settings = dataclasses.replace(SETTINGS["image"], loss_beta=beta, loss_scale=scale)
    x, y = 5 * torch.randn(20, 16), 5 * torch.randn(20, 16)
    error = F.smooth_l1_loss(x, y, beta=beta, reduction="none") if beta else (x - y) ** 2

    ours = regression_loss(x, y, settings)
    torch.testing.assert_close(ours, error.sum(dim=1) / divisor)
    torch.testing.assert_close(ours, error.mean(dim=1) * 16 / divisor)


@pytest.mark.parametrize(
    ("beta", "difference", "expected"),
    [(2.0, 1.0, 0.25), (2.0, 3.0, 2.0), (2.0, -5.0, 4.0), (4.0, 2.0, 0.5), (4.0, -10.0, 8.0)],
)
def test_smooth_l1_is_square_within_beta_and_straight_beyond(beta, difference, expected):
    settings = dataclasses.replace(SETTINGS["image"], loss_beta=beta, loss_scale="sum")

    loss = regression_loss(torch.tensor([[difference]]), torch.zeros(1, 1), settings)
    assert loss.item() == pytest.approx(expected)


def test_the_loss_is_computed_in_fp32():
    """The square of 1 − 2⁻⁷ needs 14 bits; bf16 has 8."""
    x = torch.full((1, 16), 1 + 2**-7, dtype=torch.bfloat16)
    loss = regression_loss(x, torch.ones(1, 16, dtype=torch.bfloat16) * 2, SETTINGS["image"])

    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(16 * (1 - 2**-7) ** 2 / 4, rel=1e-6)


# The head, and what the teacher shares.


@pytest.mark.parametrize(
    ("layers", "count"), [(1, DIM * DIM + DIM), (2, 2 * DIM * DIM + 2 * DIM + 2 * DIM * DIM + DIM)]
)
def test_heads_of_one_layer_and_of_two(layers, count):
    head = make_head(DIM, layers)
    objective = Learner(config_of("text", head_layers=layers)).objectives["text"]

    for module in (head, objective.head):
        assert sum(p.numel() for p in module.parameters()) == count
    x = torch.randn(3, DIM)
    is_linear = torch.allclose(head(2 * x) - head(x), head(3 * x) - head(2 * x), atol=1e-6)
    assert is_linear == (layers == 1)


@pytest.mark.parametrize(
    ("name", "objective", "copied"),
    [
        ("wave", "data2vec", ("prenets.audio.tokens.", "prenets.audio.positions.")),
        ("wave", "data2vec2", ("prenets.audio.tokens.",)),
        ("text", "data2vec", ("prenets.text.",)),
        ("text", "data2vec2", ("prenets.text.",)),
        ("image, relative", "data2vec", ()),
        ("mel", "data2vec", ()),
    ],
)
def test_what_the_teacher_shares_is_copied_and_all_else_is_averaged(name, objective, copied):
    config = config_of(name)
    modality = modality_of(name)
    settings = dataclasses.replace(config.of(modality), objective=objective)
    config = dataclasses.replace(config, **{modality: settings})
    student = Learner(config).student
    teacher = Teacher(student, copied=copied_names(student, config))
    before = {k: p.clone() for k, p in teacher.model.named_parameters()}
    redrawn(student)
    teacher.follow(student, decay=0.75)

    for key, theirs in student.named_parameters():
        mine = teacher.model.get_parameter(key)
        kept = 0.0 if copied and key.startswith(copied) else 0.75
        torch.testing.assert_close(mine, kept * before[key] + (1 - kept) * theirs)
        assert not theirs.numel() or not torch.equal(before[key], theirs)
