"""A synthetic brain without its skull: tissue, a glioma in it, and what MR contrasts and FDG-PET show of both."""

from enum import IntEnum

import numpy as np
from scipy import ndimage

from voxelbench.data.phantom import Space, blur, smooth_noise


class Tissue(IntEnum):
    """Classes of a tissue map."""

    outside = 0
    csf = 1
    cortex = 2
    white = 3
    deep_grey = 4


class Glioma(IntEnum):
    """Classes of a tumour map, numbered as in BraTS 2023."""

    none = 0
    necrosis = 1
    oedema = 2
    enhancing = 3


FIELD_OF_VIEW_MM = (192.0, 208.0, 160.0)

_SIGNAL = {
    # contrast: CSF, cortex, white, deep grey | necrosis, oedema, enhancing | white-matter lesion, vessel
    "t1": (30, 80, 110, 88, 50, 70, 80, 85, 70),
    "t1ce": (30, 80, 110, 88, 50, 70, 190, 85, 170),
    "t2": (180, 95, 70, 85, 170, 160, 130, 135, 60),
    "flair": (20, 100, 80, 95, 90, 180, 140, 150, 60),
}
_WHITE_MATTER_LESION, _VESSEL = 8, 9


def draw_head(rng: np.random.RandomState, spacing_mm: float, elastic_mm: float = 6.0) -> Space:
    """Draw a grid about a brain: anisotropic voxels near `spacing_mm`, and an elastic deformation."""
    spacing = spacing_mm * rng.uniform(0.94, 1.06, 3)
    shape = [round(length / step) for length, step in zip(FIELD_OF_VIEW_MM, spacing, strict=True)]
    return Space.draw(shape, spacing.round(3).tolist(), rng, elastic_mm)


def draw_tissue(space: Space, rng: np.random.RandomState, ventricle_scale: float = 1.0) -> np.ndarray:
    """Return a tissue map (X, Y, Z), uint8: folded cortex, white matter, ventricles, deep grey matter, cerebellum."""
    size = 1.0 + 0.04 * rng.standard_normal(3)
    tissue = np.zeros(space.shape, np.uint8)
    tissue[space.ellipsoid((0, -50, -46) * size, (48, 34, 26) * size)] = Tissue.cortex
    tissue[space.ellipsoid((0, -50, -46) * size, (36, 22, 16) * size)] = Tissue.white
    tissue[space.ellipsoid((0, -22, -50) * size, (12, 12, 30))] = Tissue.white
    _draw_cerebrum(tissue, space, size, rng)
    for side in (-1, 1):
        tissue[space.ellipsoid((side * 13, -8, 2) * size, (9, 14, 9))] = Tissue.deep_grey
        tissue[space.ellipsoid((side * 26, 8, 2) * size, (7, 17, 11), side * 0.2)] = Tissue.deep_grey
        width = ventricle_scale * np.exp(0.2 * rng.standard_normal())
        tissue[space.ellipsoid((side * 11, 2, 16) * size, (7 * width, 32, 9 * width), side * 0.15)] = Tissue.csf
    return tissue


def _draw_cerebrum(tissue: np.ndarray, space: Space, size: np.ndarray, rng: np.random.RandomState) -> None:
    """Draw both hemispheres. Sulci lie where a smooth random field changes sign, and cortex lines them."""
    radii = np.array((68.0, 84.0, 60.0)) * size
    points = space.points()
    depth_mm = (1.0 - np.sqrt(((points / radii.reshape(3, 1, 1, 1)) ** 2).sum(0))) * radii.mean()
    is_cerebrum = (depth_mm > 0) & (points[2] > -44 - 0.25 * points[1])
    sulcus = np.abs(smooth_noise(space.shape, space.spacing_mm, 7.0, rng))
    is_midline = (np.abs(points[0]) < 2.0) & (points[2] > 22)
    tissue[is_cerebrum] = Tissue.white
    tissue[is_cerebrum & ((depth_mm < 6) | ((sulcus < 0.8) & (depth_mm < 20)))] = Tissue.cortex
    tissue[is_cerebrum & ((depth_mm < 2) | ((sulcus < 0.22) & (depth_mm < 15)) | is_midline)] = Tissue.csf


def draw_glioma(space: Space, tissue: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return a tumour map (X, Y, Z), uint8 `Glioma`: a necrotic core in an enhancing rim in oedema.

    One in ten does not enhance.
    """
    is_site = (tissue == Tissue.white) & (space.points()[2] > -10)
    centre = _points_in(is_site, space, rng, 1)[0]
    radius_mm = rng.uniform(22, 36)
    points = (space.points() - centre.reshape(3, 1, 1, 1)) / rng.uniform(0.8, 1.2, (3, 1, 1, 1))
    level = np.sqrt((points**2).sum(0)) / radius_mm + 0.14 * smooth_noise(space.shape, space.spacing_mm, 8.0, rng)
    core = rng.uniform(0.5, 0.7)
    necrosis = core * rng.uniform(0.45, 0.65) if rng.uniform() > 0.1 else core
    glioma = np.zeros(space.shape, np.uint8)
    glioma[level < 1] = Glioma.oedema
    glioma[level < core] = Glioma.enhancing
    glioma[level < necrosis] = Glioma.necrosis
    glioma[(tissue == Tissue.outside) | ((tissue == Tissue.csf) & (glioma == Glioma.oedema))] = Glioma.none
    return glioma


def _points_in(mask: np.ndarray, space: Space, rng: np.random.RandomState, n_points: int) -> np.ndarray:
    """Return points (n_points, 3) in mm, drawn from the voxels that a mask surrounds on all sides."""
    candidates = np.flatnonzero(ndimage.binary_erosion(mask))
    index = np.unravel_index(candidates[rng.randint(len(candidates), size=n_points)], space.shape)
    return np.stack([axis[index] for axis in space.points()], axis=1)


def mr_contrasts(
    space: Space, tissue: np.ndarray, glioma: np.ndarray, rng: np.random.RandomState
) -> dict[str, np.ndarray]:
    """Return co-registered raw MR volumes (X, Y, Z), int16, by name (t1, t1ce, t2, flair); outside the brain exactly 0.

    White-matter lesions look like oedema and vessels like enhancement. Each contrast has its own gain, bias field of
    about 20 % and Rician noise.
    """
    classes = _with_distractors(space, tissue, glioma, rng)
    return {name: _mr_contrast(space, classes, np.array(signal, float), rng) for name, signal in _SIGNAL.items()}


def _with_distractors(space: Space, tissue: np.ndarray, glioma: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return classes (X, Y, Z): 0 outside, 1..4 tissue, 5..7 tumour, 8 white-matter lesion, 9 vessel."""
    classes = tissue.copy()
    is_white = tissue == Tissue.white
    for centre in _points_in(is_white, space, rng, rng.randint(2, 7)):
        classes[space.ellipsoid(centre, rng.uniform(4, 9, 3)) & is_white] = _WHITE_MATTER_LESION
    sinus = space.tube([(0, 70, 36), (0, 20, 58), (0, -50, 46), (0, -74, 10)], 5.0)
    classes[sinus & (tissue != Tissue.outside)] = _VESSEL
    return np.where(glioma > 0, glioma + len(Tissue) - 1, classes)


def _mr_contrast(space: Space, classes: np.ndarray, signal: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    varied = signal * (1 + 0.06 * rng.standard_normal(len(signal)))
    ideal = blur(np.concatenate([[0.0], varied])[classes], space.spacing_mm, 4.0)
    noise = 9.0 * rng.standard_normal((2, *space.shape))
    measured = np.hypot(ideal * _bias_field(space, rng) + noise[0], noise[1]) * rng.uniform(2, 8)
    return np.where(classes > 0, np.maximum(measured, 1), 0).round().astype(np.int16)


def _bias_field(space: Space, rng: np.random.RandomState) -> np.ndarray:
    """Return a receive sensitivity (X, Y, Z) about 1: the exponential of a quadratic polynomial of the position."""
    points = space.points() / 90.0
    tilt, bend = 0.12 * rng.standard_normal((2, 3))
    return np.exp(np.tensordot(tilt, points, axes=1) + np.tensordot(bend, points**2 - 0.25, axes=1))


def glucose_uptake(space: Space, tissue: np.ndarray, loss: float, rng: np.random.RandomState) -> np.ndarray:
    """Return FDG uptake (X, Y, Z), float, in SUV-like units before the scanner's blur and noise.

    `loss` is the share that the temporo-parietal and posterior cingulate cortex has lost, as in Alzheimer's disease.
    """
    x, y, z = space.points()
    parietal = (y < -15) & (y > -70) & (z > 5) & (np.abs(x) > 15)
    temporal = (np.abs(x) > 38) & (y < 20) & (y > -55) & (z <= 5) & (z > -35)
    cingulate = (np.abs(x) < 14) & (y < -20) & (y > -60) & (z > 0) & (z < 35)
    affected = (tissue == Tissue.cortex) & (parietal | temporal | cingulate)
    uptake = np.array([0.0, 0.8, 7.0, 3.0, 8.0])[tissue]
    uptake *= np.where(affected, 1.0 - loss, 1.0)
    asymmetry = 0.03 * rng.standard_normal() * np.tanh(x / 20)
    return uptake * (1.0 + asymmetry + 0.04 * smooth_noise(space.shape, space.spacing_mm, 25.0, rng))
