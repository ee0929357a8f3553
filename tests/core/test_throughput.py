"""Where 2.0 saves: the student works on what is visible, the teacher once for all masks."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from d2v_core.config import RunConfig, TrunkConfig
from d2v_core.inputs import Inputs, with_mask
from d2v_core.learner import Learner
from d2v_core.masking import draw_masks
from d2v_core.modality_config import ImageConfig, MaskConfig
from d2v_core.teacher import Teacher

ITEMS = 2


def learner_of(ratio, masks):
    mask = MaskConfig(ratio=ratio, inverse=True, masks=masks)
    return Learner(
        RunConfig(
            image=ImageConfig(mask=mask),
            trunk=TrunkConfig(dim=64, depth=3, prenet_depth=0, heads=2),
        )
    )


def batch(learner):
    inputs = Inputs(torch.randn(ITEMS, 3, 64, 64), torch.tensor([64] * ITEMS), (8, 8))
    generators = [torch.Generator().manual_seed(n) for n in range(ITEMS)]
    mask = learner.config.image.mask
    return with_mask(inputs, draw_masks(inputs.lengths, inputs.grid, mask, generators=generators))


def flops(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
def test_the_students_work_is_proportional_to_what_it_sees(ratio):
    """Linear layers only, so that attention's square does not blur it; CLS is one token more."""
    learner = learner_of(ratio, masks=3)
    inputs = batch(learner)
    tokens = learner.student.embed("image", inputs)
    work = flops(lambda: learner.student.encode_visible("image", tokens, inputs))
    seen = ITEMS * 3 * (1 + round(64 * (1 - ratio)))
    a_token = 3 * 2 * 12 * 64 * 64  # three blocks of 12 D² products, two operations each
    attention = work - seen * a_token

    assert attention >= 0
    assert attention < 0.35 * work


def test_the_teacher_runs_once_for_all_masks():
    one, many = learner_of(0.8, masks=1), learner_of(0.8, masks=8)
    works = []
    for learner in (one, many):
        objective, inputs = learner.objectives["image"], batch(learner)
        teacher = Teacher(learner.student).model
        tokens = learner.student.embed("image", inputs).detach()
        works.append(flops(lambda o=objective, t=teacher, x=tokens, i=inputs: o.targets(t, x, i)))

    assert works[0] == works[1]


def test_a_step_is_what_all_masks_share_and_so_much_for_each():
    """Backward included. Shared are the teacher's pass and the student's projection of patches."""

    def step(masks):
        learner = learner_of(0.8, masks)
        teacher, inputs = Teacher(learner.student).model, batch(learner)
        return flops(lambda: learner(teacher, {"image": inputs}, None).total.backward())

    each = step(2) - step(1)
    shared = step(1) - each
    learner = learner_of(0.8, 1)
    inputs = batch(learner)
    teacher = flops(
        lambda: learner.student.encode("image", learner.student.embed("image", inputs), inputs)
    )
    patches = flops(lambda: learner.student.embed("image", inputs))

    assert step(8) == shared + 8 * each
    assert shared == teacher + 2 * patches


def test_the_decoder_projects_masked_places_only():
    learner = learner_of(0.75, masks=1)
    inputs = batch(learner)
    states = learner.student.encode_visible("image", learner.student.embed("image", inputs), inputs)
    decoder = learner.objectives["image"].decoder
    seen = states.output[:, 1:]
    all_places = inputs._replace(hidden=torch.arange(ITEMS * 64))
    saved = flops(lambda: decoder(seen, all_places)) - flops(lambda: decoder(seen, inputs))

    assert saved == 2 * 128 * 64 * (ITEMS * 64 - len(inputs.hidden))
