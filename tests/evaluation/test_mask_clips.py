import pytest
import torch

from stylecinegan.data.motion_pairs import write_pair
from stylecinegan.evaluation.mask_clips import measure_clip_masks
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction
from stylecinegan.motion.estimation.optical_flow import ClipMotion


class BrightMoves:
    def segment(self, photo):
        bright = (photo.mean(dim=1, keepdim=True) > 0).float()
        classes = torch.cat([1.0 - bright, bright, 0.0 * bright], dim=1)
        return MaskPrediction(bright, PixelClasses(classes, classes, classes))


def write(folder, name, *, top_moves, bottom_moves=0.0):
    image = torch.full((1, 3, 64, 64), -0.5)
    image[:, :, :32] = 0.5
    motion = torch.zeros(1, 2, 64, 64)
    motion[:, 0, :32] = top_moves
    motion[:, 0, 32:] = bottom_moves
    confidence = torch.ones(1, 1, 64, 64)
    confidence[..., :16] = 0.0  # no texture to tell by
    motion[..., :16] = 5.0
    write_pair(folder, name, ClipMotion(image, motion, confidence), "")


def test_recalls_are_those_of_moving_and_of_static_pixels(tmp_path):
    write(tmp_path, "a_mp4_00000", top_moves=2.0)  # the mask is right
    write(tmp_path, "a_mp4_00060", top_moves=0.0, bottom_moves=2.0)  # a second clip of a video
    write(tmp_path, "b_mp4_00000", top_moves=2.0, bottom_moves=2.0)  # half of what moves is found
    means, entries = measure_clip_masks(BrightMoves(), tmp_path)
    assert [entry["clip"] for entry in entries] == ["a_mp4", "b_mp4"]
    assert entries[0]["moving covered"] == entries[0]["static left"] == 1.0
    assert entries[1]["moving covered"] == pytest.approx(0.5)
    assert "static left" not in entries[1]
    assert means["moving covered"] == pytest.approx(0.75)
    assert means["static left"] == 1.0
