"""Dataset plug-ins: this package's path is the checkout's top-level `datasets/` folder."""

from voxelbench.paths import plugin_folders

__path__ = [str(folder) for folder in plugin_folders("datasets")]
