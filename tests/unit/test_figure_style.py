"""A method looks the same in all figures."""

from matplotlib.colors import to_hex

from voxelbench.report.figures import style


def test_a_method_has_one_colour_and_its_variants_are_told_apart():
    systems = [style.System(*name) for name in (("s2dc", "code", "e"), ("s2dc", "paper", "e"), ("s2dc", "code.g", "e"))]
    code, paper, ablation = style.looks(systems).values()
    assert to_hex(code.colour) == to_hex(paper.colour) == "#d55e00" and code.hatch == "" != paper.hatch
    assert ablation.colour[2] > code.colour[2] and code.marker == paper.marker == ablation.marker
    assert style.looks(systems[1:2])[systems[1]] == paper  # the same in every figure
    scratch = style.System("scratch", "", "e")
    assert to_hex(style.looks([scratch])[scratch].colour) == "#7f7f7f"


def test_every_method_has_a_colour_of_its_own():
    names = ("scratch", "s2dc", "voco", "swinmm", "alice", "gvsl", "nnunet", "a_new_one")
    looks = style.looks([style.System(name, "", "e") for name in names]).values()
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(names)
