"""Record of the pictures of a data set that cannot be read."""

import logging
from collections.abc import Sequence

import numpy as np

from stylecinegan.data.pictures import shared_array
from stylecinegan.errors import InputError

logger = logging.getLogger(__name__)

_MAX_SHARE = 0.01


class BrokenPictures:
    """Pictures that were found broken, shared by all worker processes; at most 1 % are tolerated.

    Args:
        names: Names of all pictures.
        place: Where the pictures are, for messages.
    """

    def __init__(self, names: Sequence[str], place: object) -> None:
        self._names = names
        self._place = place
        self._is_broken = shared_array(len(names))

    def __contains__(self, index: int) -> bool:
        """Whether a picture was found broken."""
        return bool(self._is_broken[index])

    def names(self) -> list[str]:
        """Returns the names of the broken pictures found so far."""
        return [self._names[index] for index in np.flatnonzero(self._is_broken).tolist()]

    def add(self, index: int, error: Exception) -> None:
        """Records a picture, with a warning.

        Args:
            index: Index of the picture.
            error: What reading it raised.

        Raises:
            InputError: If more than 1 % of the pictures are broken.
        """
        logger.warning("left out a broken picture, %s: %s", self._names[index], error)
        self._is_broken[index] = 1
        self.check()

    def check(self) -> None:
        """Checks that at most 1 % of the pictures are broken.

        Raises:
            InputError: If more are.
        """
        broken = self.names()
        if len(broken) > _MAX_SHARE * len(self._names):
            raise InputError(
                f"wanted at most 1 % broken pictures in {self._place}, found "
                f"{len(broken)} of {len(self._names)}: {', '.join(broken[:5])}"
            )
