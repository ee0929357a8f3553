"""The teacher: closed forms of the exponential average, and its schedule."""

import pytest
import torch
from torch import nn

from d2v_core.config import TeacherConfig
from d2v_core.errors import ConfigError
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


def test_no_part_of_the_teacher_is_trained():
    teacher = Teacher(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))

    assert not any(p.requires_grad for p in teacher.model.parameters())
    assert not teacher.model.training


def test_decay_must_not_fall():
    with pytest.raises(ConfigError, match="0 <= start <= end <= 1, got 0.9 and 0.5"):
        TeacherConfig(ema_decay_start=0.9, ema_decay_end=0.5)
