"""Mask prediction: deep features become S, 1 where something moves (Sec. 3.2)."""

from stylecinegan.mask.ensemble import MaskEnsemble, PixelClassifier
from stylecinegan.mask.prediction import MaskPrediction, predict_mask
from stylecinegan.mask.refinement import check_cover, refine

__all__ = [
    "MaskEnsemble",
    "MaskPrediction",
    "PixelClassifier",
    "check_cover",
    "predict_mask",
    "refine",
]
