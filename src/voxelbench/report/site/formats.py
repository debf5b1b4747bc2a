"""Numbers of a CSV as people read them."""

from markupsafe import Markup


def number(text: str, decimals: int = 1) -> str:
    """Return a number of a CSV for people; nothing for nothing, and the text itself if it is none."""
    try:
        return f"{float(text):.{decimals}f}".replace("-", "−") if text else ""
    except ValueError:
        return text


def p_value(text: str) -> str:
    """Return a p value for people, with no more zeros than say something."""
    return "< 0.001" if text and float(text) < 0.001 else number(text, 3)


def interval(low: str, high: str, decimals: int = 1) -> Markup:
    """Return an interval for people, which never breaks across lines; nothing where it has no bounds."""
    if not low or not high:
        return Markup("")
    return Markup('<span class="ci">{} to {}</span>').format(number(low, decimals), number(high, decimals))


def plain(text: str) -> str:
    """Return a number of a CSV without the zeros that say nothing."""
    return text.rstrip("0").rstrip(".") if "." in text else text
