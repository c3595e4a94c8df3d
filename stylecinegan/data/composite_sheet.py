"""A contact sheet of training samples with their labels."""

from torch import Tensor

from stylecinegan.data.composites import Composites
from stylecinegan.visualization import contact_sheet, overlay_mask

SKY_COLOUR, WATER_COLOUR = (-0.2, 0.3, 1.0), (-0.8, 0.8, 0.2)
FALLING_COLOUR, DOUBT_COLOUR = (1.0, 1.0, -0.2), (1.0, -0.8, -0.8)


def composite_sheet(samples: Composites, number: int, *, columns: int = 8) -> Tensor:
    """Lays out samples beside their labels.

    Sky is blue, water green, falling water yellow; pixels of reduced weight are red.

    Args:
        samples: The data set.
        number: Number of samples.
        columns: Pictures per row.

    Returns:
        ``[1, 3, H, W]`` in [-1, 1].
    """
    pictures: list[Tensor] = []
    for index in range(number):
        sample = samples[index]
        image = sample["image"][None].float() / 127.5 - 1.0
        _, sky, water, falling = sample["target"][:, None, None]
        in_doubt = (sample["weight"][None] < 1.0).float()
        labelled = overlay_mask(image, sky, colour=SKY_COLOUR)
        labelled = overlay_mask(labelled, water, colour=WATER_COLOUR)
        labelled = overlay_mask(labelled, falling, colour=FALLING_COLOUR)
        pictures += [image, overlay_mask(labelled, in_doubt, colour=DOUBT_COLOUR)]
    return contact_sheet(pictures, columns, cell=(256, 256))
