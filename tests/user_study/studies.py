"""A small user study: three methods and photos of three clips."""

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape

METHODS = ("AL", "EMF", "Ours")
CLIPS = ("lake", "été 1", "cliff")


def write_results(folder):
    """Writes the folders ``videos`` and ``photos``."""
    for seed, clip in enumerate(CLIPS):
        frame = draw_landscape(48, 64, seed).image
        io.write_image(folder / f"photos/{clip}.png", frame)
        for place, method in enumerate(METHODS):
            frames = [frame.roll((place + 1) * shift, 3) for shift in range(8)]
            io.write_video(folder / f"videos/{method}/{clip}.mp4", frames, fps=24)
