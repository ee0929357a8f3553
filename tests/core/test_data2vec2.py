"""data2vec 2.0: what targets are made of, what the losses are made of, what the teacher is."""

import dataclasses

import pytest
import torch

from d2v_core.inputs import Totals, with_mask
from d2v_core.learner import Learner
from d2v_core.modality_config import MaskConfig, TargetConfig
from d2v_core.objectives import data2vec2
from d2v_core.objectives.objective import regression_loss
from d2v_core.teacher import Teacher, copied_names
from tests.core.small import (
    DEPTH,
    DIM,
    MASKS,
    SETTINGS,
    batch_of,
    item,
    masked_batch,
    masks_of,
    modality_of,
    redrawn,
    run_of,
)

NAMES = ("image", "mel", "wave", "text")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
every_front_end = pytest.mark.parametrize("name", NAMES)


class Scene:
    """A learner, a teacher that has gone another way, and a masked batch."""

    def __init__(self, name, **changes):
        changes = {"cls_weight": 0.5 if name in ("image", "mel") else 0.0} | changes
        self.config = run_of(name, **changes)
        self.modality = modality_of(name)
        self.settings = self.config.of(self.modality)
        self.learner = redrawn(Learner(self.config))
        self.student = self.learner.student
        self.objective = self.learner.objectives[self.modality]
        self.teacher = Teacher(self.student, copied=copied_names(self.student, self.config))
        redrawn(self.learner, std=0.05)
        self.teacher.follow(self.student, decay=0.5)
        self.inputs = masked_batch(self.config, (7, 7) if name == "image" else (7, 4))

    def run(self, inputs=None):
        inputs = self.inputs if inputs is None else inputs
        return self.objective(self.student, self.teacher.model, inputs)

    def targets(self, inputs=None):
        inputs = self.inputs if inputs is None else inputs
        tokens = self.student.embed(self.modality, inputs)
        return self.objective.targets(self.teacher.model, tokens, inputs)[0]

    def blocks(self):
        return self.teacher.model.trunks[self.modality].blocks


@pytest.fixture
def scene(name):
    return Scene(name)


def masked(config, items, seed=0):
    inputs = batch_of(config, items)
    (modality,) = config.modalities
    return with_mask(inputs, masks_of(inputs, config.of(modality).mask, seed))


def norm(x, dim):
    variance, mean = torch.var_mean(x, dim=dim, correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def averaged(layers, inputs, *, extra, last):
    """Instance norm over an item's own tokens, mean over layers, layer norm if it is the last."""
    found = []
    for place, length in enumerate(inputs.lengths):
        y = sum(norm(x[place, extra : extra + length], 0) for x in layers) / len(layers)
        found.append(norm(y, 1) if last == "layer" else y)
    return found


# Targets.


@every_front_end
@pytest.mark.parametrize("last", [None, "layer"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_targets_are_the_mlp_outputs_of_the_last_blocks_of_the_trunk(name, last, count):
    """Hooked at the second layer of the MLP: before the skip, and none of the prenet's."""
    scene = Scene(name, target=TargetConfig(layers=count, average=last))
    mlp, whole = [], []
    for block in scene.blocks():
        block.mlp.fc2.register_forward_hook(lambda _fc2, _x, y: mlp.append(y))
        block.register_forward_hook(lambda _block, _x, y: whole.append(y[0]))
    target = scene.targets()
    extra = scene.student.extra_tokens(scene.modality)
    assert len(mlp) == len(whole) == DEPTH

    expected = averaged(mlp[-count:], scene.inputs, extra=extra, last=last)
    for ours, theirs in zip(target, expected, strict=True):
        torch.testing.assert_close(ours[: len(theirs)], theirs, **CLOSE)
    control = averaged(whole[-count:], scene.inputs, extra=extra, last=last)
    assert (target[0, : len(control[0])] - control[0]).abs().max() > 0.1
    control = averaged(mlp[:count], scene.inputs, extra=extra, last=last)
    assert count == DEPTH or (target[0, : len(control[0])] - control[0]).abs().max() > 0.1


@every_front_end
def test_targets_do_not_depend_on_the_masks(name, scene):
    """The teacher sees every item once, whole, however often it is masked and how."""
    widths = []
    for block in scene.blocks():
        block.register_forward_hook(lambda _block, x, _y: widths.append(tuple(x[0].shape)))
    target = scene.targets()
    other = masked_batch(scene.config, (7, 7) if name == "image" else (7, 4), seed=50)
    changed = with_mask(scene.inputs, other.mask)

    assert not torch.equal(changed.mask, scene.inputs.mask)
    assert torch.equal(scene.targets(changed), target)
    tokens = scene.student.extra_tokens(scene.modality) + scene.inputs.tokens
    assert set(widths) == {(2, tokens, DIM)}


@every_front_end
def test_targets_have_no_gradient_and_do_not_depend_on_the_students_mode(name):
    scene = Scene(name, dropout=0.3)
    tokens = scene.student.train().embed(scene.modality, scene.inputs)
    target, raw = scene.objective.targets(scene.teacher.model, tokens, scene.inputs)
    scene.student.eval()
    again, _ = scene.objective.targets(scene.teacher.model, tokens, scene.inputs)

    assert torch.equal(target, again)
    assert not target.requires_grad
    assert not raw.requires_grad
    assert not scene.teacher.model.training
    if name in ("image", "mel"):  # the others get the student's tokens, dropout and all
        assert torch.equal(scene.targets(), target)


@pytest.mark.parametrize("name", ["image", "mel"])
def test_targets_of_pictures_have_mean_0_and_spread_1_a_token(name):
    scene = Scene(name, target=TargetConfig(layers=3, average="layer"))
    own = scene.targets()[0]

    torch.testing.assert_close(own.mean(dim=1), torch.zeros(len(own)), rtol=0, atol=1e-6)
    spread = own.std(dim=1, correction=0)
    torch.testing.assert_close(spread, torch.ones(len(own)), rtol=0, atol=1e-3)


@every_front_end
@pytest.mark.parametrize("count", [1, 2, 3])
def test_averages_of_k_layers_have_mean_0_over_tokens_and_spread_from_1_over_root_k(name, count):
    scene = Scene(name, target=TargetConfig(layers=count))
    for place, length in enumerate(scene.inputs.lengths):
        own = scene.targets()[place, :length]

        torch.testing.assert_close(own.mean(dim=0), torch.zeros(DIM), rtol=0, atol=1e-5)
        spread = own.square().mean().sqrt().item()
        assert 0.9 * count**-0.5 < spread < 1.0001
        assert count > 1 or spread > 0.999


@every_front_end
@pytest.mark.parametrize("factor", [3.0, 50.0])
def test_the_scale_of_a_layers_ffn_output_does_not_matter(name, factor, scene):
    before = scene.targets()
    valid = scene.inputs.valid
    keep = ... if valid is None else valid
    with torch.no_grad():
        for parameter in scene.blocks()[-1].mlp.fc2.parameters():
            parameter *= factor

    torch.testing.assert_close(scene.targets()[keep], before[keep], rtol=0, atol=2e-3)
    with torch.no_grad():
        scene.blocks()[-1].mlp.fc2.weight[3] *= -1  # the control: a sign is no scale
    assert (scene.targets()[keep] - before[keep]).abs().max() > 0.1


# Losses.


def hidden_only(scene, monkeypatch, change):
    """Return the regression loss with targets changed at masked or at other places."""
    target = scene.targets()
    places = scene.inputs.mask.unflatten(0, (-1, MASKS)).any(dim=1)
    noise = torch.randn_like(target) * (places if change == "masked" else ~places)[..., None]
    changed = (target + noise, torch.zeros(()))
    monkeypatch.setattr(scene.objective, "targets", lambda *_: changed)
    return scene.run().losses["regression"].item()


@every_front_end
def test_the_loss_looks_at_targets_of_masked_places_only(name, monkeypatch):
    scene = Scene(name, mask=MaskConfig(ratio=0.3, masks=MASKS))
    before = scene.run().losses["regression"].item()

    assert hidden_only(scene, monkeypatch, "visible") == before
    monkeypatch.undo()
    assert abs(hidden_only(scene, monkeypatch, "masked") - before) > 0.01


@every_front_end
def test_the_loss_is_that_of_the_decoder_against_the_targets(name, scene):
    """By the definition: the sum of squares over channels by √D, its mean over masked places."""
    inputs, extra = scene.inputs, scene.student.extra_tokens(scene.modality)
    tokens = scene.student.embed(scene.modality, inputs)
    encoded = scene.student.encode_visible(scene.modality, tokens, inputs).output
    predicted = scene.objective.decoder(encoded[:, extra:], inputs)
    wanted = scene.targets().repeat_interleave(MASKS, dim=0)[inputs.mask]
    expected = (predicted - wanted).square().sum() / DIM**0.5 / inputs.mask.sum()
    outcome = scene.run()

    torch.testing.assert_close(outcome.losses["regression"], expected, **CLOSE)
    assert ("cls" in outcome.losses) == bool(extra)
    if extra:
        means = [y[:n].mean(dim=0) for y, n in zip(scene.targets(), inputs.lengths, strict=True)]
        error = encoded[:, 0] - torch.stack(means).repeat_interleave(MASKS, dim=0)
        expected = 0.5 * error.square().sum(dim=1).mean() / DIM**0.5
        torch.testing.assert_close(outcome.losses["cls"], expected, **CLOSE)


@pytest.mark.parametrize(("scale", "factor"), [("root", DIM**0.5), ("sum", DIM), ("mean", 1)])
def test_a_tokens_loss_is_so_many_times_the_mean_squared_error(scale, factor):
    settings = dataclasses.replace(SETTINGS["text"], loss_scale=scale)
    x, y = torch.randn(7, DIM), torch.randn(7, DIM)
    ratio = regression_loss(x, y, settings) / (x - y).square().mean(dim=1)

    torch.testing.assert_close(ratio, torch.full((7,), float(factor)))


@every_front_end
def test_parts_of_a_step_add_up_to_the_whole(name):
    """Losses and gradients; each part is padded to its own longest item, and masks as many."""
    scene = Scene(name)
    items = [item(scene.settings, size) for size in ((7, 7) if name == "image" else (7, 4))]
    whole = masked(scene.config, items)
    outcome = scene.run(whole)
    outcome.total.backward()
    gradients = {k: p.grad.clone() for k, p in scene.learner.named_parameters() if p.numel()}
    totals = Totals(float(whole.mask.sum()), len(whole.mask))
    scene.learner.zero_grad()
    parts = []
    for n in range(2):
        part = masked(scene.config, items[n : n + 1], seed=n)._replace(totals=totals)
        parts.append(scene.run(part))
        parts[n].total.backward()
        assert name == "image" or part.tokens == part.lengths[0]

    for key, value in outcome.losses.items():
        torch.testing.assert_close(sum(part.losses[key] for part in parts), value, **CLOSE)
    for key, gradient in gradients.items():
        torch.testing.assert_close(scene.learner.get_parameter(key).grad, gradient, **CLOSE)
    counts = whole.mask.sum(dim=1)
    assert name == "image" or counts[0] != counts[-1]


@pytest.mark.parametrize("name", ["image", "mel"])
def test_the_weight_of_cls_is_of_a_mean_over_rows(name, scene):
    """Twice the items or twice the masks leave it as it is; the reference's sum would double."""
    inputs = scene.inputs
    once = scene.run().losses["cls"].item()
    items = inputs._replace(
        values=inputs.values.repeat_interleave(2, dim=0),
        lengths=inputs.lengths.repeat_interleave(2),
    )
    mask = inputs.mask.unflatten(0, (-1, MASKS)).repeat_interleave(2, dim=0).flatten(0, 1)
    masks = inputs.mask.repeat_interleave(2, dim=0)

    assert scene.run(with_mask(items, mask)).losses["cls"].item() == pytest.approx(once, rel=1e-5)
    assert scene.run(with_mask(inputs, masks)).losses["cls"].item() == pytest.approx(once, rel=1e-5)


@every_front_end
def test_gradients_reach_all_of_the_student_and_nothing_of_the_teacher(name, scene):
    scene.run().total.backward()
    parameters = {k: p for k, p in scene.learner.named_parameters() if p.numel()}

    assert [k for k, p in parameters.items() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for p in scene.teacher.model.parameters())


def test_a_batch_without_masks_is_refused():
    scene = Scene("text")
    with pytest.raises(ValueError, match="this batch has no masks"):
        scene.run(scene.inputs._replace(mask=None, visible=None, hidden=None))


# The teacher.


@every_front_end
def test_the_teacher_has_no_decoder_and_the_same_fixed_positions(name, scene):
    names = {k for k, _ in scene.teacher.model.named_parameters()}
    assert names == {k for k, _ in scene.student.named_parameters()}
    assert not any("decoder" in k for k in names)
    assert any("decoder" in k for k, _ in scene.learner.named_parameters())

    fixed = dict(scene.teacher.model.named_buffers())
    assert bool(fixed) == (name != "text")
    for key, theirs in scene.student.named_buffers():
        assert torch.equal(fixed[key], theirs)
        assert fixed[key] is not theirs


@every_front_end
def test_what_makes_tokens_is_shared_where_published(name, scene):
    """Texts and raw sound: the student's own tokens. Pictures and spectrograms: the teacher's."""
    shares = name in ("wave", "text")
    target = scene.targets()
    keep = ... if scene.inputs.valid is None else scene.inputs.valid
    redrawn(scene.teacher.model.prenets[scene.modality].tokens, std=0.5)
    assert torch.equal(scene.targets(), target) == shares
    redrawn(scene.student.prenets[scene.modality].tokens, std=0.5)

    if shares:
        assert (scene.targets()[keep] - target[keep]).abs().max() > 0.1
    else:
        moved = scene.targets()
        redrawn(scene.student.prenets[scene.modality].tokens, std=0.5)
        assert torch.equal(scene.targets(), moved)


def test_the_students_dropout_is_the_teachers_input_for_texts(monkeypatch):
    """The same draw, as in the reference; and no dropout of the teacher's own."""
    scene = Scene("text", dropout=0.5)
    scene.learner.train()
    given = []
    real = data2vec2.teacher_targets

    def keep(modality, teacher, tokens, inputs):
        given.append(tokens)
        return real(modality, teacher, tokens, inputs)

    monkeypatch.setattr(data2vec2, "teacher_targets", keep)
    embedded = []
    scene.student.prenets["text"].tokens.dropout.register_forward_hook(
        lambda _dropout, _x, y: embedded.append(y.detach())
    )
    scene.run()

    assert len(embedded) == 1
    assert torch.equal(given[0], embedded[0])
    assert (given[0] == 0).float().mean().item() == pytest.approx(0.5, abs=0.06)
