"""The leaderboard: published and measured values in one schema, checked, re-scored and compared. Imports no torch."""
