"""Pseudo-labels of the sky from a teacher network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.data.pictures import PictureFolder, stem
from stylecinegan.io.paths import replacing


@torch.no_grad()
def write_sky_labels(
    teacher: U2Net, photos: PictureFolder, output: str | Path, *, side: int = 384
) -> Iterator[Path]:
    """Writes the probability of sky in every photo, flip-averaged.

    Args:
        teacher: A network of one class, the sky.
        photos: The photos.
        output: Folder of the labels, ``STEM.png``, 8-bit grey, 255 is sky, of the photos' sizes;
            existing ones are kept.
        side: Side of the square that photos are resized to, in pixels.

    Yields:
        The label file of each photo.
    """
    device = teacher.mean.device
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    for name in photos.names:
        path = folder / f"{stem(name)}.png"
        if not path.exists():
            picture = torch.from_numpy(photos.read(name).copy()).to(device)
            image = picture.permute(2, 0, 1)[None].float() / 127.5 - 1.0
            squeezed = F.interpolate(image, (side, side), mode="bilinear", antialias=True)
            both = teacher(torch.cat([squeezed, squeezed.flip(3)])).sigmoid()
            probability = (both[:1] + both[1:].flip(3)) / 2.0
            probability = F.interpolate(probability, image.shape[2:], mode="bilinear")[0, 0]
            pixels = (255.0 * probability).round().to(torch.uint8).cpu().numpy()
            with replacing(path, (".png",)) as temporary:
                Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG")
        yield path
