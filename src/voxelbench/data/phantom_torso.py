"""A synthetic CT torso: abdomen and thorax as tissue maps in Hounsfield units, with look-alikes of every organ.

x points to the right of the patient, y forwards, z upwards; the origin lies in the middle of the field of view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from voxelbench.data.phantom import Space, blur

AIR_HU, LUNG_HU, FAT_HU, MUSCLE_HU, BONE_HU = -1000, -850, -100, 50, 350

ABDOMEN_MM = (410.0, 320.0, 230.0)
THORAX_MM = (390.0, 300.0, 260.0)


@dataclass
class Torso:
    """Tissue under construction: later paint covers earlier paint."""

    space: Space
    rng: np.random.RandomState
    hu: np.ndarray = field(init=False)
    _owner: np.ndarray = field(init=False)
    _names: list[str] = field(default_factory=lambda: ["air"])

    def __post_init__(self) -> None:
        self.hu = np.full(self.space.shape, AIR_HU, np.float32)
        self._owner = np.zeros(self.space.shape, np.uint8)

    def paint(self, name: str, where: np.ndarray, hu: float) -> None:
        """Fill a mask (X, Y, Z) with one tissue; the same name may be painted in several pieces."""
        if name not in self._names:
            self._names.append(name)
        self.hu[where] = hu
        self._owner[where] = self._names.index(name)

    def mask(self, name: str) -> np.ndarray:
        """Return where (X, Y, Z) a tissue is still visible. Raises ValueError for a name that was never painted."""
        return self._owner == self._names.index(name)

    def ellipsoid(
        self, name: str, centre_mm: ArrayLike, radii_mm: ArrayLike, hu: float, angle_rad: float = 0.0
    ) -> None:
        """Paint an ellipsoid whose place (5 mm) and radii (8 %) vary (standard deviations)."""
        centre = np.asarray(centre_mm) + 5.0 * self.rng.standard_normal(3)
        radii = np.asarray(radii_mm) * np.exp(0.08 * self.rng.standard_normal(3))
        self.paint(name, self.space.ellipsoid(centre, radii, angle_rad), hu)

    def tube(self, name: str, path_mm: ArrayLike, radius_mm: float, hu: float) -> None:
        """Paint a tube whose place (4 mm) and radius (10 %) vary (standard deviations)."""
        path = np.asarray(path_mm, float) + 4.0 * self.rng.standard_normal(3)
        self.paint(name, self.space.tube(path, radius_mm * np.exp(0.1 * self.rng.standard_normal())), hu)

    def scan(self, noise_hu: float) -> np.ndarray:
        """Return what a scanner sees (X, Y, Z), int16 in HU: blurred by about one voxel, with noise."""
        fwhm_mm = 1.3 * float(np.mean(self.space.spacing_mm))
        seen = blur(self.hu, self.space.spacing_mm, fwhm_mm) + noise_hu * self.rng.standard_normal(self.space.shape)
        return seen.clip(-1024, 3071).round().astype(np.int16)


def draw_space(
    fov_mm: Sequence[float],
    spacing_mm: Sequence[float],
    shift_sd_mm: ArrayLike,
    rng: np.random.RandomState,
    variation: float = 1.0,
) -> Space:
    """Draw a grid over a field of view: voxels and extent vary by some per cent, the anatomy by 4 % and 7 mm.

    The place of the body in it varies by `shift_sd_mm`, so that a label map of another case fits badly. `variation`
    scales how much the anatomy varies, not the grid.
    """
    spacing = (np.asarray(spacing_mm) * rng.uniform((0.95, 0.95, 0.85), (1.05, 1.05, 1.15))).round(3)
    spacing[1] = spacing[0]
    shape = np.round(np.asarray(fov_mm) * rng.uniform(0.97, 1.03, 3) / spacing).astype(int)
    return Space.draw(
        [int(n) for n in shape],
        spacing.tolist(),
        rng,
        7.0 * variation,
        size_sd=0.04 * variation,
        shift_sd_mm=shift_sd_mm,
    )


def draw_abdomen(
    rng: np.random.RandomState,
    phase_sd_hu: float = 6.0,
    spleen_scale: float = 1.0,
    shift_sd_mm: ArrayLike = (18.0, 15.0, 26.0),
) -> Torso:
    """Draw the upper abdomen: the 13 organs of BTCV by name, and body wall, bones, bowel and lung bases about them.

    Args:
        rng: draws everything that varies between cases, and the noise of `Torso.scan`.
        phase_sd_hu: standard deviation of the enhancement that all organs of a case share.
        spleen_scale: factor on the spleen's radii.
        shift_sd_mm: standard deviation of the place of the body along the three axes.
    """
    torso = Torso(draw_space(ABDOMEN_MM, (5.0, 5.0, 7.2), shift_sd_mm, rng), rng)
    phase = float(phase_sd_hu * rng.standard_normal())

    def enhanced(hu: float) -> float:
        return hu + phase + 4.0 * float(rng.standard_normal())

    _paint_trunk(torso, radii_mm=(168, 116))
    _paint_bowel(torso)
    torso.ellipsoid("lung", (72, -15, 118), (62, 72, 42), LUNG_HU)
    torso.ellipsoid("lung", (-72, -15, 118), (62, 72, 38), LUNG_HU)
    for side in (-1, 1):
        torso.tube("muscle", [(side * 38, -52, 10), (side * 46, -48, -130)], 19, MUSCLE_HU)

    liver_hu = enhanced(100)
    torso.ellipsoid("liver", (84, 5, 32), (62, 76, 70), liver_hu, angle_rad=0.15)
    torso.ellipsoid("liver", (18, 42, 48), (68, 36, 36), liver_hu)
    torso.ellipsoid("stomach", (-52, 36, 38), (40, 32, 50), enhanced(35), angle_rad=-0.4)
    torso.ellipsoid("stomach gas", (-50, 56, 44), (22, 11, 30), -900)
    spleen_radii = np.array((28, 44, 44)) * spleen_scale
    torso.ellipsoid("spleen", (-104, -28, 36), spleen_radii, enhanced(110), angle_rad=-0.4)
    kidney_hu = enhanced(170)
    torso.ellipsoid("right kidney", (62, -46, -32), (30, 28, 54), kidney_hu)
    torso.ellipsoid("left kidney", (-62, -46, -18), (30, 28, 54), kidney_hu)
    torso.ellipsoid("gallbladder", (50, 52, -16), (20, 19, 30), 10)
    torso.tube("inferior vena cava", [(26, -32, 130), (24, -32, -130)], 15, enhanced(130))
    torso.tube("aorta", [(-14, -38, 130), (-10, -38, -130)], 15, enhanced(200))
    torso.tube("esophagus", [(-6, -14, 130), (-14, -6, 78), (-34, 14, 62)], 11, enhanced(40))
    torso.tube("pancreas", [(-74, -8, 26), (-20, 16, 8), (28, 20, -18)], 16, enhanced(90))
    torso.tube(
        "portal and splenic veins", [(-78, -16, 32), (-14, -2, 10), (26, 6, 14), (54, 14, 40)], 10, enhanced(140)
    )
    torso.ellipsoid("right adrenal gland", (36, -34, 30), (9, 15, 16), enhanced(60))
    torso.ellipsoid("left adrenal gland", (-38, -32, 38), (9, 15, 16), enhanced(60))
    return torso


def _paint_trunk(torso: Torso, radii_mm: tuple[float, float]) -> None:
    """Paint skin fat, the muscular wall, the fat inside it, spine and ribs. The arms are not in the field of view."""
    wide, deep = radii_mm
    fat_mm = torso.rng.uniform(8, 22)
    for name, inset, hu in (("fat", 0, FAT_HU), ("muscle", fat_mm, MUSCLE_HU), ("inner fat", fat_mm + 16, FAT_HU + 15)):
        torso.paint(name, torso.space.ellipsoid((0, 0, 0), (wide - inset, deep - inset, 1000)), hu)
    _paint_ribs(torso, (wide - fat_mm - 4, deep - fat_mm - 4))
    torso.paint("muscle", torso.space.ellipsoid((0, -deep + 38, 0), (68, 26, 1000)), MUSCLE_HU)
    torso.tube("spine", [(0, -deep + 46, -200), (0, -deep + 46, 200)], 21, BONE_HU - 120)
    torso.tube("spine", [(0, -deep + 12, -200), (0, -deep + 12, 200)], 7, BONE_HU)


def _paint_ribs(torso: Torso, radii_mm: tuple[float, float]) -> None:
    """Paint bony rings in the wall that slope down towards the front."""
    wide, deep = radii_mm
    x, y, z = torso.space.points()
    distance = np.sqrt((x / wide) ** 2 + (y / deep) ** 2)
    is_rib_level = np.mod(z + 0.45 * y + torso.rng.uniform(0, 30), 30) < 10
    torso.paint("ribs", (np.abs(distance - 0.96) < 0.04) & is_rib_level & (z + 0.3 * np.abs(x) > 0), BONE_HU)


def _paint_bowel(torso: Torso) -> None:
    """Paint loops of bowel, which look like solid organs, some of them with gas."""
    for _ in range(torso.rng.randint(5, 9)):
        angle, share = torso.rng.uniform(-0.4, np.pi + 0.4), torso.rng.uniform(0.1, 0.75)
        centre = (125 * share * np.cos(angle), 10 + 70 * share * np.sin(angle), torso.rng.uniform(-120, 10))
        torso.ellipsoid("bowel", centre, torso.rng.uniform(14, 30, 3), torso.rng.uniform(20, 70))
        if torso.rng.uniform() < 0.3:
            torso.ellipsoid("bowel gas", centre, (9, 7, 9), -850)


def draw_thorax(
    rng: np.random.RandomState,
    fov_mm: Sequence[float] = THORAX_MM,
    spacing_mm: Sequence[float] = (4.5, 4.5, 6.5),
    variation: float = 1.0,
) -> Torso:
    """Draw the chest: two lungs with branching vessels, heart, great vessels, diaphragm, ribs and spine.

    Args:
        rng: draws everything that varies between cases, and the noise of `Torso.scan`.
        fov_mm: extent of the field of view, about.
        spacing_mm: distance of voxel centres, about.
        variation: factor on how much size, shape, place and density of the anatomy vary.
    """
    torso = Torso(draw_space(fov_mm, spacing_mm, 10 * variation, rng, variation), rng)
    _paint_trunk(torso, radii_mm=(168, 118))
    torso.paint("muscle", torso.space.ellipsoid((0, 5, -60), (125, 85, 110)), MUSCLE_HU)
    lung_hu = LUNG_HU + 25 * variation * float(rng.standard_normal())
    torso.ellipsoid("lung", (74, 0, 5), (54, 82, 125), lung_hu)
    torso.ellipsoid("lung", (-74, 0, 5), (52, 80, 125), lung_hu)
    _paint_lung_vessels(torso)
    torso.ellipsoid("heart", (-22, 26, -45), (56, 48, 50), 45 + 12 * float(rng.standard_normal()), angle_rad=-0.5)
    torso.tube("great vessels", [(-4, 30, -20), (6, 26, 40), (-18, -24, 44), (-20, -44, -140)], 14, 60)
    torso.tube("great vessels", [(24, 18, -40), (24, 18, 120)], 10, 55)
    torso.tube("airways", [(0, -4, 140), (0, -10, 34)], 9, AIR_HU)
    for side in (-1, 1):
        torso.ellipsoid("diaphragm", (side * 72, 0, -128), (66, 88, 44), 60)
    return torso


def _paint_lung_vessels(torso: Torso) -> None:
    """Paint vessels that branch from each hilum into the lung, thinner the farther out."""
    rng, in_lung = torso.rng, torso.mask("lung")
    for side in (-1, 1):
        for _ in range(5):
            branch = np.array((side * rng.uniform(75, 100), rng.uniform(-55, 55), rng.uniform(-90, 90)))
            hilum = np.array((side * 26.0, -6.0, 10.0))
            fork = hilum + 0.5 * (branch - hilum) + rng.uniform(-12, 12, 3)
            vessel = torso.space.tube([hilum, fork], rng.uniform(4, 6)) | torso.space.tube([fork, branch], 3)
            torso.paint("lung vessel", vessel & in_lung, rng.uniform(0, 40))


def point_in(torso: Torso, where: np.ndarray) -> np.ndarray:
    """Return a point (3,) in mm, drawn from the voxels of a mask (X, Y, Z). Raises ValueError if the mask is empty."""
    candidates = np.flatnonzero(where)
    index = np.unravel_index(torso.rng.choice(candidates), where.shape)
    return torso.space.points()[(slice(None), *index)]
