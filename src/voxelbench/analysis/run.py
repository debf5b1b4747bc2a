"""An analysis, by its kind."""

from voxelbench.analysis.evolution import analyse_evolution
from voxelbench.analysis.organs import analyse_organs
from voxelbench.analysis.plan import analysis_settings
from voxelbench.analysis.scenes import analyse_similarity
from voxelbench.analysis.settings import OrgansAnalysis, SimilarityAnalysis


def analyse(name: str, budget: str) -> None:
    """Do one analysis of the config and write its folder."""
    settings = analysis_settings(name)
    if isinstance(settings, SimilarityAnalysis):
        analyse_similarity(name, settings, budget)
    elif isinstance(settings, OrgansAnalysis):
        analyse_organs(name, settings, budget)
    else:
        analyse_evolution(name, settings, budget)
