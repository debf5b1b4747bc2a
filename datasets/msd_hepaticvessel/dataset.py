"""Task08_HepaticVessel of the Decathlon: the volumes of its training part, one a patient."""

from voxelbench.data.collections import Collection
from voxelbench.data.download import download_archives

download = download_archives
prepare = Collection().prepare
