"""What the tests of the engine and of the datasets share."""

pytest_plugins = ["phantom_dicom"]
