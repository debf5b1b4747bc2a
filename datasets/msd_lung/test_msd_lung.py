def test_tumour_is_dense_and_small(write_twin, prepare):
    raw, card = write_twin("msd_lung")
    for case in prepare(raw, card, 6.0):
        volume, tumour = case.read()[0], case.label() == 1
        assert 0.0001 < tumour.mean() < 0.005
        assert volume[tumour].mean() > -400
