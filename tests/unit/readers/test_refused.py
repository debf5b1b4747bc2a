"""What is not one sound volume is refused by name, before anything of the size that a header claims is allocated."""

import gzip
import re
import struct
import tracemalloc

import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from voxelbench.data.readers import dicom, read
from voxelbench.errors import DataError

SHAPE = (6, 5, 4)
LPS = {"space": "left-posterior-superior", "space directions": np.eye(3), "space origin": np.zeros(3)}


@pytest.fixture
def refused():
    """Return a function that reads a source, asserts one sentence and little memory, and returns the sentence."""

    def refuse(source):
        tracemalloc.start()
        with pytest.raises(DataError) as caught:
            read(source)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        sentence = str(caught.value)
        assert "\n" not in sentence and str(source) in sentence and peak < 64e6
        return sentence

    return refuse


def nifti(path, volume=None, affine=None, **fields):
    """Write a NIfTI file, and change fields of its header in place."""
    volume = np.zeros(SHAPE, np.int16) if volume is None else volume
    content = nib.Nifti1Image(volume, np.eye(4) if affine is None else affine).to_bytes()
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + content[348:]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dim": [3, 1000, 1000, 900, 1, 1, 1, 1]}, r"declares 1800000000 bytes of voxels, more than its \d+ bytes"),
        ({"dim": [3, 32000, 32000, 32000, 1, 1, 1, 1]}, "expected 1 voxel or more along each axis and at most"),
        ({"dim": [3, -6, 5, 4, 1, 1, 1, 1]}, "expected 1 voxel or more along each axis"),
        ({"dim": [4, 3, 5, 4, 2, 1, 1, 1]}, r"has shape \(3, 5, 4, 2\), expected three axes"),
        ({"dim": [2, 6, 20, 1, 1, 1, 1, 1]}, r"has shape \(6, 20\), expected three axes"),
        ({"dim": [3, 6, 5, 3, 1, 1, 1, 1], "vox_offset": 10000}, "ends before its voxels begin"),
        ({"vox_offset": 1e12}, "has its voxels at byte 1e.12"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "affine with a value that is NaN or infinite"),
        ({"srow_x": [1, 1, 0, 0], "srow_y": [1, 1, 0, 0]}, "singular affine"),
        ({"srow_z": [0, 0, 1e9, 0]}, r"has a spacing of 1 x 1 x 1e\+09 mm"),
        ({"xyzt_units": 3}, "in micrometres, expected mm"),
        ({"magic": b"ni1"}, r"in another file \(.img\)"),
    ],
)
def test_nifti_headers_that_lie(tmp_path, refused, name, fields, expected):
    path = nifti(tmp_path / name, **fields)
    assert re.search(expected, refused(path))


@pytest.mark.parametrize("dtype", [np.complex64, [("R", "u1"), ("G", "u1"), ("B", "u1")]])
def test_voxels_that_are_no_real_number(tmp_path, refused, dtype):
    path = nifti(tmp_path / "a.nii.gz", np.zeros(SHAPE, dtype))
    assert "expected whole or real numbers" in refused(path)


def test_a_fourth_axis_of_one_voxel_is_dropped(tmp_path):
    volume = np.arange(120, dtype=np.int16).reshape(SHAPE)
    nib.Nifti1Image(volume[..., None], np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "a.nii.gz")[0], volume)


def test_sform_comes_before_qform_and_qform_before_none(tmp_path):
    image = nib.Nifti1Image(np.zeros(SHAPE, np.int16), None)
    sform, qform = np.diag([2.0, 3.0, 4.0, 1.0]), np.diag([-1.0, -1.0, 5.0, 1.0])
    for n_set, expected in ((2, sform), (1, qform)):
        image.set_sform(sform, code=1 if n_set == 2 else 0)
        image.set_qform(qform, code=1)
        image.to_filename(tmp_path / "a.nii")
        np.testing.assert_allclose(read(tmp_path / "a.nii")[1], expected)


def test_a_gzip_bomb_stops_at_what_its_header_declares(tmp_path, refused):
    header = gzip.decompress(nifti(tmp_path / "a.nii.gz").read_bytes())
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header + bytes(200_000_000)))
    assert "holds more than the 240 bytes of voxels that it declares" in refused(tmp_path / "a.nii.gz")


def test_a_flipped_bit_in_a_gzip_is_found_by_its_checksum(tmp_path, refused):
    path = nifti(tmp_path / "a.nii.gz")
    stored = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0))
    stored[-100] ^= 1
    path.write_bytes(stored)
    assert "not a complete NIfTI file (BadGzipFile)" in refused(path)


def test_an_array_of_objects_is_never_unpickled(tmp_path, refused):
    class Trap:
        def __reduce__(self):
            return print, ("unpickled",)

    np.save(tmp_path / "a.npy", np.array([[[Trap()]]], dtype=object), allow_pickle=True)
    assert b"unpickled" in (tmp_path / "a.npy").read_bytes()
    assert "has voxels of type object" in refused(tmp_path / "a.npy")


def test_numpy_headers_that_lie(tmp_path, refused):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (900, 900, 900), }\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)
    (tmp_path / "a.npy").write_bytes(content)
    assert "declares 5832000000 bytes" in refused(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"space": "scanner-xyz"}, "has space 'scanner-xyz', expected one of"),
        ({"space directions": np.diag([1.0, 0.0, 1.0])}, "has a spacing of 1 x 0 x 1 mm"),
        ({"encoding": "ascii"}, "has encoding ascii, expected one of raw"),
    ],
)
def test_nrrd_by_name(tmp_path, refused, fields, expected):
    nrrd.write(str(tmp_path / "a.nrrd"), np.zeros(SHAPE, np.int16), {**LPS, **fields})
    assert expected in refused(tmp_path / "a.nrrd")


@pytest.mark.parametrize("elsewhere", ["../secret.raw", "/etc/passwd", "sub/secret.raw"])
def test_metaimage_that_points_elsewhere(tmp_path, refused, elsewhere):
    (tmp_path / "secret.raw").write_bytes(bytes(240))
    (tmp_path / "in").mkdir()
    header = "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementSpacing = 1 1 1\nElementType = MET_SHORT\n"
    (tmp_path / "in" / "a.mhd").write_text(f"{header}ElementDataFile = {elsewhere}\n")
    assert refused(tmp_path / "in" / "a.mhd").endswith("expected one file beside it; put it there.")


def series(tmp_path, dicom_series, **options):
    writer = dicom_series(tmp_path / "series", **options)
    return writer, writer.write(np.random.RandomState(0).randint(0, 99, (6, 5, 8)).astype(np.int16))


def change(file, **tags):
    dataset = pydicom.dcmread(file)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"SeriesInstanceUID": "1.2.3"}, "holds 2 DICOM series, expected one"),
        ({"Modality": "RTSTRUCT"}, "has modality RTSTRUCT, expected one of CT, MR, PT"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "is a localizer"),
        ({"NumberOfFrames": 2}, "is a multi-frame file"),
        ({"SamplesPerPixel": 3}, "has 3 samples a pixel"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}, "has another orientation, spacing or size"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "expected two unit vectors at right angles"),
        ({"PixelSpacing": [1.5, 0.9]}, "has another orientation, spacing or size"),
        ({"Rows": 4}, "has another orientation, spacing or size"),
        ({"ImagePositionPatient": [-10, 20, 5]}, "has two slices at 5 mm along its normal"),
        ({"ImagePositionPatient": None}, "has ImagePositionPatient None, expected 3 numbers"),
        ({"PixelData": b"12"}, "not a complete DICOM file (ValueError)"),
    ],
)
def test_a_slice_that_does_not_belong(tmp_path, refused, dicom_series, tags, expected):
    _, files = series(tmp_path, dicom_series)
    change(files[3], **tags)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "series")
    assert expected in str(caught.value) and str(caught.value).startswith(str(tmp_path / "series"))


@pytest.mark.parametrize("missing", [1, 4, 6])
def test_a_missing_slice(tmp_path, refused, dicom_series, missing):
    _, files = series(tmp_path, dicom_series)
    files[missing].unlink()
    assert f"are 3 to 6 mm apart, expected one distance; slices are missing near {5 + 3 * (missing - 1)} mm" in refused(
        tmp_path / "series"
    )


def test_positions_rounded_by_the_scanner_are_even(tmp_path, dicom_series):
    _, files = series(tmp_path, dicom_series, spacing_mm=(1, 1, 0.625))
    for z, file in enumerate(files):
        change(file, ImagePositionPatient=[0, 0, round(0.625 * z, 1)])
    assert nib.affines.voxel_sizes(read(tmp_path / "series")[1]) == pytest.approx([1, 1, 0.625], abs=0.01)


def test_a_tilted_gantry(tmp_path, refused, dicom_series):
    _, files = series(tmp_path, dicom_series)
    for z, file in enumerate(files):
        change(file, ImagePositionPatient=[-10, 20 + 3 * z * np.tan(np.radians(12)), 5 + 3 * z])
    assert "(12.0 degrees, a tilted gantry)" in refused(tmp_path / "series")


def test_pixels_that_nothing_here_decodes(tmp_path, refused, dicom_series):
    _, files = series(tmp_path, dicom_series)
    dataset = pydicom.dcmread(files[0])
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(files[0], enforce_file_format=True)
    with pytest.raises(DataError, match=r"its pixels are encoded as JPEG-LS Lossless .*, which no installed package"):
        read(tmp_path / "series")


def test_one_slice_is_no_volume(tmp_path, refused, dicom_series):
    for file in series(tmp_path, dicom_series)[1][1:]:
        file.unlink()
    assert "holds one slice" in refused(tmp_path / "series")


def test_series_are_found_by_folder(tmp_path, dicom_series):
    volume = np.zeros((4, 4, 2), np.int16)
    for folder, modality in (("b/ct", "CT"), ("b/pet", "PT"), ("a/ct", "CT")):
        dicom_series(tmp_path / folder, modality, suffix="").write(volume)
    (tmp_path / "b" / "ct" / "notes.xml").write_text("<xml/>")
    (tmp_path / "b" / "ct" / "._PHANTOM_0000.dcm").write_bytes(b"\0")
    found = [
        (series.folder.relative_to(tmp_path).as_posix(), series.modality) for series in dicom.find_series(tmp_path)
    ]
    assert found == [("a/ct", "CT"), ("b/ct", "CT"), ("b/pet", "PT")]
    assert len(dicom.find_series(tmp_path, "PT")) == 1
    assert read(tmp_path / "b" / "ct")[0].shape == (4, 4, 2)


@pytest.mark.parametrize("name", ["a.tif", "a.hdr", "a"])
def test_a_suffix_without_a_reader(tmp_path, refused, name):
    (tmp_path / name).write_bytes(b"content")
    assert "no reader for this suffix, expected .nii, .nii.gz" in refused(tmp_path / name)


def test_an_empty_folder(tmp_path, refused):
    assert "holds no slice" in refused(tmp_path)
