"""Search for the folder of a model's weights."""

from pathlib import Path

from stylecinegan import resources
from stylecinegan.errors import InputError
from stylecinegan.resources import CHECKPOINTS_DIR


def find_model(model: str | Path | None = None) -> Path:
    """Finds the folder of a model's weights.

    Args:
        model: A folder; or the name of a converted model such as ``"lhq_1024"``, a folder in
            ``./checkpoints`` or where ``stylecinegan fetch_checkpoints`` writes; or ``None`` for
            the model that comes with the project.

    Returns:
        The folder, which need not exist if it was given as a path.

    Raises:
        InputError: If there is no model of that name.
    """
    if model is None:
        return CHECKPOINTS_DIR
    path = Path(model).expanduser()
    if path.is_dir() or len(path.parts) != 1:
        return path
    places = dict.fromkeys([Path("checkpoints").absolute(), resources.user_models_dir()])
    for place in places:
        if (place / path).is_dir():
            return place / path
    raise InputError(
        f"wanted a folder {model} or converted weights of that name in "
        f"{' or '.join(map(str, places))}, found neither: "
        "'stylecinegan fetch_checkpoints describe' says how to get them"
    )
