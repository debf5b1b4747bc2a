"""Volumes to damage, in every format, and what must hold for what is read of them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk
from damage import Kind
from phantom_dicom import SeriesWriter, pet_tags, write_segmentation
from PIL import Image

from voxelbench.data.cache import read_volume, write_volume
from voxelbench.data.readers import read, segmentation
from voxelbench.data.suv_readers import SuvSeries

SHAPE = (9, 14, 6)
AFFINE = np.array([[0.8, 0, 0, -10], [0, 1.5, 0, 20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
VOLUME = np.random.RandomState(0).randint(-1000, 3000, SHAPE).astype(np.int16)


def write_nifti(path: Path) -> None:
    nib.Nifti1Image(VOLUME, AFFINE).to_filename(path)


def write_nrrd(path: Path, encoding: str) -> None:
    lps = np.diag([-1, -1, 1]) @ AFFINE[:3]
    header = {"space": "left-posterior-superior", "space directions": lps[:, :3].T, "space origin": lps[:, 3]}
    nrrd.write(str(path), VOLUME, header | {"encoding": encoding})


def write_metaimage(path: Path, is_compressed: bool) -> None:
    image = sitk.GetImageFromArray(VOLUME.T)
    image.SetSpacing([0.8, 1.5, 3.0])
    sitk.WriteImage(image, path, is_compressed)


def write_series(path: Path) -> None:
    SeriesWriter(path.parent).write(VOLUME)


def write_pet(path: Path) -> None:
    SeriesWriter(path.parent, "PT").write(VOLUME, **pet_tags(3.5e8, 70.0, 3600))


def write_mask(path: Path) -> None:
    write_segmentation(path, VOLUME > 1000, SeriesWriter(path.parent))


def write_stack(path: Path) -> None:
    for z in range(SHAPE[2]):
        Image.fromarray((VOLUME[..., z].T & 255).astype(np.uint8)).save(path.with_name(f"{z}.png"))


def is_sound(found: Any) -> None:
    """Assert that nothing was lost: the volume is the one that was written, at its place."""
    np.testing.assert_array_equal(found[0], VOLUME)
    np.testing.assert_allclose(found[1], AFFINE, atol=1e-5)


def holds_volume(independent: Callable[[Path], Any], found: Any, path: Path, is_cut: bool) -> None:
    """Assert that a volume is what another reader finds in the same damaged file, and whole if that was cut."""
    if is_cut:
        is_sound(found)
    values, affine = found
    other, place = independent(path)
    np.testing.assert_allclose(values, np.asarray(other).reshape(values.shape), rtol=1e-5)
    assert affine is None or np.isfinite(affine).all()
    if place is not None:
        np.testing.assert_allclose(affine, place, rtol=1e-5, atol=1e-5)


def by_nibabel(path: Path) -> Any:
    image = nib.load(path, mmap=False)
    return np.asanyarray(image.dataobj), image.affine


def by_pynrrd(path: Path) -> Any:
    values, header = nrrd.read(str(path))
    return values, np.diag([-1, -1, 1, 1]) @ nib.affines.from_matvec(
        header["space directions"].T, header["space origin"]
    )


def by_offset(path: Path) -> Any:
    """Take the voxels of a MetaImage as they follow its header."""
    header, _, content = path.read_bytes().partition(b"ElementDataFile = LOCAL\n")
    fields = {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in header.decode().splitlines())
    }
    shape = [int(length) for length in fields["DimSize"].split()]
    types = {"MET_SHORT": "<i2", "MET_USHORT": "<u2", "MET_CHAR": "i1", "MET_UCHAR": "u1"}
    order = ">" if fields.get("BinaryDataByteOrderMSB") == "True" else "<"
    dtype = np.dtype(types[fields["ElementType"]]).newbyteorder(order)
    return np.frombuffer(content, dtype, int(np.prod(shape))).reshape(shape, order="F"), None


def holds_checksum(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that what has a checksum is read as it was written, or not at all."""
    is_sound(found)


def holds_voxels(found: Any, path: Path, is_cut: bool) -> None:
    np.testing.assert_array_equal(found, VOLUME)


def holds_values(found: Any, path: Path, is_cut: bool) -> None:
    np.testing.assert_array_equal(found[0], VOLUME)


def holds_series(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that all slices but the damaged one are what and where they were."""
    z = next(z for z in range(SHAPE[2]) if path.stem == f"PHANTOM_{z * 7 % SHAPE[2]:04d}")
    values, affine = found
    assert values.shape == SHAPE and np.isfinite(values).all()
    np.testing.assert_allclose(np.delete(values, z, 2), np.delete(VOLUME, z, 2), rtol=1e-5)
    np.testing.assert_allclose(affine, np.diag([-1, -1, 1, 1]) @ AFFINE, atol=0.5)
    if is_cut:
        np.testing.assert_allclose(values, VOLUME, rtol=1e-5)


def holds_suv(found: Any, path: Path, is_cut: bool) -> None:
    """Assert that one damaged header does not change the factor of the series."""
    left_bq = 3.5e8 * 2 ** (-3600 / 6586.2)
    holds_series((found[0] / (70.0 * 1000 / left_bq), found[1]), path, is_cut)


def holds_mask(found: Any, path: Path, is_cut: bool) -> None:
    assert found.shape == SHAPE and set(np.unique(found)) <= {0, 1}
    assert not is_cut or ((found > 0) == (VOLUME > 1000)).all()


def holds_stack(found: Any, path: Path, is_cut: bool) -> None:
    np.testing.assert_array_equal(found[0], VOLUME & 255)


def read_suv(path: Path) -> Any:
    return SuvSeries(path.parent)()


def read_mask(path: Path) -> Any:
    return segmentation.read(path.parent, SHAPE, np.diag([-1, -1, 1, 1]) @ AFFINE)


def read_folder(path: Path) -> Any:
    return read(path.parent)


IMAGES = {
    "nifti": Kind("a.nii", write_nifti, read, partial(holds_volume, by_nibabel)),
    "gzip": Kind("a.nii.gz", write_nifti, read, holds_checksum),
    "nrrd": Kind("a.nrrd", partial(write_nrrd, encoding="raw"), read, partial(holds_volume, by_pynrrd)),
    "nrrd_gzip": Kind("a.nrrd", partial(write_nrrd, encoding="gzip"), read, partial(holds_volume, by_pynrrd)),
    "nrrd_bzip2": Kind("a.nrrd", partial(write_nrrd, encoding="bzip2"), read, partial(holds_volume, by_pynrrd)),
    "metaimage": Kind("a.mha", partial(write_metaimage, is_compressed=False), read, partial(holds_volume, by_offset)),
    "metaimage_zlib": Kind("a.mha", partial(write_metaimage, is_compressed=True), read, holds_values),
    "npy": Kind(
        "a.npy", lambda path: np.save(path, VOLUME), read, partial(holds_volume, lambda path: (np.load(path), None))
    ),
    "dicom": Kind("PHANTOM_0002.dcm", write_series, read_folder, holds_series),
    "pet": Kind("PHANTOM_0000.dcm", write_pet, read_suv, holds_suv),
    "segmentation": Kind("mask.dcm", write_mask, read_mask, holds_mask),
    "stack": Kind("3.png", write_stack, read_folder, holds_stack),
    "cache": Kind("a.h5", lambda path: write_volume(path, VOLUME), read_volume, holds_voxels),
}
