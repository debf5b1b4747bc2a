"""Records of Zenodo: what its API lists is fetched, checked and prepared, and what it does not list is refused."""

import gzip
import hashlib
import io
import json
import zipfile

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from voxelbench import paths, registry
from voxelbench.cards import ZenodoRecord
from voxelbench.data.case import read_cases
from voxelbench.data.download import download_archives
from voxelbench.errors import ChecksumError, DataError

RECORD = 3723295
NOTE = f"archives/zenodo-{RECORD}.json"


def zip_of(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def entry(name, content, **changes):
    """Return what the API says of a file, as far as it matters, and a link that nobody should need."""
    said = {"key": name, "size": len(content), "checksum": "md5:" + hashlib.md5(content).hexdigest()}
    return said | {"links": {"self": "https://elsewhere.invalid/content?token=s3cret"}} | changes


def answer(*entries, record=RECORD):
    return json.dumps({"id": record, "metadata": {"title": "toy"}, "files": list(entries)}).encode()


@pytest.fixture
def host(source):
    return source.url.removesuffix("/scan.nii.gz")


@pytest.fixture
def publish(source):
    """Return a function that puts files into a record of the local source."""

    def put(record, files):
        at = f"/records/{record}/files/"
        source.files |= {at + name: content for name, content in files.items()}
        listed = [entry(name, content) for name, content in files.items()]
        source.files[f"/api/records/{record}"] = answer(*listed, entry("notes.csv", b"not wanted"), record=record)

    return put


@pytest.fixture
def card(host):
    """Return a card that names one archive of one record."""
    record = ZenodoRecord(record=RECORD, files=("subset0.zip",), host=host)
    return registry.dataset_card("luna16").model_copy(update={"zenodo": (record,)})


def volume(seed):
    return np.random.RandomState(seed).randint(-1000, 1000, (9, 11, 7)).astype(np.int16)


def metaimage(tmp_path, uid, seed):
    """Return the two files of a MetaImage, by name."""
    image = sitk.GetImageFromArray(volume(seed).T)
    image.SetSpacing((0.75, 0.75, 2.5))
    sitk.WriteImage(image, tmp_path / f"{uid}.mhd")
    return {f"{uid}.{end}": (tmp_path / f"{uid}.{end}").read_bytes() for end in ("mhd", "raw")}


def fetched_and_prepared(name, host, tmp_path):
    """Download a dataset from the local source and prepare it; return its raw folder and its cases by id."""
    card, dataset, raw = registry.dataset_card(name), registry.load_dataset(name), tmp_path / "raw"
    records = tuple(record.model_copy(update={"host": host}) for record in card.zenodo)
    dataset.download(raw, card.model_copy(update={"zenodo": records}))
    dataset.prepare(raw, tmp_path / "prepared", card, "native")
    return raw, {case.case_id: case for case in read_cases(paths.manifest(tmp_path / "prepared"))}


@pytest.mark.parametrize("top", ["subset{}/", ""])
def test_luna16_is_downloaded_from_two_records_and_prepared(source, host, publish, tmp_path, top):
    """Its axes point to L, P, S: turned to R, A, S the first two are reversed."""
    archives = []
    for number in range(10):
        members = metaimage(tmp_path, f"1.3.6.{number}", number)
        archives.append(zip_of({top.format(number) + name: content for name, content in members.items()}))
    publish(3723295, {f"subset{number}.zip": archives[number] for number in range(7)} | {"seg-lungs-LUNA16.zip": b"no"})
    publish(4121926, {f"subset{number}.zip": archives[number] for number in range(7, 10)})
    raw, cases = fetched_and_prepared("luna16", host, tmp_path)
    assert sorted(cases) == [f"1.3.6.{number}" for number in range(10)]
    for number in range(10):
        case = cases[f"1.3.6.{number}"]
        np.testing.assert_array_equal(case.read()[0], volume(number)[::-1, ::-1])
        assert case.spacing_mm == pytest.approx((0.75, 0.75, 2.5))
    folders = {path.name for path in raw.iterdir()}
    assert folders == {"archives", *(f"subset{number}" for number in range(10))}
    assert len(source.asked) == 12


def nifti(values):
    return gzip.compress(nib.Nifti1Image(values, np.diag([1.5, 1.5, 3, 1])).to_bytes())


@pytest.mark.parametrize("top", ["Totalsegmentator_dataset/", ""])
def test_totalsegmentator_is_downloaded_and_prepared_without_its_labels(host, publish, tmp_path, top):
    members = {f"{top}meta.csv": b"image_id;age\n"}
    for subject, number in (("s0000", 0), ("s1402", 1402)):
        members[f"{top}{subject}/ct.nii.gz"] = nifti(volume(number))
        members[f"{top}{subject}/segmentations/liver.nii.gz"] = nifti(np.ones((9, 11, 7), np.uint8))
    publish(6802614, {"Totalsegmentator_dataset.zip": zip_of(members)})
    _, cases = fetched_and_prepared("totalsegmentator", host, tmp_path)
    assert sorted(cases) == ["s0000", "s1402"]
    np.testing.assert_array_equal(cases["s1402"].read()[0], volume(1402))


def test_a_download_that_goes_on_is_of_the_release_that_it_began_with(source, publish, card, tmp_path, patience):
    """Cut once too often, it goes on without asking the API; what the source then has instead is refused."""
    old, new = (zip_of({"subset0/a.raw": np.random.RandomState(seed).bytes(200_000)}) for seed in (0, 1))
    publish(RECORD, {"subset0.zip": old})
    source.content = old
    source.script = [source.well] + [source.cut(70_000)] + [source.says(503)] * patience.attempts
    with pytest.raises(DataError, match=r"subset0\.zip: could not be fetched \(status 503\), 70000 bytes are here"):
        download_archives(tmp_path, card, patience)
    kept = (tmp_path / NOTE).read_bytes()
    publish(RECORD, {"subset0.zip": new})
    source.script, source.headers = [], {"ETag": '"two"'}
    with pytest.raises(ChecksumError, match=hashlib.md5(old).hexdigest()):
        download_archives(tmp_path, card, patience)
    publish(RECORD, {"subset0.zip": old})
    download_archives(tmp_path, card, patience)
    assert (tmp_path / "subset0" / "subset0" / "a.raw").stat().st_size == 200_000
    assert (tmp_path / NOTE).read_bytes() == kept
    n_of_api, n_of_archive = 1, 1 + 3 + 1 + 1  # cut, refused, of another release, whole
    assert len(source.asked) == n_of_api + n_of_archive


def test_what_is_kept_holds_sizes_and_checksums_but_no_address(publish, card, tmp_path, patience):
    packed = zip_of({"a": b"a"})
    publish(RECORD, {"subset0.zip": packed})
    download_archives(tmp_path, card, patience)
    said = (tmp_path / NOTE).read_text(encoding="utf-8")
    assert json.loads(said)["files"][0] == {
        "key": "subset0.zip",
        "size": len(packed),
        "checksum": "md5:" + hashlib.md5(packed).hexdigest(),
    }
    assert "s3cret" not in said and "http" not in said


def test_room_is_looked_for_by_the_sizes_of_the_record(source, card, tmp_path, patience):
    source.files[f"/api/records/{RECORD}"] = answer(entry("subset0.zip", b"", size=10**18))
    with pytest.raises(DataError, match=r"subset0\.zip: needs 2000000000\.0 GB more on the disk"):
        download_archives(tmp_path, card, patience)
    assert len(source.asked) == 1


NAMED = entry("subset0.zip", b"")
REFUSED = {
    "no JSON": (b"<html>", r"is no JSON with the files of a record \(all of it: Invalid JSON"),
    "cut": (answer(NAMED)[:-9], r"is no JSON .* \(all of it: Invalid JSON"),
    "no list": (b'{"id": 3723295}', r"is no JSON .* \(files: Field required\)"),
    "no size": (answer({"key": "subset0.zip"}), r"\(files\.0\.size: Field required\)"),
    "another record": (answer(NAMED, record=1), "is of record 1, expected 3723295"),
    "another file": (answer(entry("subset1.zip", b"")), r"lists no file 'subset0\.zip', which card\.yaml names"),
    "no checksum": (
        answer(entry("subset0.zip", b"", checksum=None)),
        r"'subset0\.zip' has checksum None, expected md5",
    ),
    "a short one": (answer(entry("subset0.zip", b"", checksum="md5:12")), r"has checksum md5:12, expected md5:<32"),
    "another kind": (answer(entry("subset0.zip", b"", checksum="crc:" + "0" * 32)), "has checksum crc:0+, expected"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_answer_that_does_not_say_what_is_needed_is_refused_and_not_kept(source, card, tmp_path, patience, case):
    source.files[f"/api/records/{RECORD}"], sentence = REFUSED[case]
    with pytest.raises(
        DataError, match=rf"/api/records/{RECORD}: .*{sentence}.*; look at .*/records/{RECORD} and mend"
    ):
        download_archives(tmp_path, card, patience)
    assert list((tmp_path / "archives").iterdir()) == []


@pytest.mark.parametrize("case", REFUSED)
def test_a_kept_answer_that_is_damaged_is_refused_by_name(source, card, tmp_path, patience, case):
    content, sentence = REFUSED[case]
    (tmp_path / "archives").mkdir()
    (tmp_path / NOTE).write_bytes(content)
    with pytest.raises(DataError, match=rf"{NOTE}: .*{sentence}.*; remove it and run the command again\.$"):
        download_archives(tmp_path, card, patience)
    assert source.asked == []


def test_an_api_that_is_out_of_order_is_asked_again(source, publish, card, tmp_path, patience):
    publish(RECORD, {"subset0.zip": zip_of({"a": b"a"})})
    source.script = [source.says(503), source.says(429, Retry_After="0"), source.cut(10)]
    download_archives(tmp_path, card, patience)
    assert (tmp_path / "subset0" / "a").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("status", "n_asked", "sentence"),
    [
        (500, 4, r"could not be asked \(status 500\); run the command again"),
        (404, 1, "the source answers with status 404"),
    ],
)
def test_an_api_that_refuses_is_told(source, card, tmp_path, patience, status, n_asked, sentence):
    source.script = [source.says(status)] * 9
    with pytest.raises(DataError, match=rf"/api/records/{RECORD}: {sentence}"):
        download_archives(tmp_path, card, patience)
    assert len(source.asked) == n_asked


def test_an_api_that_cannot_be_reached_is_told_without_the_password(card, tmp_path, patience):
    (record,) = card.zenodo
    nowhere = record.model_copy(update={"host": "http://me:s3cret@127.0.0.1:9"})
    with pytest.raises(DataError) as caught:
        download_archives(tmp_path, card.model_copy(update={"zenodo": (nowhere,)}), patience)
    said = f"http://127.0.0.1:9/api/records/{RECORD}: could not be asked (ConnectionError); run the command again."
    assert str(caught.value) == said


def test_a_folder_that_cannot_be_written_is_told(card, tmp_path, patience):
    (tmp_path / "archives").write_text("a file")
    with pytest.raises(DataError, match=rf"{NOTE}: could not be read or written \(File exists\)"):
        download_archives(tmp_path, card, patience)
