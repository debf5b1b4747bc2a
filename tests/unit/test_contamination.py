"""The gate: exact copies, patients under other ids, near duplicates, and records that say so."""

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from voxelbench import config, paths, registry
from voxelbench.cli import main
from voxelbench.contamination.descriptor import describe
from voxelbench.contamination.exact import voxel_sha256
from voxelbench.contamination.gate import match, write_gate
from voxelbench.contamination.header import patient_key, same_grid
from voxelbench.contamination.near import SAME, likeness
from voxelbench.contamination.record import CaseVerdict, Report, read_report
from voxelbench.data.cache import write_volume
from voxelbench.data.grid import to_grid
from voxelbench.data.manifest import Row, write_manifest
from voxelbench.data.phantom import blur
from voxelbench.data.phantom_brain import draw_head, draw_tissue

VOLUMES = arrays(np.int16, st.tuples(*[st.integers(2, 5)] * 3), elements=st.integers(-1024, 3071))
SIGNS = st.tuples(*[st.sampled_from((1, -1))] * 3)


@given(VOLUMES, st.permutations(range(3)), SIGNS, st.sampled_from([np.int16, np.int32, np.float32, np.float64]))
def test_a_copy_in_another_orientation_and_type_has_the_same_hash(volume, order, signs, dtype):
    """Axes in any order and direction, as their affine says; back in RAS it is the same scan."""
    affine = np.eye(4)
    copy = volume.astype(dtype).transpose(order)[:: signs[0], :: signs[1], :: signs[2]]
    turned = np.zeros((4, 4))
    turned[3, 3] = 1
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        turned[source, axis] = sign * affine[source, source]
    assert voxel_sha256(to_grid(copy, turned, "native", is_label=False)[0]) == voxel_sha256(volume)


@given(VOLUMES, SIGNS)
def test_a_copy_that_lost_its_orientation_has_the_same_hash(volume, signs):
    assert voxel_sha256(volume[:: signs[0], :: signs[1], :: signs[2]]) == voxel_sha256(volume)


@given(VOLUMES, st.data())
def test_one_other_voxel_is_another_hash(volume, data):
    index = tuple(data.draw(st.integers(0, length - 1)) for length in volume.shape)
    changed = volume.copy()
    changed[index] += 1
    assert voxel_sha256(changed) != voxel_sha256(volume)


def test_the_shape_counts_and_the_sign_of_zero_does_not():
    volume = np.zeros((2, 3, 4), np.float32)
    assert voxel_sha256(-volume) == voxel_sha256(volume)
    assert voxel_sha256(volume.reshape(4, 3, 2)) != voxel_sha256(volume)


@pytest.mark.parametrize(
    ("dataset", "patient", "key"),
    [
        ("brats21", "BraTS2021_00004", "brats:00004"),
        ("brats23", "BraTS-GLI-00004", "brats:00004"),
        ("brats23", "BraTS-MEN-00004", "brats23:BraTS-MEN-00004"),
        ("btcv", "img0001", "btcv:img0001"),
    ],
)
def test_a_cohort_shares_its_patients(dataset, patient, key):
    assert patient_key(registry.dataset_card(dataset), patient) == key


def test_a_grid_is_the_same_to_a_micrometre():
    affine = np.diag([0.8, 0.8, 3.0, 1.0])
    moved = affine.copy()
    moved[0, 3] += 0.0005
    assert same_grid((4, 5, 6), affine, (4, 5, 6), moved)
    moved[0, 3] += 0.01
    assert not same_grid((4, 5, 6), affine, (4, 5, 6), moved)
    assert not same_grid((4, 5, 6), affine, (4, 5, 7), affine)


@pytest.fixture(scope="module")
def brains():
    """Return three brains of the generator of the twins: volume and spacing of each."""

    def brain(seed):
        rng = np.random.RandomState(seed)
        space = draw_head(rng, 3.4)
        seen = blur(np.array([0, 30, 80, 110, 88], np.float32)[draw_tissue(space, rng)], space.spacing_mm, 4.0)
        return seen + rng.standard_normal(seen.shape), space.spacing_mm

    return [brain(seed) for seed in range(3)]


def zoomed(volume, spacing, factors):
    out = ndimage.zoom(volume, [1 / factor for factor in factors], order=1, grid_mode=True, mode="nearest")
    return out, tuple(step * a / b for step, a, b in zip(spacing, volume.shape, out.shape, strict=True))


CHANGES = {
    "resampled": lambda volume, spacing: zoomed(volume, spacing, (1.2, 1.2, 1.2)),
    "thick slices": lambda volume, spacing: zoomed(volume, spacing, (1, 1, 2)),
    "cropped in z": lambda volume, spacing: (volume[:, :, 20:42], spacing),
    "cropped": lambda volume, spacing: (volume[7:48, 10:51, 5:40], spacing),
    "windowed to 8 bit": lambda volume, spacing: (((volume.clip(20, 100) - 20) * 255 / 80).astype(np.uint8), spacing),
    "noisy": lambda volume, spacing: (volume + 4 * np.random.RandomState(9).standard_normal(volume.shape), spacing),
    "float16": lambda volume, spacing: (volume.astype(np.float16), spacing),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_like_its_scan_and_like_no_other(brains, change):
    (own, *others) = [describe(*brain) for brain in brains]
    copy = describe(*CHANGES[change](*brains[0]))
    assert likeness(own, copy) >= 2 * SAME
    assert max(likeness(other, copy) for other in others) < SAME


def test_likeness_is_high_for_a_scan_itself_and_low_for_other_patients_mirrored_or_not(brains):
    described = [describe(*brain) for brain in brains]
    mirrored = [describe(volume[::-1], spacing) for volume, spacing in brains]
    for index, one in enumerate(described):
        assert likeness(one, one) > 0.95
        for number, (other, mirror) in enumerate(zip(described, mirrored, strict=True)):
            if number != index:
                assert likeness(one, other) < SAME and likeness(one, mirror) < SAME


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 40, 40), (40, 40, 4), (20, 30, 25)])
def test_a_blank_or_tiny_scan_is_like_nothing(brains, shape):
    blank = describe(np.full(shape, -1000, np.int16), (4.0, 4.0, 4.0))
    assert likeness(blank, describe(*brains[0])) == likeness(describe(*brains[0]), blank) == likeness(blank, blank) == 0
    tiny = describe(np.random.RandomState(0).standard_normal(shape), (1.0, 1.0, 1.0))
    assert likeness(describe(*brains[0]), tiny) < SAME


def test_without_spacing_two_copies_are_still_alike(brains):
    volume = np.tile(brains[0][0], (1, 1, 2))
    assert likeness(describe(volume, None), describe(volume[:, :, 10:70], None)) >= SAME


@pytest.fixture
def prepare(checkout):
    """Return a function that writes a prepared dataset of named volumes, one channel each."""

    def write(dataset, volumes):
        card = registry.dataset_card(dataset)
        folder = paths.prepared(config.read_config().data_root, dataset, "phantom", "native")
        folder.mkdir(parents=True)
        rows = []
        for name, volume in volumes.items():
            write_volume(folder / f"{name}.image.h5", volume[None])
            affine = (2.0, 0, 0, 0, 0, 2.0, 0, 0, 0, 0, 3.0, 0, 0, 0, 0, 1)
            names = (f"{name}.image.h5", "", None, card.modality, card.channels, card.units, (2.0, 2.0, 3.0))
            rows.append(Row(name, name, *names, volume.shape, affine, volume.shape, affine, "", f"{name:0<64}"))
        write_manifest(paths.manifest(folder), rows)

    content = yaml.safe_load(paths.config_file().read_text())
    content["corpora"]["ct"]["members"] = [{"dataset": "msd_spleen", "channel": "ct"}]
    paths.config_file().write_text(yaml.safe_dump(content))
    config.read_config.cache_clear()
    return write


def noise(seed, shape=(9, 8, 7)):
    return np.random.RandomState(seed).randint(-1000, 1000, shape).astype(np.int16)


def test_the_gate_finds_a_copy_in_another_dataset(prepare):
    prepare("msd_spleen", {"spleen_2": noise(0), "spleen_3": noise(1), "spleen_6": noise(2)})
    prepare("btcv", {"img0035": noise(2)[::-1], "img0036": noise(4)})
    report = write_gate("ct", "btcv", "segmentation", 0, "demo")
    assert report.status == "overlap (1 case)" and report.overlap == {"img0035"}
    assert report.cases == (
        CaseVerdict("img0035", "exact", "msd_spleen/spleen_6"),
        CaseVerdict("img0036", "clean"),
    )
    path = paths.contamination("demo", corpus="ct", dataset="btcv", task="segmentation", fold=0)
    assert read_report(path) == report


def test_the_gate_tells_the_same_grid_from_a_crop(prepare, brains):
    """A copy with other values on its own grid is found by its header, one without the grid by its looks."""
    volume = (10 * brains[0][0]).astype(np.int16)
    other = (10 * brains[1][0]).astype(np.int16)
    prepare("msd_spleen", {"spleen_2": volume, "spleen_3": other})
    prepare("btcv", {"img0035": volume.clip(100, 900), "img0036": volume[5:], "img0037": other[:, :, ::-1] // 9})
    report = match("ct", "btcv", "segmentation", 0, "demo")
    assert [(case.verdict, case.partner) for case in report.cases] == [
        ("header", "msd_spleen/spleen_2"),
        ("near", "msd_spleen/spleen_2"),
        ("clean", ""),
    ]
    assert all(case.score > SAME for case in report.cases[:2])


def test_what_is_not_prepared_is_unknown(prepare):
    prepare("btcv", {"img0035": noise(3), "img0036": noise(4)})
    report = match("ct", "btcv", "segmentation", 0, "demo")
    assert report.status == "unknown" and not report.cases
    assert report.reason.startswith("msd_spleen is not prepared: there is no data/prepared/msd_spleen/phantom-native")
    assert match("pet", "adni", "classification", 0, "full").reason.startswith("gated: ")


def test_the_command_prints_what_it_found(prepare, capsys):
    prepare("msd_spleen", {"spleen_2": noise(0), "spleen_3": noise(1)})
    prepare("btcv", {"img0035": noise(0), "img0036": noise(4)})
    assert main(["contamination", "ct", "btcv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ct against btcv.segmentation, fold 0: overlap (1 case)",
        "test cases: 2; cases in the corpus: 1",
        "  img0035: exact msd_spleen/spleen_2",
    ]
    assert main(["contamination", "ctt", "btcv"]) == 1
    assert "there is no corpus 'ctt'. Did you mean 'ct'?" in capsys.readouterr().err
    assert main(["contamination", "ct", "luna16"]) == 1
    assert "luna16 has no task ''." in capsys.readouterr().err


def test_a_status_counts_cases():
    cases = (CaseVerdict("a", "near", "x/y", 0.9), CaseVerdict("b", "exact", "x/z"), CaseVerdict("c", "clean"))
    report = Report("demo", "ct", "btcv", "segmentation", 0, 2, cases)
    assert report.status == "overlap (2 cases)" and report.overlap == {"a", "b"}
