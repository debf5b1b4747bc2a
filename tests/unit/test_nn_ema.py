import torch
from torch import nn

from voxelbench.nn.ema import follow, teacher_of


def test_teacher_starts_equal_and_takes_no_gradient():
    student = nn.Linear(2, 3)
    teacher = teacher_of(student)
    assert torch.equal(teacher.weight, student.weight)
    assert teacher.weight is not student.weight
    assert student.weight.requires_grad
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_follows_parameters_and_leaves_buffers():
    student, teacher = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(student.weight, 3.0)
    student.running_mean += 5
    follow(teacher, student, momentum=0.75)
    torch.testing.assert_close(teacher.weight.detach(), torch.full((2,), 1.5))
    assert not teacher.running_mean.any()
