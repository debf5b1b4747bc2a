"""What an interval says of a published value that it can be compared with: the rule of docs/verdicts.md."""

from typing import Literal, NamedTuple

VerdictName = Literal[
    "reproduced", "within interval", "not reproduced", "not separable", "not comparable", "not run", ""
]


class Verdict(NamedTuple):
    """What became of a claim, and why; empty where nothing was claimed."""

    name: VerdictName
    reason: str = ""


class Bounds(NamedTuple):
    """A 95 % interval; its bounds belong to it."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies in it, both printed with two decimals."""
        return round(self.low, 2) <= round(value, 2) <= round(self.high, 2)

    def __str__(self) -> str:
        return f"{self.low:.2f} to {self.high:.2f}"


NOTHING = Verdict("")


def judge(claimed: float, reference: float | None, ours: Bounds) -> Verdict:
    """Say whether our interval confirms a claimed value over what it was compared with; None: it was with nothing.

    reproduced: the interval holds the claim and not the reference, and its half is no longer than their difference, so
    it could have told them apart on either side. not separable: it holds both. within interval: it holds the claim,
    but there is no reference, or it is too wide to mean more. not reproduced: it does not hold the claim.
    """
    if not ours.holds(claimed):
        side = "above" if claimed > ours.high else "below"
        return Verdict("not reproduced", f"{claimed:.2f} lies {side} {ours}")
    if reference is None:
        return Verdict("within interval", f"{claimed:.2f} lies in {ours}; the source compares it with nothing")
    if ours.holds(reference):
        return Verdict("not separable", f"{ours} holds the claim, {claimed:.2f}, and {reference:.2f} without it")
    half, gain = round((ours.high - ours.low) / 2, 2), round(abs(claimed - reference), 2)
    if half > gain:
        wide = f"half of which, {half:.2f}, is more than the gain, {gain:.2f}"
        return Verdict("within interval", f"{claimed:.2f} lies in {ours}, {wide}")
    return Verdict("reproduced", f"{ours} holds {claimed:.2f} and not {reference:.2f}")
