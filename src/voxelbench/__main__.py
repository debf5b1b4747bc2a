"""`python -m voxelbench` runs uninstalled, with src on the path, as the workflow's jobs do."""

import sys

from voxelbench.cli import main

sys.exit(main())
