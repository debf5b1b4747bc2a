"""HNSCC, converted to NIfTI with one file a series (VoCo's list has 00001.nii.gz), or in its folders of DICOM."""

from voxelbench.data.collections import Collection

prepare = Collection(dicom_patient=r"HNSCC-\d+-\d+").prepare
