import numpy as np


def test_spleen_lies_on_the_left(write_twin, prepare):
    raw, card = write_twin("msd_spleen")
    for case in prepare(raw, card, 6.0):
        middle = case.shape[0] / 2
        assert np.argwhere(case.label())[:, 0].mean() < middle - 5
