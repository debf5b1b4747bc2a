"""What keeps a measured value from being compared with a published one: every reason, each a clause."""

from voxelbench.leaderboard.row import AVERAGE, LeaderboardRow

FULL = "full"
"""The budget of the published lengths."""

UNNAMED = "best_other"
"""The baseline of a gain over a method that the source does not name."""

_FACTS = {
    "protocol": "training",
    "selection": "weights selected",
    "split": "split",
    "fold": "fold",
    "space": "scored in space",
    "encoder": "encoder",
}
"""What decides a value besides the method: where a source says it, ours has to be the same."""

_NEEDED = ("selection", "split")
"""Without these nobody knows whose cases a value is of, and who chose the weights."""


def is_undefined(published: LeaderboardRow) -> bool:
    """Whether nobody could measure the same, since the source does not say what it is."""
    return published.dataset == AVERAGE or published.baseline == UNNAMED


def obstacles(published: LeaderboardRow) -> list[str]:
    """Return what keeps a published value from being compared with any other."""
    if published.dataset == AVERAGE:
        return ["how reconstruction and translation enter the average is not published"]
    if published.baseline == UNNAMED:
        return ["the source does not name the method that it is a gain over"]
    unknown = [f"its {name} is not published" for name in _NEEDED if not getattr(published, name)]
    is_about = ["the source says only about how much"] if published.certainty == "approximate" else []
    return is_about + unknown


def differences(published: LeaderboardRow, ours: LeaderboardRow) -> list[str]:
    """Return in what a measured value differs from a published one of the same cell, besides the number."""
    found = [
        f"{title} {getattr(ours, name) or 'unknown'}, published {getattr(published, name)}"
        for name, title in _FACTS.items()
        if getattr(published, name) and getattr(published, name) != getattr(ours, name)
    ]
    if ours.data != "real":
        found.insert(0, "measured on synthetic twins")
    if ours.budget != FULL:
        found.insert(0, f"budget {ours.budget} is not the published protocol")
    if ours.contamination.startswith("overlap"):
        found.append("test cases lie in the corpus")
    if ours.low is None:
        found.append("ours has no interval")
    return found
