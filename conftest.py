"""What the tests of the engine and of the datasets share."""

from hypothesis import settings

pytest_plugins = ["phantom_dicom"]

# A machine that does other work beside the tests is slow, and that is no failure.
settings.register_profile("voxelbench", deadline=None)
settings.load_profile("voxelbench")
