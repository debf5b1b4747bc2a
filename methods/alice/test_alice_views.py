"""Alice's views: which points they are taken from, what matches them, and what a crop shows."""

import json
import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.ndimage import map_coordinates

from voxelbench.data import manifest
from voxelbench.data.cache import read_volume, write_volume
from voxelbench.data.case import Case
from voxelbench.data.foreground import foreground_box
from voxelbench.data.intensity import scale
from voxelbench.errors import ConfigError, DataError
from voxelbench.methods.alice import miners
from voxelbench.methods.alice.embeddings import read_embedding
from voxelbench.methods.alice.matching import Embedding, Lattice, Search
from voxelbench.methods.alice.miners import Mining, mine
from voxelbench.methods.alice.places import AnatomicalPlace, Match, RelativePlace, SameVolume
from voxelbench.methods.alice.relative import RelativePosition, correlation, cube
from voxelbench.methods.alice.scan import Scan, draw_point
from voxelbench.settings import IntensityRule
from voxelbench.validation import parse

RULES = {"CT": IntensityRule(kind="window", low=-125, high=225), "MRI": IntensityRule(kind="zscore")}
SETTINGS = {
    "miner": "relpos", "body_above": {"CT": 0.0, "MRI": 0.0}, "min_score": 0.7, "tries": 101, "keep": "last",
    "margin": 10, "embeddings": None, "covers": ["CT"], "coordinates": "physical", "patch": 5,
}  # fmt: skip
ROI = (12, 9, 8)


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def mining(**override):
    return Mining(**{**SETTINGS, **override})


def stored_case(folder, name, volume, spacing_mm=(0.8, 1.1, 2.5), modality="CT"):
    path = folder / f"{name}.h5"
    write_volume(path, volume[None].astype(np.float32))
    return Case(name, name, modality, ("image",), ("",), spacing_mm, np.eye(4), volume.shape, path)


def body(rng, shape, corner, length):
    """Make a volume of air, and in it a box of tissue with a pattern of blocks of 2 voxels."""
    volume = np.full(shape, -1000.0, np.float32)
    blocks = rng.uniform(-100, 200, -(-np.array(length) // 2))
    inside = tuple(slice(a, a + n) for a, n in zip(corner, length, strict=True))
    volume[inside] = np.kron(blocks, np.ones((2, 2, 2)))[tuple(slice(n) for n in length)]
    return volume


@pytest.fixture
def pair(tmp_path, rng):
    """Two bodies in volumes of unequal shape and spacing."""
    first = body(rng, (30, 24, 19), (4, 3, 2), (22, 18, 15))
    second = body(rng, (23, 31, 27), (2, 5, 6), (18, 24, 20))
    return stored_case(tmp_path, "a", first), stored_case(tmp_path, "b", second, (1.2, 0.7, 1.5))


# Points and crops.


def test_points_are_drawn_above_the_floor_of_their_modality(rng):
    volume = np.linspace(0, 1, 7 * 5 * 3, dtype=np.float32).reshape(7, 5, 3)
    assert min(volume[draw_point(volume, 0, rng, 0.6)] for _ in range(200)) > 0.6


def test_points_are_bright_voxels_off_the_upper_borders_and_all_of_these(rng):
    volume = np.zeros((9, 7, 6), np.float32)
    volume[1:, 2:5, 3:] = 1
    drawn = {draw_point(volume, 2, rng) for _ in range(2000)}
    assert drawn == set(map(tuple, np.argwhere(volume[:7, :5, :4] > 0)))


def test_any_point_of_a_dark_volume_will_do_that_is_off_the_upper_borders(rng):
    drawn = np.array([draw_point(np.zeros((5, 4, 3)), 1, rng) for _ in range(10)])
    assert len(np.unique(drawn, axis=0)) > 5 and (drawn.max(0) < (4, 3, 2)).all()


def test_any_point_will_do_where_an_axis_is_as_short_as_the_margin(rng):
    drawn = {draw_point(np.zeros((5, 4, 3)), 3, rng) for _ in range(1000)}
    assert drawn == set(np.ndindex(5, 4, 3))


@given(st.tuples(*(st.integers(0, n - 1) for n in (14, 11, 7))), st.tuples(*(st.integers(1, 16) for _ in range(3))))
def test_a_crop_shows_the_voxels_around_its_centre_and_zero_beyond_the_volume(centre, size):
    volume = np.random.RandomState(1).uniform(1, 2, (14, 11, 7)).astype(np.float32)
    scan = Scan(Case("a", "a", "CT", ("image",), ("",), None, np.eye(4), volume.shape, Path("a.h5")), RULES["CT"])
    scan.volume = volume
    crop = scan.crop(centre, size)
    assert crop.shape == (1, *size)
    for index in np.ndindex(size):
        voxel = tuple(p - n // 2 + i for p, n, i in zip(centre, size, index, strict=True))
        is_inside = all(0 <= v < n for v, n in zip(voxel, volume.shape, strict=True))
        assert crop[(0, *index)] == (volume[voxel] if is_inside else 0)


@pytest.mark.parametrize("modality", ["CT", "MRI"])
def test_a_crop_is_scaled_alike_whether_or_not_the_volume_was_read(tmp_path, pair, modality):
    volume = pair[0].read()[0]
    case = stored_case(tmp_path, "c", volume, modality=modality)
    whole, alone = Scan(case, RULES[modality]), Scan(case, RULES[modality])
    np.testing.assert_array_equal(whole.volume, scale(volume[None], [RULES[modality]])[0])
    np.testing.assert_array_equal(alone.crop((3, 20, 9), ROI), whole.crop((3, 20, 9), ROI))


def test_of_a_window_only_the_crop_is_read(monkeypatch, pair):
    boxes = []
    monkeypatch.setattr("voxelbench.data.case.read_volume", lambda *args: boxes.append(args[2]) or read_volume(*args))
    Scan(pair[0], RULES["CT"]).crop((3, 20, 9), ROI)
    assert boxes == [(slice(0, 9), slice(16, 24), slice(5, 13))]


# Relative position.


def test_relative_position_is_exact_on_a_scaled_copy(tmp_path, rng):
    factors = (3, 1, 2)
    small = body(rng, (17, 15, 13), (2, 1, 3), (11, 12, 8))
    large = small
    for axis, factor in enumerate(factors):
        large = np.repeat(large, factor, axis)
    query, anchor = (
        Scan(stored_case(tmp_path, name, volume), RULES["CT"])
        for name, volume in (
            ("small", small),
            ("large", np.pad(large, ((4, 0), (0, 6), (1, 2)), constant_values=-1000)),
        )
    )
    miner = RelativePlace(query, anchor, 5)
    for point in map(tuple, np.argwhere(query.volume > 0)[::50]):
        match = miner.match(point)
        assert match.point == tuple(f * p + f // 2 + a for p, f, a in zip(point, factors, (4, 0, 1), strict=True))
        assert match.score == pytest.approx(1, abs=1e-6)


@given(st.data())
def test_carried_voxels_hold_the_same_share_of_the_box(data):
    starts, lengths = (
        data.draw(st.tuples(*(st.tuples(*(st.integers(low, 20) for _ in range(3))) for _ in range(2))))
        for low in (0, 1)
    )
    boxes = [
        tuple(slice(a, a + n) for a, n in zip(start, length, strict=True))
        for start, length in zip(starts, lengths, strict=True)
    ]
    inside = np.array([data.draw(st.integers(s.start, s.stop - 1)) for s in boxes[0]])
    carried = RelativePosition(*boxes).carry(inside)
    share = (inside - starts[0] + 0.5) / lengths[0]
    assert ((carried - starts[1]) / lengths[1] <= share + 1e-9).all()
    assert (share <= (carried + 1 - starts[1]) / lengths[1] + 1e-9).all()


def test_the_score_of_a_relative_place_is_how_alike_both_places_look(pair):
    query, anchor = (Scan(case, RULES["CT"]) for case in pair)
    point, there = (11, 9, 8), RelativePosition(*(foreground_box("", scan.volume, 0) for scan in (query, anchor)))
    voxels = [np.add(point, (x - 1, y - 1, z - 1)) for x, y, z in np.ndindex(3, 3, 3)]
    ours = [query.volume[tuple(voxel)] for voxel in voxels]
    theirs = [anchor.volume[tuple(there.carry(voxel))] for voxel in voxels]
    expected = np.corrcoef(ours, theirs)[0, 1]
    assert RelativePlace(query, anchor, 3).match(point).score == pytest.approx(expected, abs=1e-6)
    assert abs(expected) < 0.9


def test_the_same_volume_answers_with_the_point(pair):
    query = Scan(pair[0], RULES["CT"])
    assert SameVolume(query).match((3, 4, 5)) == ((3, 4, 5), 1.0)


def test_a_point_off_the_body_finds_the_nearest_voxel(tmp_path, pair, rng):
    filled = stored_case(tmp_path, "filled", body(rng, (12, 11, 10), (0, 0, 0), (12, 11, 10)))
    query, anchor = (Scan(case, RULES["CT"]) for case in (pair[0], filled))
    assert RelativePlace(query, anchor, 5).match((29, 0, 0)).point == (11, 0, 0)


def test_correlation_reference(rng):
    ours, theirs = rng.rand(27), rng.rand(27)
    a, b = ours - ours.mean(), theirs - theirs.mean()
    assert correlation(ours, theirs) == pytest.approx((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()), abs=1e-12)
    assert correlation(np.full(27, 0.1), theirs) == correlation(ours, np.ones(27)) == 0


def test_a_cube_is_centred():
    assert sorted(map(tuple, cube(3))) == sorted((x - 1, y - 1, z - 1) for x, y, z in np.ndindex(3, 3, 3))


# Embeddings.


def random_embedding(rng, cells, coarse, channels=6):
    fine = rng.randn(channels, *cells)
    return fine / np.linalg.norm(fine, axis=0), rng.randn(channels - 2, *coarse)


def resized(maps, size):
    """Sample (C, z, y, x) at the centres of `size` cells, trilinearly, in double precision."""
    axes = [(np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip(maps.shape[1:], size, strict=True)]
    places = np.meshgrid(*axes, indexing="ij")
    return np.stack([map_coordinates(channel, places, order=1, mode="nearest") for channel in maps])


@pytest.mark.parametrize("coarse", [(3, 2, 4), (1, 5, 3)])
def test_search_reference(coarse, rng):
    query, key = random_embedding(rng, (7, 5, 9), coarse), random_embedding(rng, (6, 8, 5), (2, 3, 4))
    search = Search(*(Embedding(*map(torch.from_numpy, maps)) for maps in (query, key)))
    here, there = (resized(maps[1], maps[0].shape[1:]) for maps in (query, key))
    for z, y, x in ((0, 0, 0), (6, 4, 8), (3, 1, 5)):
        expected = np.empty((6, 8, 5))
        for cell in np.ndindex(6, 8, 5):
            a, b = here[:, z, y, x], there[(slice(None), *cell)]
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            expected[cell] = (query[0][:, z, y, x] @ key[0][(slice(None), *cell)] + cosine) / 2
        np.testing.assert_allclose(search.similarity((z, y, x)), expected, rtol=0, atol=1e-6)
        cell, score = search.best((z, y, x))
        assert cell == np.unravel_index(expected.argmax(), expected.shape)
        assert score == pytest.approx(expected.max(), abs=1e-6)


@given(st.data())
def test_a_point_comes_back_from_its_cell_to_within_a_stride(data):
    shape = data.draw(st.tuples(*(st.integers(1, 40) for _ in range(3))))
    ratio = data.draw(st.tuples(*(st.floats(0.3, 2.5) for _ in range(3))))
    lattice = Lattice(shape, ratio, data.draw(st.integers(1, 3)), data.draw(st.tuples(*[st.booleans()] * 3)))
    point = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    back = lattice.point(lattice.cell(point))
    assert all(0 <= p < n for p, n in zip(back, shape, strict=True))
    # Flooring loses up to a cell, truncating up to a voxel.
    assert all(abs(p - q) <= lattice.stride / r + 1 for p, q, r in zip(point, back, ratio, strict=True))


def write_embedding(folder, case, fine, coarse, **facts):
    facts = {
        "case_id": case.case_id, "shape": case.shape, "spacing_mm": case.spacing_mm, "grid_mm": (2.0, 2.0, 2.0),
        "stride": 2, "orientation": "LPS", **facts,
    }  # fmt: skip
    maps = {name: torch.as_tensor(maps).half() for name, maps in (("fine", fine), ("coarse", coarse))}
    save_file(maps, folder / f"{case.case_id}.safetensors", {"embedding": json.dumps(facts)})


def place_embedding(case, orientation, cell_mm=4.0):
    """Embed a place, in mm from the first voxel: vectors whose cosine falls with the distance along each axis."""
    lengths = np.array(case.shape) * case.spacing_mm
    n_cells = 2 * np.ceil(lengths / cell_mm / 2).astype(int)  # two a coarse cell

    def embedded(mm):
        waves = [part for axis in np.meshgrid(*mm, indexing="ij") for part in (np.cos(axis / 30), np.sin(axis / 30))]
        maps = np.stack(waves) / np.sqrt(3)
        flips = [1 + axis for axis, letter in enumerate(orientation) if letter in "LPI"]
        return np.ascontiguousarray(np.flip(maps, flips).transpose(0, 3, 2, 1))

    # The grid of an axis that is turned round starts at the last voxel.
    starts = [
        (n - 1) * s - (m - 1) * cell_mm if letter in "LPI" else 0.0
        for n, s, m, letter in zip(case.shape, case.spacing_mm, n_cells, orientation, strict=True)
    ]
    fine = embedded([start + np.arange(m) * cell_mm for start, m in zip(starts, n_cells, strict=True)])
    coarse = embedded(
        [start + (np.arange(m // 2) * 2 + 0.5) * cell_mm for start, m in zip(starts, n_cells, strict=True)]
    )
    return fine, coarse


def anatomical_place(folder, cases, turns=True):
    here, there = (read_embedding(case, folder) for case in cases)
    return AnatomicalPlace(Scan(cases[1], RULES["CT"]), here, there, turns=turns)


@pytest.mark.parametrize("orientations", [("LPS", "LPS"), ("LPS", "RAI")])
def test_embeddings_of_places_find_the_place(tmp_path, pair, orientations, rng):
    for case, orientation in zip(pair, orientations, strict=True):
        write_embedding(tmp_path, case, *place_embedding(case, orientation), orientation=orientation)
    miner = anatomical_place(tmp_path, pair)
    ours, theirs = (np.array(case.spacing_mm) for case in pair)
    common = np.minimum(pair[0].shape, pair[1].shape * theirs // ours).astype(int)
    for point in rng.randint(0, common, (20, 3)):
        match = miner.match(tuple(map(int, point)))
        # A cell of 4 mm is lost by flooring, half a cell between the two grids, and a voxel by truncating.
        assert (np.abs(match.point * theirs - point * ours) <= 4 + 2 + theirs).all()
        assert match.score > 0.98


def test_released_coordinates_mirror_a_point_of_lps_embeddings(tmp_path, pair):
    cases = pair[0], stored_case(tmp_path, "c", pair[0].read()[0])
    for case, orientation in zip(cases, ("LPS", "RAS"), strict=True):
        write_embedding(tmp_path, case, *place_embedding(case, orientation), orientation=orientation)
    tolerance = 6 / np.array(cases[0].spacing_mm) + 1
    for turns, expected in ((True, (3, 20, 12)), (False, (26, 3, 12))):
        found = anatomical_place(tmp_path, cases, turns).match((3, 20, 12)).point
        assert (np.abs(np.subtract(found, expected)) <= tolerance).all()


# Files of embeddings.


@pytest.fixture
def embedded(tmp_path, pair):
    """The cases of `pair`, embedded, and settings that read them."""
    for case in pair:
        write_embedding(tmp_path, case, *place_embedding(case, "LPS"))
    return pair, mining(miner="sam", embeddings=str(tmp_path))


def sentence(error):
    """Return the message, asserting that it is one sentence which names case and remedy."""
    message = str(error.value)
    assert message.endswith(".")
    assert ". " not in message
    return message


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"case_id": "z"}, "holds the embeddings of case z, expected those of b"),
        ({"shape": (23, 31, 26)}, r"from a volume of \(23, 31, 26\) voxels, expected \(23, 31, 27\)"),
        ({"spacing_mm": (1.0, 1.0, 1.0)}, r"a spacing of \(1.0, 1.0, 1.0\) mm, expected \(1.2, 0.7, 1.5\)"),
        ({"stride": 1}, r"too few for the volume, which reaches into \(20, 11, 14\)"),
        ({"orientation": "SPL"}, "metadata.embedding.orientation is 'SPL'"),
        ({"stride": 0}, "metadata.embedding.stride is 0"),
    ],
)
def test_facts_that_do_not_fit_the_case_are_refused(tmp_path, embedded, facts, problem):
    cases, settings = embedded
    write_embedding(tmp_path, cases[1], *place_embedding(cases[1], "LPS"), **facts)
    with pytest.raises(DataError, match=problem) as error:
        mine(cases, settings, RULES, ROI, np.random.RandomState(0))
    assert f"{tmp_path / 'b'}.safetensors" in sentence(error)
    assert "docs/embeddings.md" in sentence(error)


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"fine": torch.zeros(1, 9, 9, 9)}, "has the tensors fine, not 'coarse'"),
        (
            {"fine": torch.zeros(9, 9, 9), "coarse": torch.zeros(1, 1, 1, 1)},
            r"'fine' is torch.float32 of shape \(9, 9, 9\)",
        ),
        ({"fine": torch.zeros(1, 9, 9, 9).int(), "coarse": torch.zeros(1, 1, 1, 1)}, "'fine' is torch.int32"),
    ],
)
def test_tensors_of_another_layout_are_refused(tmp_path, embedded, tensors, problem):
    path = tmp_path / "a.safetensors"
    with_facts = path.read_bytes()
    facts = json.loads(with_facts[8 : 8 + int.from_bytes(with_facts[:8], "little")])["__metadata__"]
    save_file(tensors, path, facts)
    with pytest.raises(DataError, match=problem) as error:
        read_embedding(embedded[0][0], tmp_path)
    sentence(error)


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "no such file"), (b"PK\x03\x04 not this", "not a readable file")]
)
def test_missing_and_damaged_files_are_refused(tmp_path, embedded, content, problem):
    (tmp_path / "a.safetensors").unlink()
    if content:
        (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=f"a.safetensors: {problem}") as error:
        mine(*embedded, RULES, ROI, np.random.RandomState(0))
    sentence(error)


def test_a_file_without_facts_is_refused(tmp_path, embedded):
    save_file({"fine": torch.zeros(1, 9, 9, 9)}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=r"a\.safetensors: has no 'embedding' among its metadata") as error:
        mine(*embedded, RULES, ROI, np.random.RandomState(0))
    sentence(error)


def test_embeddings_of_two_networks_are_refused(tmp_path, embedded):
    fine, coarse = place_embedding(embedded[0][1], "LPS")
    write_embedding(tmp_path, embedded[0][1], fine, coarse[:4])
    with pytest.raises(
        DataError, match=r"\[6, 6\] channels, fine and coarse, and .*b.safetensors has \[6, 4\]"
    ) as error:
        mine(*embedded, RULES, ROI, np.random.RandomState(0))
    sentence(error)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("factor", [np.nan, 3])
def test_vectors_that_are_no_embeddings_are_refused(tmp_path, embedded, side, factor):
    case = embedded[0][side]
    fine, coarse = place_embedding(case, "LPS")
    write_embedding(tmp_path, case, fine * factor, coarse)
    with pytest.raises(DataError, match=f"{case.case_id}.safetensors: the vector .*, expected 1; embed case") as error:
        mine(*embedded, RULES, ROI, np.random.RandomState(0))
    sentence(error)


@pytest.mark.parametrize("side", [0, 1])
def test_nan_in_a_coarse_map_is_refused(tmp_path, embedded, side):
    case = embedded[0][side]
    fine, coarse = place_embedding(case, "LPS")
    write_embedding(tmp_path, case, fine, coarse * np.nan)
    with pytest.raises(DataError, match=r"b\.safetensors: its similarity to .*a\.safetensors is nan") as error:
        mine(*embedded, RULES, ROI, np.random.RandomState(0))
    sentence(error)


def test_a_modality_without_embeddings_is_refused_with_another_miner(tmp_path, embedded):
    (case, other), settings = embedded
    scan = stored_case(tmp_path, "m", case.read()[0], modality="MRI")
    with pytest.raises(ConfigError, match=r"case m is MRI .* cover CT; run `alice.relpos`") as error:
        mine((other, scan), settings, RULES, ROI, np.random.RandomState(0))
    sentence(error)


@pytest.mark.parametrize("lacking", [{"embeddings": None}, {"embeddings": "x", "covers": []}])
def test_sam_needs_embeddings_and_what_they_cover(lacking):
    with pytest.raises(ConfigError, match=r"miner sam needs `embeddings`.* choose relpos"):
        parse(Mining, {**SETTINGS, "miner": "sam", **lacking}, "config.yaml")


# Pairs.


class Scripted:
    """Answers with the scores of a list, one after another."""

    def __init__(self, scores):
        self.scores = iter(scores)

    def match(self, point):
        return Match(point, next(self.scores))


@pytest.mark.parametrize(
    ("keep", "scores", "kept"),
    [
        ("last", [0.1, 0.8, 0.9], 0.8),
        ("best", [0.1, 0.8, 0.9], 0.8),
        ("last", [0.6, 0.7, 0.2], 0.2),
        ("best", [0.6, 0.7, 0.2], 0.7),
        ("best", [-0.6, -0.7, -0.8], -0.6),
    ],
)
def test_tries_end_with_a_match_or_with_what_is_kept(keep, scores, kept, rng):
    scan = SimpleNamespace(volume=np.ones((14, 13, 12)), floor=0.0)
    _, match = miners._draw_pair(scan, Scripted(scores), mining(tries=3, keep=keep), rng)
    assert match.score == kept


@pytest.mark.parametrize("miner", ["sam", "relpos", "same_volume"])
@pytest.mark.parametrize("roi", [ROI, (40, 16, 33)])
def test_every_miner_draws_one_shape_whatever_the_cases_and_the_same_from_one_seed(embedded, miner, roi):
    cases, settings = embedded
    settings = settings.model_copy(update={"miner": miner})
    crops = mine(cases, settings, RULES, roi, np.random.RandomState(3))
    again = mine(cases, pickle.loads(pickle.dumps(settings)), RULES, roi, np.random.RandomState(3))
    other = mine(cases, settings, RULES, roi, np.random.RandomState(4))
    assert crops.shape == (2, 1, *roi)
    assert crops.dtype == np.float32
    assert 0 <= crops.min() < crops.max() <= 1
    np.testing.assert_array_equal(crops, again)
    assert (crops != other).any()
    assert (crops[0] == crops[1]).all() == (miner == "same_volume")


def test_the_anchor_is_cut_from_the_second_case_around_the_match(embedded):
    cases, settings = embedded
    query, anchor = mine(
        cases, settings.model_copy(update={"miner": "relpos"}), RULES, (1, 1, 1), np.random.RandomState(3)
    )
    scans = [Scan(case, RULES["CT"]) for case in cases]
    point, match = miners._draw_pair(scans[0], RelativePlace(*scans, 5), mining(), np.random.RandomState(3))
    assert query.item() == scans[0].volume[point]
    assert anchor.item() == scans[1].volume[match.point]


@pytest.mark.parametrize("modality", ["CT", "MRI"])
def test_a_case_without_a_body_is_refused(tmp_path, pair, modality):
    empty = stored_case(tmp_path, "empty", np.full((20, 15, 14), -1000.0), modality=modality)
    with pytest.raises(DataError, match="case empty has no voxel above 0 after scaling"):
        mine((pair[0], empty), mining(), RULES, ROI, np.random.RandomState(0))


def test_a_volume_thinner_than_the_margin_still_gives_views(tmp_path, rng):
    thin = [stored_case(tmp_path, name, body(rng, (25, 14, 6), (2, 1, 1), (20, 12, 4))) for name in "cd"]
    assert mine(tuple(thin), mining(), RULES, ROI, rng).any(axis=(1, 2, 3, 4)).all()


# The page.


def test_the_lines_of_the_page_turn_pickles_into_files_that_are_read(tmp_path, pair):
    page = (Path(__file__).parents[2] / "docs" / "embeddings.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    fine, coarse = (maps[None].astype(np.float16) for maps in place_embedding(pair[0], "LPS"))
    (tmp_path / "Embeddingsa.pkl").write_bytes(pickle.dumps([fine, coarse, None, "a"]))
    row = manifest.Row(
        "a", "a", "a.h5", "", None, "CT", ("image",), ("",), pair[0].spacing_mm, pair[0].shape, (0.0,) * 16,
        pair[0].shape, (0.0,) * 16, "", "",
    )  # fmt: skip
    manifest.write_manifest(tmp_path / "manifest.csv", [row])
    scope = {}
    exec(lines, scope)
    scope["convert"](tmp_path / "manifest.csv", tmp_path, tmp_path / "files")
    stored = read_embedding(pair[0], tmp_path / "files")
    np.testing.assert_array_equal(stored.maps.fine, fine[0])
    np.testing.assert_array_equal(stored.maps.coarse, coarse[0])
