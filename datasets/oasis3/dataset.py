"""OASIS-3 as NIfTI: T1-weighted scans; OAS3NNNN in a name is the subject."""

from voxelbench.data.collections import Collection

prepare = Collection(r"(?P<case>[^/]*(?P<patient>OAS3\d+)[^/]*)\.nii\.gz").prepare
