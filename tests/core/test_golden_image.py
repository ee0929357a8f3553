"""data2vec 2.0 for images against values computed by running the reference implementation.

Not one number here was computed by us: weights, inputs, masks, activations, targets, predictions,
losses, gradients and the teacher after three steps come from fairseq `examples/data2vec`.
"""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from d2v_core.config import RunConfig, TeacherConfig, TrunkConfig
from d2v_core.inputs import Inputs, with_mask
from d2v_core.learner import Learner
from d2v_core.modality_config import ConvDecoderConfig, ImageConfig, MaskConfig, TargetConfig
from d2v_core.teacher import Teacher

ROWS = 6
CONFIG = RunConfig(
    image=ImageConfig(
        size=32,
        patch=4,
        mask=MaskConfig(ratio=0.8, length=3, adjust=0.07, inverse=True, masks=3),
        decoder=ConvDecoderConfig(layers=3, kernel=3, width=32, groups=16, noise_std=0.0),
        # The reference sums over rows, we average: 0.01 there is 0.01 · rows here.
        cls_weight=0.01 * ROWS,
        target=TargetConfig(layers=3, average="layer"),
    ),
    trunk=TrunkConfig(dim=32, depth=4, prenet_depth=2, heads=4),
    teacher=TeacherConfig(ema_decay_start=0.9, ema_decay_end=0.9),
)
ACTIVATIONS = {"rtol": 0, "atol": 2e-5}


def our_name(theirs):
    """Return our name of one of the reference's parameters."""
    if theirs.startswith("blocks."):
        return f"student.trunks.image.{theirs}"
    name = theirs.removeprefix("modality_encoders.IMAGE.")
    if name.startswith("decoder.blocks."):
        number, _, kind = name.removeprefix("decoder.blocks.").split(".")
        return f"objectives.image.decoder.convs.{number}.{kind}"
    if name.startswith("decoder.proj."):
        return f"objectives.image.{name}"
    name = name.replace("context_encoder.blocks.", "blocks.blocks.")
    name = name.replace("context_encoder.norm.", "norm.")
    name = name.replace("local_encoder.proj.", "tokens.proj.").replace("extra_tokens", "extra")
    return f"student.prenets.image.{name}"


def under(tensors, prefix):
    return {
        our_name(name.removeprefix(prefix)): value
        for name, value in tensors.items()
        if name.startswith(prefix) and "positions" not in name
    }


@pytest.fixture
def golden(shared_file):
    return load_file(shared_file("golden/image.safetensors"))


@pytest.fixture
def learner(golden):
    learner = Learner(CONFIG)
    learner.load_state_dict(under(golden, "init.student."))
    positions = golden["init.student.modality_encoders.IMAGE.fixed_positional_encoder.positions"]
    learner.student.prenets["image"].tokens.positions.copy_(positions[0])
    return learner


@pytest.fixture
def teacher(golden, learner):
    teacher = Teacher(learner.student)
    state = under(golden, "init.ema.")
    teacher.model.load_state_dict({k.removeprefix("student."): v for k, v in state.items()})
    positions = golden["init.ema.modality_encoders.IMAGE.fixed_positional_encoder.positions"]
    teacher.model.prenets["image"].tokens.positions.copy_(positions[0])
    return teacher


@pytest.fixture
def inputs(golden):
    mask = golden["input.precomputed_mask"].bool()
    return with_mask(Inputs(golden["input.source"], torch.tensor([64, 64]), (8, 8)), mask)


def test_every_layer_of_the_whole_picture(golden, learner, inputs):
    student = learner.student
    states = student.encode("image", student.embed("image", inputs), inputs)

    torch.testing.assert_close(states.residual[-1], golden["features.x"], **ACTIVATIONS)
    for number, ffn in enumerate(states.ffn):
        torch.testing.assert_close(ffn, golden[f"features.ffn{number}"], **ACTIVATIONS)


def test_every_layer_of_the_masked_picture(golden, learner, inputs):
    """The reference keeps visible tokens in an arbitrary order; ours is that of reading."""
    student, ids = learner.student, golden["mask.ids_keep"]
    torch.testing.assert_close(inputs.visible.ids, ids.sort(dim=1).values)
    states = student.encode_visible("image", student.embed("image", inputs), inputs)
    encoded = states.output
    order = ids.argsort(dim=1)[..., None].expand(-1, -1, 32)
    theirs = golden["student.block3.out"]
    expected = torch.cat([theirs[:, :1], theirs[:, 1:].gather(1, order)], dim=1)

    torch.testing.assert_close(encoded, expected, **ACTIVATIONS)
    predicted = learner.objectives["image"].decoder(encoded[:, 1:], inputs)
    torch.testing.assert_close(predicted, golden["decoder.pred"][inputs.mask], **ACTIVATIONS)


def test_targets(golden, learner, teacher, inputs):
    target, _ = learner.objectives["image"].targets(
        teacher.model, learner.student.embed("image", inputs), inputs
    )

    torch.testing.assert_close(target, golden["target.y"], **ACTIVATIONS)


def test_losses_and_all_gradients(golden, learner, teacher, inputs):
    outcome = learner(teacher.model, {"image": inputs}, None)
    count = golden["loss.sample_size"].item()
    for ours, theirs in (("regression", "IMAGE_regression"), ("cls", "cls")):
        expected = golden[f"loss.{theirs}.sum"].item() / count
        assert outcome.losses[f"image/{ours}"].item() == pytest.approx(expected, rel=1e-5)
    outcome.total.backward()
    gradients = under(golden, "grad.")
    assert set(gradients) == {name for name, _ in learner.named_parameters()}

    for name, parameter in learner.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=2e-5)


def test_the_teacher_after_three_steps(golden, learner, teacher, inputs):
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        learner(teacher.model, {"image": inputs}, None).total.backward()
        optimizer.step()
        teacher.follow(learner.student, decay=0.9)
    expected = under(golden, "after3.ema.")
    for name, value in teacher.model.state_dict().items():
        torch.testing.assert_close(value, expected[f"student.{name}"], rtol=0, atol=2e-5)


def test_the_comparison_can_fail(golden, learner, teacher, inputs):
    """The control: with one layer more in the average, targets are others."""
    image = dataclasses.replace(CONFIG.image, target=TargetConfig(layers=4, average="layer"))
    other = Learner(dataclasses.replace(CONFIG, image=image))
    teacher.model.config = other.config
    target, _ = other.objectives["image"].targets(
        teacher.model, learner.student.embed("image", inputs), inputs
    )

    assert (target - golden["target.y"]).abs().max() > 0.1
