from types import ModuleType

from stylecinegan.errors import InputError


def load_opencv() -> ModuleType:
    """Imports OpenCV where it is first needed.

    Returns:
        The module ``cv2``.

    Raises:
        InputError: If OpenCV, or a system library that it opens, is missing.
    """
    try:
        import cv2
    except ImportError as error:
        # Slim containers lack libGL and libX11, which the headless build does not open.
        raise InputError(
            f"OpenCV cannot be imported ({error}): run 'pip uninstall opencv-python' and "
            "'pip install opencv-python-headless', which needs no display libraries"
        ) from error
    return cv2
