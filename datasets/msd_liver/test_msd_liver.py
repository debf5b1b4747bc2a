import numpy as np


def test_lesions_are_darker_than_the_liver(write_twin, prepare):
    raw, card = write_twin("msd_liver")
    cases = [(case.read()[0], case.label()) for case in prepare(raw, card, 6.0)]
    liver, lesion = (np.median(np.concatenate([ct[label == value] for ct, label in cases])) for value in (1, 2))
    assert lesion < liver - 10
