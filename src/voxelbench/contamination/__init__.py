"""The contamination gate: was a test case in the pretraining corpus? Exact copies, same patients, near duplicates."""

VERSION = 3
"""One more when fingerprints or verdicts change: fingerprints and records are then made anew."""
