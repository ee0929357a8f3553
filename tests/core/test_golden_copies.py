"""The key values of the reference implementation, small enough to be in the tree.

The tests of the full set are in `test_golden_{image,audio,text}.py`; their settings and names are
used here.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from d2v_core.inputs import Inputs, with_mask
from d2v_core.learner import Learner
from d2v_core.modality_config import TargetConfig
from d2v_core.model import mean_valid
from d2v_core.objectives.data2vec2 import at_hidden
from d2v_core.objectives.objective import regression_loss
from d2v_core.targets import make_targets
from tests.core import test_golden_audio, test_golden_image, test_golden_text

CASES = {
    "image": (test_golden_image, test_golden_image.CONFIG, (8, 8)),
    "audio": (test_golden_audio, test_golden_audio.config(0), (49,)),
    "text": (test_golden_text, test_golden_text.CONFIG, (48,)),
}
ACTIVATIONS = {"rtol": 0, "atol": 2e-5}


@pytest.fixture(params=CASES)
def case(request):
    """Everything of one modality: values of the reference, our model with its weights, inputs."""
    modality = request.param
    module, config, grid = CASES[modality]
    golden = load_file(Path(__file__).parent / "golden" / f"{modality}.safetensors")
    learner = Learner(config).eval()
    missing = learner.load_state_dict(module.under(golden, "init.student."), strict=False)
    assert [name for name in missing.missing_keys if not name.endswith("extra")] == []
    assert missing.unexpected_keys == []
    if modality == "image":
        name = "init.student.modality_encoders.IMAGE.fixed_positional_encoder.positions"
        ours = learner.student.prenets["image"].tokens.positions
        torch.testing.assert_close(ours, golden[name][0], rtol=0, atol=1e-6)
    tokens = golden["input.precomputed_mask"].shape[1]
    inputs = Inputs(golden["input.source"], torch.tensor([tokens, tokens]), grid)
    inputs = with_mask(inputs, golden["input.precomputed_mask"].bool())
    return SimpleNamespace(
        modality=modality, golden=golden, config=config.of(modality), inputs=inputs, learner=learner
    )


def layers(case):
    return [case.golden[f"target.layer{n}"] for n in (1, 2, 3)]


def test_the_last_layer_of_whole_items(case):
    student = case.learner.student
    states = student.encode(case.modality, student.embed(case.modality, case.inputs), case.inputs)

    torch.testing.assert_close(states.output, case.golden["features.x"], **ACTIVATIONS)


def test_predictions_of_masked_items(case):
    student, extra = case.learner.student, case.learner.student.extra_tokens(case.modality)
    tokens = student.embed(case.modality, case.inputs)
    encoded = student.encode_visible(case.modality, tokens, case.inputs).output
    predicted = case.learner.objectives[case.modality].decoder(encoded[:, extra:], case.inputs)
    expected = case.golden["decoder.pred"][case.inputs.mask]

    torch.testing.assert_close(predicted, expected, **ACTIVATIONS)


def test_targets_from_the_teachers_layers(case):
    target = make_targets(layers(case), case.config.target, valid=None)

    torch.testing.assert_close(target, case.golden["target.y"], **ACTIVATIONS)


def test_sums_of_losses(case):
    name = f"loss.{case.modality.upper()}_regression.sum"
    predicted = case.golden["decoder.pred"][case.inputs.mask]
    wanted = at_hidden(case.golden["target.y"], case.inputs)

    assert len(wanted) == case.golden["loss.sample_size"].item()
    ours = regression_loss(predicted, wanted, case.config).sum().item()
    assert ours == pytest.approx(case.golden[name].item(), rel=1e-5)


@pytest.mark.parametrize("case", ["image"], indirect=True)
def test_the_cls_loss_grows_with_rows_there_and_not_here(case):
    token = case.golden["student.block3.out"][:, 0]
    mean = mean_valid(case.golden["target.y"], None).repeat_interleave(3, dim=0)
    error = regression_loss(token, mean, case.config)
    theirs = case.golden["loss.cls.sum"].item() / case.golden["loss.sample_size"].item()

    assert 0.01 * error.sum().item() == pytest.approx(theirs, rel=1e-5)
    assert case.config.cls_weight * error.mean().item() == pytest.approx(theirs, rel=1e-5)


def test_the_comparison_can_fail(case):
    """The control: with one layer less in the average, targets are others."""
    fewer = make_targets(layers(case)[1:], TargetConfig(layers=2), valid=None)

    assert (fewer - case.golden["target.y"]).abs().max() > 0.1
