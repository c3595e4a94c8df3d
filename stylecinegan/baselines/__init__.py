"""Methods compared in the paper's tables, with one interface (Secs. 4.1 to 4.3)."""

from stylecinegan.baselines.animating_landscape import RecurrentWarping
from stylecinegan.baselines.deep_landscape import DeepLandscape
from stylecinegan.baselines.emf.method import EMF
from stylecinegan.baselines.laplacian import LaplacianPyramid
from stylecinegan.baselines.mocogan_hd.method import MoCoGANHD
from stylecinegan.baselines.ours import Ours
from stylecinegan.baselines.scene import Baseline, FixedScene
from stylecinegan.baselines.text2cinemagraph import Text2Cinemagraph
from stylecinegan.baselines.written import WrittenFrames

__all__ = [
    "EMF",
    "Baseline",
    "DeepLandscape",
    "FixedScene",
    "LaplacianPyramid",
    "MoCoGANHD",
    "Ours",
    "RecurrentWarping",
    "Text2Cinemagraph",
    "WrittenFrames",
]
