"""The contamination gate: was a test case in the pretraining corpus? Exact copies, same patients, near duplicates."""
