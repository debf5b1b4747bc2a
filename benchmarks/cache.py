"""Ways to keep a CT volume on disk: their size, and how fast crops of 96 cubed come out of them.

    python benchmarks/cache.py [--rounds 7] [--folder DIR]

One volume of 512 x 512 x 200 voxels, int16 in HU: the abdomen of the synthetic torso, drawn on a coarse grid and
interpolated, with white noise of 15 HU in every voxel, which compresses worse than a scanner's. All formats hold the
same values; a crop of each is compared before anything is timed. The file is opened anew for every crop, at a random
place, and the crop becomes float32. Every round reads ten crops in every format, so that whatever else runs slows all
of them; figures are medians over rounds. Files stay in the page cache: a disk is not part of this.

Formats whose package is not installed are left out, by name; `pip install blosc2 hdf5plugin zarr` brings them.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from scipy import ndimage

from voxelbench.data.cache import Box, read_volume, write_volume
from voxelbench.data.phantom_torso import draw_abdomen

SHAPE, SIDE, NOISE_HU, N_CROPS = (512, 512, 200), 96, 15.0, 10
FLOAT16_BYTES = 2 * SHAPE[0] * SHAPE[1] * SHAPE[2]


@dataclass(frozen=True)
class Format:
    """A way to write a volume (X, Y, Z), and to read a box of it."""

    name: str
    suffix: str
    write: Callable[[Path, np.ndarray], None]
    read: Callable[[Path, Box], np.ndarray]
    n_crops: int = N_CROPS


def save_nifti(path: Path, volume: np.ndarray) -> None:
    """Write NIfTI, gzipped at nibabel's level 1 where the suffix says so."""
    nib.save(nib.Nifti1Image(volume, np.eye(4)), path)


def read_whole(path: Path) -> np.ndarray:
    """Return the whole volume of a NIfTI file, int16 (X, Y, Z): a memory map if it is not compressed."""
    return np.asanyarray(nib.load(path).dataobj)


NIFTI = Format("NIfTI.gz, read whole and cropped", ".nii.gz", save_nifti, lambda path, box: read_whole(path)[box], 1)
OURS = Format(
    "**HDF5, gzip-1, chunks of 32 (ours)**",
    ".h5",
    lambda path, volume: write_volume(path, volume[None]),
    lambda path, box: read_volume(path, box=box)[0],
)


def plain_formats() -> list[Format]:
    """Return what needs no package beyond voxelbench's own."""
    return [
        NIFTI,
        Format("NIfTI.gz, sliced by nibabel", ".nii.gz", save_nifti, lambda path, box: nib.load(path).dataobj[box], 1),
        Format("NIfTI, memory map", ".nii", save_nifti, lambda path, box: read_whole(path)[box]),
        Format("numpy, memory map", ".npy", np.save, lambda path, box: np.load(path, mmap_mode="r")[box]),
        OURS,
        *(hdf5(f"gzip-1, chunks of {n}", n, compression="gzip", compression_opts=1, shuffle=True) for n in (16, 64)),
        hdf5("LZF, chunks of 32", 32, compression="lzf", shuffle=True),
        hdf5("not compressed, chunks of 32", 32),
    ]


def hdf5(name: str, chunk: int, **options: object) -> Format:
    """HDF5 in cubic chunks with another filter."""

    def write(path: Path, volume: np.ndarray) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("volume", data=volume, chunks=(chunk,) * 3, **options)

    def read(path: Path, box: Box) -> np.ndarray:
        with h5py.File(path) as file:
            crop: np.ndarray = file["volume"][box]
        return crop

    return Format(f"HDF5, {name}", ".h5", write, read)


def plugin_formats() -> list[Format]:
    """Return HDF5 with filters of hdf5plugin."""
    import hdf5plugin

    return [
        hdf5("bitshuffle + LZ4, chunks of 32", 32, compression=hdf5plugin.Bitshuffle(cname="lz4")),
        hdf5("bitshuffle + LZ4, chunks of 16", 16, compression=hdf5plugin.Bitshuffle(cname="lz4")),
        hdf5("bitshuffle + zstd, chunks of 32", 32, compression=hdf5plugin.Bitshuffle(cname="zstd")),
    ]


def blosc2_formats() -> list[Format]:
    """Return Blosc2's own array files: chunks of blocks, of which only those touched are decompressed."""
    import blosc2

    def array(codec: str, block: int) -> Format:
        parameters = {"codec": blosc2.Codec[codec], "filters": [blosc2.Filter.BITSHUFFLE]}
        options = {"chunks": (64,) * 3, "blocks": (block,) * 3, "cparams": parameters}
        return Format(
            f"blosc2, bitshuffle + {codec}, chunks of 64, blocks of {block}",
            ".b2nd",
            lambda path, volume: blosc2.asarray(volume, urlpath=str(path), mode="w", **options),
            lambda path, box: blosc2.open(str(path), mode="r")[box],
        )

    return [array("LZ4", 32), array("LZ4", 16), array("ZSTD", 32)]


def zarr_formats() -> list[Format]:
    """Return Zarr: a folder with a file a chunk, zstandard as it comes."""
    import zarr

    def array(chunk: int) -> Format:
        return Format(
            f"zarr, zstd, chunks of {chunk}",
            ".zarr",
            lambda path, volume: zarr.create_array(str(path), data=volume, chunks=(chunk,) * 3),
            lambda path, box: zarr.open_array(str(path), mode="r")[box],
        )

    return [array(32), array(64)]


OPTIONAL = {"hdf5plugin": plugin_formats, "blosc2": blosc2_formats, "zarr": zarr_formats}


def draw_volume() -> np.ndarray:
    """Return the volume, int16 (X, Y, Z) in HU."""
    rng = np.random.RandomState(0)
    coarse = draw_abdomen(rng).scan(noise_hu=0).astype(np.float32)
    anatomy = ndimage.zoom(coarse, [new / old for new, old in zip(SHAPE, coarse.shape, strict=True)], order=1)
    noise = NOISE_HU * rng.standard_normal(SHAPE).astype(np.float32)
    return (anatomy + noise).clip(-1024, 3071).round().astype(np.int16)


def draw_boxes(rng: np.random.RandomState) -> list[Box]:
    """Draw the places of ten crops."""
    corners = [[rng.randint(length - SIDE + 1) for length in SHAPE] for _ in range(N_CROPS)]
    return [(slice(x, x + SIDE), slice(y, y + SIDE), slice(z, z + SIDE)) for x, y, z in corners]


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def n_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def time_round(files: dict[Format, Path], boxes: list[Box]) -> dict[str, float]:
    """Return seconds a crop of every format, and under "once" those of one NIfTI read and ten crops of it."""
    taken = {}
    for form, path in files.items():
        chosen = boxes[: form.n_crops]
        taken[form.name] = statistics.mean(
            seconds(lambda path=path, box=box, form=form: form.read(path, box).astype(np.float32)) for box in chosen
        )
    started = time.perf_counter()
    whole = read_whole(files[NIFTI])
    for box in boxes:
        whole[box].astype(np.float32)
    return {**taken, "once": time.perf_counter() - started}


def write_all(formats: list[Format], folder: Path) -> tuple[dict[Format, Path], dict[str, float]]:
    """Write the volume in every format, and compare a crop; return files, and seconds of writing by name."""
    volume, files, written = draw_volume(), {}, {}
    box = draw_boxes(np.random.RandomState(1))[0]
    for index, form in enumerate(formats):
        files[form] = folder / f"{index}{form.suffix}"
        written[form.name] = seconds(lambda form=form: form.write(files[form], volume))
        np.testing.assert_array_equal(form.read(files[form], box), volume[box])
    return files, written


def print_table(files: dict[Format, Path], written: dict[str, float], rounds: list[dict[str, float]]) -> None:
    """Print one row a format, against a NIfTI read for each crop, and against one read and ten crops of it."""
    crop = {name: statistics.median(taken[name] for taken in rounds) for name in rounds[0]}
    print("| format | MB | of float16 | write, s | crop, ms | crops/s | vs a read each | vs one read |")
    print("|---" * 8 + "|")
    for form, path in files.items():
        one, size = crop[form.name], n_bytes(path)
        cells = [f"{size / 1e6:.1f}", f"{size / FLOAT16_BYTES:.2f}", f"{written[form.name]:.1f}", f"{1000 * one:.1f}"]
        cells += [f"{1 / one:.1f}", f"{crop[NIFTI.name] / one:.1f}", f"{crop['once'] / (N_CROPS * one):.1f}"]
        print(f"| {form.name} | {' | '.join(cells)} |")
    print(f"\nOne NIfTI read and ten crops of it: {1000 * crop['once']:.0f} ms.")


def main() -> None:
    """Write the volume in every format at hand, read crops in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="holds 1.1 GB meanwhile; default: the system's temporary folder")
    arguments = parser.parse_args()
    formats = plain_formats()
    for package, make in OPTIONAL.items():
        if find_spec(package):
            formats += make()
        else:
            print(f"{package} is not installed: left out.")
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        files, written = write_all(formats, folder)
        rng = np.random.RandomState(2)
        rounds = [time_round(files, draw_boxes(rng)) for _ in range(arguments.rounds)]
        print_table(files, written, rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
