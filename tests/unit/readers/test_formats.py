"""One volume in every format comes back voxel by voxel, at the same place in the world."""

import gzip

import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from voxelbench.data.readers import read
from voxelbench.errors import DataError

SHAPE = (9, 14, 6)
AFFINE = np.array([[0.8, 0, 0, -10], [0, 1.5, 0, 20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([-0.8, 1.5, 3.0]), np.array([4.0, -7.0, 30.0])
)


@pytest.fixture
def volume():
    return np.random.RandomState(0).randint(-1000, 3000, SHAPE).astype(np.int16)


def lps(affine):
    return np.diag([-1, -1, 1, 1]) @ affine


def write_nii(path, volume, affine):
    nib.Nifti1Image(volume, affine).to_filename(path)


def write_nifti2(path, volume, affine):
    nib.Nifti2Image(volume, affine).to_filename(path)


def write_big_endian(path, volume, affine):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(volume.dtype)
    nib.Nifti1Image(volume, affine, header).to_filename(path)


def write_nrrd(path, volume, affine, **fields):
    matrix = lps(affine)
    header = {"space": "left-posterior-superior", "space directions": matrix[:3, :3].T, "space origin": matrix[:3, 3]}
    nrrd.write(str(path), volume, header | fields)


def write_nrrd_ras(path, volume, affine):
    header = {"space": "RAS", "space directions": affine[:3, :3].T, "space origin": affine[:3, 3], "encoding": "raw"}
    nrrd.write(str(path), volume, header)


def write_bzip2(path, volume, affine):
    write_nrrd(path, volume, affine, encoding="bzip2")


def write_itk(path, volume, affine, compressed=False):
    matrix = lps(affine)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image = sitk.GetImageFromArray(volume.T)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    sitk.WriteImage(image, path, compressed)


def write_compressed(path, volume, affine):
    write_itk(path, volume, affine, compressed=True)


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["upright", "oblique"])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.nii", write_nii),
        ("a.nii.gz", write_nii),
        ("a.nii", write_nifti2),
        ("a.nii.gz", write_big_endian),
        ("a.nrrd", write_nrrd),
        ("a.nrrd", write_nrrd_ras),
        ("a.nrrd", write_bzip2),
        ("a.mha", write_itk),
        ("a.mhd", write_itk),
        ("a.mha", write_compressed),
        ("a.mhd", write_compressed),
    ],
)
def test_every_format_gives_the_same_voxels_at_the_same_place(tmp_path, volume, name, write, affine):
    write(tmp_path / name, volume, affine)
    found, place = read(tmp_path / name)
    np.testing.assert_array_equal(found, volume)
    assert found.dtype == np.int16 and found.dtype.isnative
    np.testing.assert_allclose(place, affine, atol=1e-5)


@pytest.mark.parametrize("directions", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (0.6, 0.8, 0, -0.8, 0.6, 0)])
def test_a_dicom_series_is_sorted_by_place_and_turned_to_ras(tmp_path, volume, dicom_series, directions):
    writer = dicom_series(tmp_path / "series", directions=directions)
    writer.write(volume)
    found, affine = read(tmp_path / "series")
    np.testing.assert_array_equal(found, volume)
    across, down = np.array(directions[:3]), np.array(directions[3:])
    x, y, z = 3, 5, 4
    place = np.array([-10, 20, 5]) + x * 0.8 * across + y * 1.5 * down + z * 3.0 * np.cross(across, down)
    np.testing.assert_allclose(affine @ [x, y, z, 1], [-place[0], -place[1], place[2], 1], atol=1e-4)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_numpy_array_has_no_place(tmp_path, volume, order):
    np.save(tmp_path / "a.npy", np.array(volume, order=order))
    found, affine = read(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, volume)
    assert affine is None


def test_a_stack_of_images_runs_by_the_numbers_in_the_names(tmp_path):
    grey = np.random.RandomState(1).randint(0, 256, (7, 5, 11)).astype(np.uint8)
    for z in range(11):
        Image.fromarray(np.ascontiguousarray(grey[..., z].T)).save(tmp_path / f"slice{z}.png")
    found, affine = read(tmp_path)
    np.testing.assert_array_equal(found, grey)
    assert affine is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_types_of_voxels(tmp_path, dtype):
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)
    for name, write in (("a.nii.gz", write_nii), ("b.nrrd", write_nrrd), ("c.mha", write_itk)):
        write(tmp_path / name, volume, AFFINE)
        np.testing.assert_array_equal(read(tmp_path / name)[0], volume)


def test_a_nifti_slope_is_applied(tmp_path, volume):
    image = nib.Nifti1Image(volume, AFFINE)
    image.header.set_slope_inter(0.1, -1024)
    with gzip.open(tmp_path / "a.nii.gz", "wb") as file:
        file.write(image.to_bytes())
    stored = nib.load(tmp_path / "a.nii.gz").get_fdata()
    np.testing.assert_array_equal(read(tmp_path / "a.nii.gz")[0], stored.astype(np.float32))


def test_a_slope_and_an_intercept_a_slice(tmp_path, volume, dicom_series):
    files = dicom_series(tmp_path / "pet", "PT").write(volume)
    for z, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5 + z, 10 * z
        dataset.save_as(file)
    found, _ = read(tmp_path / "pet")
    slices = np.arange(SHAPE[2])
    np.testing.assert_allclose(found, volume * (0.5 + slices) + 10 * slices, rtol=1e-6)
    assert found.dtype == np.float32


def test_a_damaged_metaimage_is_no_memory_of_something_else(tmp_path, volume):
    """ITK returns uninitialised memory for voxels that it cannot inflate, without an error."""
    write_compressed(tmp_path / "a.mha", volume, AFFINE)
    content = (tmp_path / "a.mha").read_bytes()
    size = content.partition(b"CompressedDataSize = ")[2].partition(b"\n")[0]
    (tmp_path / "a.mha").write_bytes(content.replace(b"Size = " + size, b"Size = " + b"9" * len(size)))
    np.testing.assert_array_equal(read(tmp_path / "a.mha")[0], volume)
    (tmp_path / "a.mha").write_bytes(content.replace(b"DimSize = 9", b"DimSize = 8"))
    with pytest.raises(DataError, match="holds more than the"):
        read(tmp_path / "a.mha")


def test_bytes_that_were_put_in_between_are_noticed(tmp_path, volume):
    """A copy in text mode puts a carriage return before every line feed."""
    write_nii(tmp_path / "a.nii", volume, AFFINE)
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").write_bytes(content[:352] + content[352:].replace(b"\n", b"\r\n"))
    with pytest.raises(DataError, match="holds more than the 1512 bytes of voxels that it declares"):
        read(tmp_path / "a.nii")
