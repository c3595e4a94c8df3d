"""The methods that the paper's tables compare, behind one interface (Secs. 4.1 to 4.3)."""

from stylecinegan.evaluation.baselines.animating_landscape import RecurrentWarping
from stylecinegan.evaluation.baselines.deep_landscape import DeepLandscape
from stylecinegan.evaluation.baselines.emf import EMF
from stylecinegan.evaluation.baselines.laplacian import LaplacianPyramid
from stylecinegan.evaluation.baselines.mocogan_hd import MoCoGANHD
from stylecinegan.evaluation.baselines.ours import Ours
from stylecinegan.evaluation.baselines.scene import Baseline, Scene
from stylecinegan.evaluation.baselines.text2cinemagraph import Text2Cinemagraph
from stylecinegan.evaluation.baselines.written import WrittenFrames

__all__ = [
    "EMF",
    "Baseline",
    "DeepLandscape",
    "LaplacianPyramid",
    "MoCoGANHD",
    "Ours",
    "RecurrentWarping",
    "Scene",
    "Text2Cinemagraph",
    "WrittenFrames",
]
