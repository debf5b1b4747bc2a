"""LIDC-IDRI, converted to NIfTI with one file a series, or in its folders of DICOM; LIDC-IDRI-NNNN is the patient."""

from voxelbench.data.collections import Collection

prepare = Collection(r"(?P<case>(?P<patient>LIDC-IDRI-\d+)?[^/]*)\.nii(\.gz)?", dicom_patient=r"LIDC-IDRI-\d+").prepare
