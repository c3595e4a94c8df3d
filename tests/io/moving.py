"""Frames of a loop in which every step is the same."""

import torch


def loop(num_frames=12, height=64, width=96):
    """Bands that travel to the right by one wavelength; the lower quarter is still."""
    x = torch.linspace(0, 4 * torch.pi, width + 1)[:-1]
    for frame in range(num_frames):
        wave = torch.sin(x - 2 * torch.pi * frame / num_frames)
        image = 0.6 * torch.stack([wave, -wave, wave * 0.5])[None, :, None].repeat(1, 1, height, 1)
        image[:, :, height * 3 // 4 :] = 0.25
        yield image


def with_alpha(frames):
    """Lets frames fade from transparent on the left to opaque on the right."""
    for image in frames:
        alpha = torch.linspace(-1, 1, image.shape[3]).expand(1, 1, *image.shape[2:])
        yield torch.cat([image, alpha], dim=1)
