"""The teacher: closed forms of the exponential average, and its schedule."""

import json
import math

import pytest
import torch
from torch import nn

from d2v_core.config import TeacherConfig
from d2v_core.errors import ConfigError
from d2v_core.presets import preset
from d2v_core.teacher import Teacher, ema_decay


def test_a_constant_student_is_approached_geometrically():
    """With a fixed student s, n steps give s + τⁿ (t₀ − s) exactly."""
    student = nn.Linear(3, 2, bias=False)
    start = student.weight.detach().clone()
    teacher = Teacher(student)
    nn.init.constant_(student.weight, 5.0)
    for _ in range(10):
        teacher.follow(student, decay=0.999)
    (weight,) = teacher.model.parameters()

    torch.testing.assert_close(weight.data, 5.0 + 0.999**10 * (start - 5.0))


def test_ten_steps_from_0_towards_1():
    student = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(student.weight)
    teacher = Teacher(student)
    nn.init.ones_(student.weight)
    for _ in range(10):
        teacher.follow(student, decay=0.999)

    assert next(teacher.model.parameters()).item() == pytest.approx(0.00995512, abs=1e-8)


def test_a_moving_student_is_averaged_with_weights_that_the_schedule_gives():
    """θ(n) = Π τᵢ θ(0) + Σᵢ (1 − τᵢ) Πⱼ﹥ᵢ τⱼ sᵢ, with τ rising linearly and then constant."""
    config = TeacherConfig(ema_decay_start=0.5, ema_decay_end=0.9, ema_anneal_steps=4)
    decays = [0.6, 0.7, 0.8, 0.9, 0.9, 0.9]
    student = nn.Linear(3, 2)
    start = [p.detach().clone().double() for p in student.parameters()]
    teacher, seen = Teacher(student), []
    for step in range(1, 7):
        for parameter in student.parameters():
            nn.init.normal_(parameter)
        seen.append([p.detach().clone().double() for p in student.parameters()])
        teacher.follow(student, decay=ema_decay(step, config))

    weights = [(1 - t) * math.prod(decays[n + 1 :]) for n, t in enumerate(decays)]
    assert math.prod(decays) + sum(weights) == pytest.approx(1)
    for n, ours in enumerate(teacher.model.parameters()):
        expected = math.prod(decays) * start[n]
        expected += sum(w * s[n] for w, s in zip(weights, seen, strict=True))
        torch.testing.assert_close(ours.double(), expected, rtol=0, atol=1e-6)


def test_a_teacher_that_keeps_everything_stands_still_and_one_that_keeps_nothing_copies():
    student = nn.Linear(3, 2)
    teacher = Teacher(student)
    start = [p.clone() for p in teacher.model.parameters()]
    nn.init.normal_(student.weight)
    teacher.follow(student, decay=1.0)
    assert all(torch.equal(a, b) for a, b in zip(teacher.model.parameters(), start, strict=True))

    teacher.follow(student, decay=0.0)
    pairs = zip(teacher.model.parameters(), student.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_bf16_student_still_moves_the_teacher():
    """1 − 1e-5 is 1 in bf16: 10,000 steps would be lost if the teacher were kept in it."""
    student = nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    nn.init.zeros_(student.weight)
    teacher = Teacher(student)
    nn.init.ones_(student.weight)
    for _ in range(10_000):
        teacher.follow(student, decay=1 - 1e-5)

    assert next(teacher.model.parameters()).item() == pytest.approx(
        1 - (1 - 1e-5) ** 10_000, rel=1e-3
    )


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.9998), (1000, 0.9998019), (50_000, 0.999895), (100_000, 0.99999), (10**7, 0.99999)],
)
def test_decay_is_linear_then_constant(step, expected):
    config = TeacherConfig(ema_decay_start=0.9998, ema_decay_end=0.99999, ema_anneal_steps=100_000)

    assert ema_decay(step, config) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("start", "end", "anneal", "step", "expected"),
    [
        (0.9998, 0.99999, 100_000, 0, 0.9998),
        (0.9998, 0.99999, 100_000, 1_000, 0.9998019),
        (0.9998, 0.99999, 100_000, 50_000, 0.999895),
        (0.9998, 0.99999, 100_000, 100_000, 0.99999),
        (0.999, 0.99999, 75_000, 37_500, 0.999495),
        (0.9999, 0.99999, 100_000, 50_000, 0.999945),
        (0.999, 0.9999, 0, 0, 0.9999),
    ],
)
def test_decays_of_the_published_recipes(start, end, anneal, step, expected):
    config = TeacherConfig(ema_decay_start=start, ema_decay_end=end, ema_anneal_steps=anneal)

    assert ema_decay(step, config) == pytest.approx(expected, abs=1e-12)


def test_decays_that_the_reference_used(shared_file):
    """One table a modality, from the first update to long after the last of the schedule."""
    tables = json.loads(shared_file("golden/base_shapes.json").read_text())["ema_schedule"][
        "tables"
    ]
    assert [table["modality"] for table in tables] == ["image", "audio", "text"]
    for table in tables:
        base = preset(f"base-{table['modality']}").teacher
        config = TeacherConfig(
            ema_decay_start=table["start"],
            ema_decay_end=table["end"],
            ema_anneal_steps=table["anneal_end_step"],
        )
        assert config == base
        for step, decay in table["points"].items():
            assert ema_decay(int(step), config) == pytest.approx(decay, abs=1e-12)


def test_no_part_of_the_teacher_is_trained():
    teacher = Teacher(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))

    assert not any(p.requires_grad for p in teacher.model.parameters())
    assert not teacher.model.training


def test_decay_must_not_fall():
    with pytest.raises(ConfigError, match="0 <= start <= end <= 1, got 0.9 and 0.5"):
        TeacherConfig(ema_decay_start=0.9, ema_decay_end=0.5)
