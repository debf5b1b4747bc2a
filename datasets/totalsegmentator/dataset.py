"""TotalSegmentator's dataset: one folder a subject, with ct.nii.gz beside the label maps that are not read."""

from voxelbench.data.collections import Collection
from voxelbench.data.download import download_archives

download = download_archives
prepare = Collection(r"(?P<case>s\d+)/ct\.nii\.gz").prepare
