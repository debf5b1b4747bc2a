"""A synthetic body from head to thighs: FDG uptake in SUV, CT in HU, lesions, and what a PET scanner sees of them.

The body is that of a small patient, 60 cm from crown to thigh, so that a whole one fits a tiny volume.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from voxelbench.data.phantom import Space, blur, smooth_noise

FIELD_OF_VIEW_MM = (340.0, 240.0, 640.0)


@dataclass(frozen=True)
class Organ:
    """An ellipsoid of the body. Uptake varies between patients by a log-normal factor of deviation `spread`."""

    suv: float
    spread: float
    hu: float
    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]


ORGANS = {
    # Later organs lie over earlier ones; x to the right of the patient, y to the front, z to the head.
    "right lung": Organ(0.4, 0.1, -820, (72, 2, 95), (55, 72, 82)),
    "left lung": Organ(0.4, 0.1, -820, (-72, 2, 95), (52, 70, 82)),
    "mediastinum": Organ(1.5, 0.1, 40, (0, 0, 100), (27, 55, 85)),
    "heart": Organ(3.0, 0.5, 45, (-22, 22, 58), (42, 36, 40)),
    "liver": Organ(2.2, 0.12, 60, (55, 8, -15), (78, 68, 52)),
    "spleen": Organ(1.8, 0.15, 50, (-88, -32, -12), (27, 32, 38)),
    "stomach": Organ(1.8, 0.35, 30, (-52, 32, -22), (36, 28, 34)),
    "right kidney": Organ(4.0, 0.35, 35, (62, -45, -85), (25, 24, 42)),
    "left kidney": Organ(4.0, 0.35, 35, (-62, -45, -72), (25, 24, 42)),
    "right ilium": Organ(1.1, 0.2, 350, (78, -25, -195), (26, 34, 42)),
    "left ilium": Organ(1.1, 0.2, 350, (-78, -25, -195), (26, 34, 42)),
    "bladder": Organ(15.0, 0.4, 5, (0, 22, -235), (33, 27, 27)),
    "skull": Organ(0.8, 0.1, 800, (0, 5, 236), (62, 75, 61)),
    "brain": Organ(8.0, 0.15, 35, (0, 5, 236), (54, 67, 53)),
}

FREE_OF_LESIONS = ("heart", "right kidney", "left kidney", "bladder", "skull", "brain")
"""Organs whose own uptake would hide a lesion."""

_FAT, _MUSCLE, _BONE = (0.3, -100.0), (0.7, 45.0), (1.3, 220.0)
_AIR_HU = -1000.0


@dataclass(frozen=True)
class Body:
    """One patient: uptake before the scanner (SUV), CT (HU), and where lesions may lie; all (X, Y, Z)."""

    space: Space
    suv: np.ndarray
    hu: np.ndarray
    sites: np.ndarray


def draw_body(rng: np.random.RandomState, spacing_mm: float) -> Body:
    """Draw a patient on anisotropic voxels near `spacing_mm`, with an elastic deformation of 7 mm."""
    spacing = spacing_mm * rng.uniform(0.95, 1.05, 3)
    shape = [round(length / step) for length, step in zip(FIELD_OF_VIEW_MM, spacing, strict=True)]
    space = Space.draw(shape, spacing.round(3).tolist(), rng, elastic_mm=7.0)
    size = 1.0 + 0.04 * rng.standard_normal(3)
    suv, hu = _draw_frame(space, size)
    sites = ndimage.binary_erosion(hu > -50, iterations=2)
    _draw_bowel(space, size, suv, rng)
    for name, organ in ORGANS.items():
        centre = organ.centre_mm * size + 4.0 * rng.standard_normal(3)
        inside = space.ellipsoid(centre, organ.radii_mm * size * np.exp(0.07 * rng.standard_normal(3)))
        suv[inside] = organ.suv * np.exp(organ.spread * rng.standard_normal())
        hu[inside] = organ.hu
        if name in FREE_OF_LESIONS:
            sites &= ~inside
    return Body(space, suv, hu, sites)


def _draw_frame(space: Space, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return SUV and HU of fat, muscle and spine in air."""
    outline, muscle = (_outline(space, size, fat_mm) for fat_mm in (0.0, 14.0))
    spine = space.tube([(0, -62, -240), (0, -48, -120), (0, -66, 60), (0, -30, 200)] * size, 17.0)
    suv, hu = np.zeros(space.shape), np.full(space.shape, _AIR_HU)
    for inside, (uptake, density) in ((outline, _FAT), (muscle, _MUSCLE), (spine, _BONE)):
        suv[inside], hu[inside] = uptake, density
    return suv, hu


def _outline(space: Space, size: np.ndarray, inset_mm: float) -> np.ndarray:
    """Return the mask of trunk, neck, head and thighs, `inset_mm` below the skin."""
    z = space.points()[2]
    trunk = space.ellipsoid((0, 0, -20), np.array((152, 104, 330)) * size - inset_mm) & (z > -250)
    head = space.ellipsoid((0, 5, 236) * size, np.array((70, 84, 70)) * size - inset_mm / 2)
    neck = space.tube([(0, -8, 130), (0, -5, 220)] * size, 50 - inset_mm)
    thighs = [space.tube([(side * 68, 0, -235), (side * 62, 0, -420)] * size, 62 - inset_mm) for side in (-1, 1)]
    return trunk | head | neck | thighs[0] | thighs[1]


def _draw_bowel(space: Space, size: np.ndarray, suv: np.ndarray, rng: np.random.RandomState) -> None:
    """Draw loops of bowel, whose uptake can equal that of a lesion."""
    for _ in range(3):
        loop = rng.uniform((-85, 5, -185), (85, 55, -95), (4, 3)) * size
        suv[space.tube(loop, rng.uniform(8, 12))] = rng.uniform(1.0, 3.5)


def draw_lesions(body: Body, n_lesions: int, rng: np.random.RandomState) -> np.ndarray:
    """Return a mask (X, Y, Z) of avid lesions of 15 to 32 mm radius, and write them into the body with SUV 7 to 16."""
    mask = np.zeros(body.space.shape, bool)
    candidates = np.flatnonzero(body.sites)
    points = body.space.points()
    for _ in range(n_lesions):
        index = np.unravel_index(candidates[rng.randint(len(candidates))], body.space.shape)
        radii = rng.uniform(15, 32) * rng.uniform(0.85, 1.15, 3)
        lesion = body.space.ellipsoid(points[(slice(None), *index)], radii) & body.sites
        body.suv[lesion] = rng.uniform(7, 16)
        body.hu[lesion] = 40.0
        mask |= lesion
    return mask


def ct_image(body: Body, rng: np.random.RandomState) -> np.ndarray:
    """Return a low-dose CT (X, Y, Z), int16 HU, on the grid of the PET."""
    noise = 20.0 * rng.standard_normal(body.space.shape)
    hu = blur(body.hu, body.space.spacing_mm, 4.0) + noise
    return np.clip(hu, -1024, 3000).round().astype(np.int16)


def seen_by_scanner(body: Body, rng: np.random.RandomState, fwhm_mm: float = 7.0) -> np.ndarray:
    """Return uptake (X, Y, Z), SUV, with texture and the scanner's point spread, free of noise."""
    texture = np.exp(0.08 * smooth_noise(body.space.shape, body.space.spacing_mm, 12.0, rng))
    return blur(body.suv * texture, body.space.spacing_mm, fwhm_mm)
