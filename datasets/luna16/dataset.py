"""LUNA16 as MetaImage, or converted to NIfTI: one file a series, named by its uid."""

from voxelbench.data.collections import Collection
from voxelbench.data.download import download_archives

download = download_archives
prepare = Collection(r"(?P<case>[^/]+)\.(mhd|nii\.gz)").prepare
