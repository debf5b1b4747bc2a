"""Method plug-ins: this package's path is the checkout's top-level `methods/` folder."""

from voxelbench.paths import plugin_folders

__path__ = [str(folder) for folder in plugin_folders("methods")]
