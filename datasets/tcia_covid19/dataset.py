"""CT Images in COVID-19 as NIfTI: the number after A is the patient's, and the day a scan's."""

from voxelbench.data.collections import Collection

prepare = Collection(r"(?P<case>volume-covid19-(?P<patient>A-\d+)[^/]*)\.nii\.gz").prepare
