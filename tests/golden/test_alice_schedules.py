"""What changes during Alice's training, against the released schedules. Their ends are read off the arrays."""

import numpy as np

from voxelbench.methods.alice.teacher import Teaching
from voxelbench.settings import Optimiser, Schedule
from voxelbench.training.schedule import learning_rate, weight_decay

TEACHER = {"prototypes": "shared", "buffers": "own"}


def end_of_cosine(values):
    """Return where half a cosine ends that begins with `values[0]` and was cut before its end."""
    share = (1 + np.cos(np.pi * (len(values) - 1) / len(values))) / 2
    return (values[-1] - share * values[0]) / (1 - share)


def test_learning_rate(golden, certify):
    rates = golden("alice_schedules")["lr"]
    repeated = int(np.abs(np.diff(rates)).argmin())  # by the last step of the warm-up and the first of the cosine
    warmup, peak = repeated + 1, rates[repeated]
    schedule = Schedule(warmup="closed", warmup_steps=warmup, min_lr=end_of_cosine(rates[warmup:]))
    ours = [learning_rate(step, len(rates), peak, schedule) for step in range(len(rates))]
    certify("alice_schedules", "learning rate, from the peak to the minimum", ours, rates, atol=1e-15)


def test_weight_decay(golden, certify):
    decays = golden("alice_schedules")["wd"]
    optimiser = Optimiser(lr=1.0, weight_decay=decays[0], weight_decay_end=end_of_cosine(decays))
    ours = [weight_decay(step, len(decays), optimiser) for step in range(len(decays))]
    certify("alice_schedules", "weight decay", ours, decays, atol=1e-12)


def test_momentum(golden, certify):
    momenta = golden("alice_schedules")["mom"]
    teaching = Teaching(**TEACHER, momentum=momenta[0], temperature=(1.0, 1.0), temperature_epochs=1)
    ours = [teaching.momentum_after(step / len(momenta)) for step in range(len(momenta))]
    certify("alice_schedules", "teacher's momentum", ours, momenta, atol=1e-12)


def test_teacher_temperature(golden, certify):
    arrays = golden("alice_loss")
    temperatures = arrays["temp_schedule"]
    n_epochs = 1 + int(np.argmax(temperatures == temperatures[-1]))
    ends = temperatures[0], temperatures[-1]
    teaching = Teaching(**TEACHER, momentum=1.0, temperature=ends, temperature_epochs=n_epochs)
    ours = [teaching.temperature_in(epoch) for epoch in range(len(temperatures))]
    certify("alice_loss", "teacher's temperature by epoch", ours, temperatures, atol=1e-15)
