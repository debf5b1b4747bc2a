"""Alice's points, matches and crops against the released code, draws included."""

import re

import numpy as np
import torch

from voxelbench.data.cache import write_volume
from voxelbench.data.case import Case
from voxelbench.methods.alice.matching import Embedding, Lattice, Search
from voxelbench.methods.alice.scan import Scan, draw_point
from voxelbench.settings import IntensityRule

MARGIN = 10


def test_drawn_points(golden, certify):
    arrays = golden("alice_points")
    (name,) = (name for name in arrays if name.startswith("points_seed"))
    rng = np.random.RandomState(int(re.search(r"\d+$", name)[0]))
    drawn = [draw_point(arrays["vol"][0, 0], MARGIN, rng) for _ in arrays[name]]
    certify("alice_points", "points drawn from one seed", drawn, arrays[name], atol=0)


def test_crop(golden, certify, tmp_path):
    arrays = golden("alice_crop")
    volume, path = arrays["vol"][0], tmp_path / "case.h5"
    write_volume(path, volume)
    case = Case("a", "a", "CT", ("CT",), ("HU",), None, np.eye(4), volume.shape[1:], path)
    high = 2 ** np.ceil(np.log2(max(1.0, volume.max())))  # by a power of 2, so that scaling rounds nothing
    scan = Scan(case, IntensityRule(kind="window", low=0, high=high))
    crop = high * scan.crop(tuple(arrays["pt"].tolist()), tuple(arrays["roi"].tolist()))
    certify("alice_crop", "crop around a point, zero beyond the volume", crop, arrays["crop"][0], atol=0)


def test_matches(golden, certify):
    arrays = golden("alice_sam_match")
    query, key = (
        Embedding(*(torch.from_numpy(arrays[f"{side}_{scale}"][0]) for scale in ("fine", "coarse"))) for side in "qk"
    )
    lattice = Lattice(
        tuple(arrays["key_shape"][1:].tolist()), tuple(arrays["norm_ratio"].tolist()), int(arrays["stride"])
    )
    search = Search(query, key)
    found = [search.best(lattice.cell(tuple(point))) for point in arrays["points_xyz"].tolist()]
    points, scores = [lattice.point(cell) for cell, _ in found], [score for _, score in found]
    certify("alice_sam_match", "matching point", points, arrays["matched_xyz"], atol=0)
    certify("alice_sam_match", "its similarity", scores, arrays["score"], atol=1e-5)
