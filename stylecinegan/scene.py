"""A photo with its mask, motion and inversion, each computed once and on demand."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, Protocol

from torch import Tensor

from stylecinegan.appearance import StyleChange
from stylecinegan.camera import AMOUNT, Move, check_camera, place_camera
from stylecinegan.cinemagraph import Cinemagraph
from stylecinegan.errors import InputError
from stylecinegan.framing import limited_size, resize
from stylecinegan.inputs import check_photo, resize_photo
from stylecinegan.inversion.inversion import Inversion
from stylecinegan.mask import check_cover
from stylecinegan.mask.corrections import correct_mask
from stylecinegan.mask.ensemble import MaskEnsemble, PixelClasses
from stylecinegan.mask.frame_borders import find_scene, visible
from stylecinegan.mask.matting import CAUTION, FULL_SIDE
from stylecinegan.mask.overlays import find_text, keep_text_static
from stylecinegan.mask.prediction import MaskPrediction, Region
from stylecinegan.motion.controls import (
    ANCHOR_RADIUS,
    DIRECTIONS,
    controlled_motion,
    directed_motion,
)
from stylecinegan.motion.controls.text import asks_for_fountain
from stylecinegan.motion.falls import find_falls, mark_falls, mark_fountains
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.motion.working_size import shrink_mask, shrink_photo
from stylecinegan.warping.settings import Warping


class Model(Protocol):
    """The part of :class:`~stylecinegan.pipeline.StyleCineGAN` that a scene uses.

    Its methods are declared as properties, which do not repeat their signatures.
    """

    mask_ensemble: MaskEnsemble | None
    motion_generator: MotionGenerator | None

    @property
    def invert(self) -> Callable[..., Inversion]: ...  # noqa: D102

    @property
    def segment(self) -> Callable[..., MaskPrediction]: ...  # noqa: D102

    @property
    def predict_motion(self) -> Callable[..., Tensor]: ...  # noqa: D102

    @property
    def animate(self) -> Callable[..., Cinemagraph]: ...  # noqa: D102


class Scene:
    """A photo with its mask, motion and inversion.

    Attributes are computed on first access and cached: a correction of the mask keeps the classes,
    a change of the motion's controls keeps the mask and the predicted motion. For example::

        scene = model.scene(photo)
        scene.paint(remove=tower)
        scene.motion(arrows=[[(0.2, 0.5), (0.4, 0.45), (0.6, 0.5)]], anchors=[(0.5, 0.9)])
        preview = scene.animate(60, size=512)
        cinemagraph = scene.animate(120)

    Attributes:
        photo: I, as given.

    Args:
        model: The model.
        photo: I, ``[1, 3, H, W]`` in [-1, 1], any size and aspect.
        region: Moving classes of a predicted mask: ``"both"``, ``"sky"`` or ``"water"``.
        caution: Caution of the mask prediction, in [0, 1]; see
            :func:`~stylecinegan.mask.matting.moving_threshold`.
        animate_all_if_small: Moves the whole photo where the predicted mask covers under 10 % of
            it, as the released code does.
        num_inversion_steps: Optimisation steps that refine the inversion.
        opacity: Alpha channel of the photo, ``[1, 1, H, W]`` in [0, 1], if it has one; transparent
            pixels are static in every mask.
        original: The photo before resizing, ``[1, 3, h, w]``. The mask is predicted for it, because
            resizing blurs thin objects, up to the larger of the photo's size and the working size
            of the matting.

    Raises:
        InputError: If the photo or the original has another shape.
    """

    def __init__(
        self,
        model: Model,
        photo: Tensor,
        *,
        region: Region = "both",
        caution: float = CAUTION,
        animate_all_if_small: bool = False,
        num_inversion_steps: int = 0,
        opacity: Tensor | None = None,
        original: Tensor | None = None,
    ) -> None:
        check_photo(photo)
        self.photo = photo
        self._original = photo
        if original is not None:
            check_photo(original)
            largest = max(FULL_SIDE, *photo.shape[2:])
            self._original = resize(original, limited_size(original.shape[2:], largest))
        self._model = model
        self._region: Region = region
        self._caution = caution
        self._animate_all_if_small = animate_all_if_small
        self._num_inversion_steps = num_inversion_steps
        self._opacity = opacity
        self._given_mask: Tensor | None = None
        self._corrections: dict[str, Tensor | None] = {"add": None, "remove": None}
        self._source: str | Tensor = "auto"
        self._controls: dict[str, Any] = {}
        self._mask: Tensor | None = None
        self._uncontrolled_motion: Tensor | None = None
        self._motion: Tensor | None = None

    @cached_property
    def inversion(self) -> Inversion:
        """Inversion of the photo; the default rendering does not need it."""
        return self._model.invert(self.photo, num_steps=self._num_inversion_steps)

    @cached_property
    def prediction(self) -> MaskPrediction:
        """Predicted mask, before corrections, and classes of the pixels.

        The prediction is of the photo without bars, frames and transparent margins, which are
        static. Text laid over the photo is static, too.

        Raises:
            InputError: If the model has no classifiers.
        """
        whole = self._original
        size = (whole.shape[2], whole.shape[3])
        opacity = None if self._opacity is None else resize(self._opacity, size)
        box = find_scene(whole, opacity)
        photo = whole if box.covers(size) else box.crop(whole)
        # At the same time as the segmentation, whose networks leave cores idle near their end.
        with ThreadPoolExecutor(1, "text") as pool:
            text = pool.submit(find_text, photo)
            prediction = self._model.segment(photo, self._region, caution=self._caution)
        prediction = keep_text_static(prediction, text.result())
        if photo is not whole:
            prediction = box.embed_prediction(prediction, size)
        full_size = (self.photo.shape[2], self.photo.shape[3])
        return replace(prediction, mask=resize(prediction.mask, full_size))

    @property
    def classes(self) -> PixelClasses | None:
        """Classes of the photo's pixels, ``None`` if the model has no classifiers."""
        return None if self._model.mask_ensemble is None else self.prediction.classes

    @property
    def mask(self) -> Tensor:
        """S, ``[1, 1, H, W]`` in [0, 1]: given or predicted, with the corrections of :meth:`paint`.

        Assigning a mask replaces the predicted one; ``None`` returns to it.

        Raises:
            InputError: If the predicted mask is empty and has no corrections, or there is neither
                a given mask nor classifiers.
        """
        if self._mask is None:
            mask = self._predict_mask() if self._given_mask is None else self._given_mask
            mask = correct_mask(mask, **self._corrections)
            self._mask = mask if self._opacity is None else mask * visible(self._opacity)
        return self._mask

    @mask.setter
    def mask(self, mask: Tensor | None) -> None:
        size = [1, 1, *self.photo.shape[2:]]
        if mask is not None and list(mask.shape) != size:
            raise InputError(f"a mask must be {size} as its photo, got {list(mask.shape)}")
        self._given_mask = None if mask is None else mask.to(self.photo)
        self._forget_mask()

    def _predict_mask(self) -> Tensor:
        """Predicted mask, checked to move something unless the user corrects it."""
        mask = self.prediction.mask
        # A user who corrects a prediction has seen that it is small or empty.
        is_corrected = any(painted is not None for painted in self._corrections.values())
        if is_corrected and not self._animate_all_if_small:
            return mask
        mask = check_cover(mask, animate_all_if_small=self._animate_all_if_small)
        # The whole photo does not include its bars and frames.
        box, (height, width) = find_scene(self.photo, self._opacity), self.photo.shape[2:]
        return box.embed(box.crop(mask), (height, width))

    def paint(self, *, add: Tensor | None = None, remove: Tensor | None = None) -> None:
        """Sets the corrections of the mask; earlier ones are discarded.

        Args:
            add: Regions to add to the mask, ``[1, 1, H, W]`` in [0, 1].
            remove: Regions to remove from it, likewise; takes precedence over ``add``.
        """
        self._corrections = {"add": add, "remove": remove}
        self._forget_mask()

    def motion(
        self,
        source: str | Tensor = "auto",
        *,
        arrows: Sequence[Any] = (),
        anchors: Sequence[Any] | Tensor = (),
        anchor_radius: float = ANCHOR_RADIUS,
        text: str = "",
        speed: float | None = 1.0,
        speed_sky: float = 1.0,
        speed_water: float = 1.0,
        speeds: Mapping[str, float] | Sequence[Sequence[float]] = (),
        photo_size: tuple[int, int] | None = None,
    ) -> None:
        """Sets the motion and its controls; earlier ones are discarded.

        Args:
            source: ``"auto"`` predicts the motion (to the right if the model has no motion
                generator), a word of :data:`~stylecinegan.motion.controls.DIRECTIONS` is one
                direction, a tensor ``[1, 2, h, w]`` is a motion in pixels per frame of that map.
            arrows: Directions of regions, any number per region:
                ``[[x0, y0], [x1, y1], [x2, y2], …]`` each, in normalised coordinates or pixels;
                see :func:`~stylecinegan.motion.controls.arrows.parse_arrows`.
            anchors: Static points ``[x, y]``, strokes ``[[x0, y0], [x1, y1], …]``, or a mask
                ``[1, 1, H, W]``.
            anchor_radius: Distance from an anchor at which motion is full, as a fraction of the
                longer side.
            text: See :func:`~stylecinegan.motion.controls.text.parse_text`.
            speed: Maximum displacement per frame, in pixels of a picture whose longer side is
                512; ``None`` keeps the motion's own.
            speed_sky: Factor of the sky's speed.
            speed_water: Factor of the water's speed.
            speeds: Further factors by region, ``{"waterfall": 2}``, or by a point in the region,
                ``[x, y, factor]`` each.
            photo_size: (height, width) that pixel coordinates refer to; by default the photo's.

        Raises:
            InputError: If ``source`` is an unknown word.
        """
        if isinstance(source, str) and source != "auto" and source not in DIRECTIONS:
            wanted = f"auto, a file or one of {', '.join(DIRECTIONS)}"
            raise InputError(f"motion must be {wanted}, got {source}")
        if source is not self._source:
            self._uncontrolled_motion = None
        self._source = source
        self._controls = {
            "arrows": arrows,
            "anchors": anchors,
            "anchor_radius": anchor_radius,
            "text": text,
            "speed": speed,
            "speed_sky": speed_sky,
            "speed_water": speed_water,
            "speeds": speeds,
            "photo_size": photo_size,
        }
        self._motion = None

    @property
    def motion_field(self) -> Tensor:
        """M with the controls applied; :meth:`animate` multiplies it by S.

        ``[1, 2, h, w]``, in pixels per frame of this map, which has the photo's size, or a longer
        side of 2048 if the photo's is larger.

        Raises:
            InputError: If a control refers to a region that the mask does not have.
        """
        if self._motion is None:
            mask, class_map = shrink_mask(self.mask), self._class_map
            if self._uncontrolled_motion is None:
                self._uncontrolled_motion = self._find_motion(mask, class_map)
            self._motion = controlled_motion(
                self._uncontrolled_motion, mask, class_map, **self._sized_controls()
            )
        return self._motion

    def animate(
        self,
        num_frames: int = 120,
        *,
        size: int | tuple[int, int] | None = None,
        warping: Warping | None = None,
        style: StyleChange | None = None,
        camera: Literal["none"] | Move = "none",
        camera_amount: float = AMOUNT,
        depth: Tensor | None = None,
    ) -> Cinemagraph:
        """Makes a seamlessly looping cinemagraph.

        Args:
            num_frames: N, the length of the loop, at least 2.
            size: Longer side, or (height, width), of the video; by default the photo's. Mask and
                motion are computed at full size and resized.
            warping: Settings of the rendering.
            style: Change of appearance over the loop (Eqs. 5 to 7), by default none.
            camera: Camera move, ``"push"`` or ``"slide"``
                (:class:`~stylecinegan.camera.camera.Camera`).
            camera_amount: Displacement of the nearest points, as a fraction of the longer side.
            depth: Inverse depth of the photo, ``[1, 1, h, w]`` of any size and scale; estimated by
                default.

        Returns:
            The cinemagraph; frames are computed when they are read.

        Raises:
            InputError: If the camera move is unknown, or an argument is out of range.
        """
        check_camera(camera, camera_amount)
        photo = resize_photo(self.photo, size)
        is_full_size = photo is self.photo
        cinemagraph = self._model.animate(
            photo,
            num_frames,
            mask=self.mask,
            motion=self.motion_field,
            speed=None,  # the controls have set it
            warping=warping,
            inversion=(lambda: self.inversion) if is_full_size else None,
            style=style,
        )
        if camera == "none":
            return cinemagraph
        placed = place_camera(
            camera, self.photo, self.mask, self._class_map, amount=camera_amount, depth=depth
        )
        return replace(cinemagraph, camera=placed)

    @property
    def _class_map(self) -> Tensor | None:
        """Classes 0 static, 1 sky, 2 water, 3 falling water, ``[1, 1, h, w]``.

        Painted regions are falling water if the text describes a rising fountain. ``None`` without
        classifiers.
        """
        if self.classes is None:
            return None
        falls = find_falls(self._small_photo, self.classes, shrink_mask(self.mask))
        vote = self.classes.vote
        class_map = vote if falls is None else mark_falls(vote, falls)
        painted = self._corrections["add"]
        if painted is not None and asks_for_fountain(self._controls.get("text", "")):
            class_map = mark_fountains(class_map, shrink_mask(painted))
        return class_map

    @cached_property
    def _small_photo(self) -> Tensor:
        return shrink_photo(self.photo)

    def _sized_controls(self) -> dict[str, Any]:
        """The controls, with the photo's size by default, and anchors of the motion's size."""
        controls = dict(self._controls)
        if controls.get("photo_size") is None:
            controls["photo_size"] = (self.photo.shape[2], self.photo.shape[3])
        anchors = controls.get("anchors")
        if isinstance(anchors, Tensor) and anchors.shape[2:] == self.photo.shape[2:]:
            painted = (anchors > 0.5).to(self.photo)
            # Any share of a pixel counts: shrinking must not lose thin strokes.
            controls["anchors"] = (shrink_photo(painted) > 0).to(painted)
        return controls

    def _find_motion(self, mask: Tensor, class_map: Tensor | None) -> Tensor:
        """M before the controls: given, in one direction, or predicted."""
        if isinstance(self._source, Tensor):
            return self._source.to(self.photo.device)
        if self._source != "auto":
            return directed_motion(self._source, mask, class_map)
        if self._model.motion_generator is None:
            return directed_motion("right", mask, class_map)
        return self._model.predict_motion(self._small_photo, mask, self.classes)

    def _forget_mask(self) -> None:
        self._mask = self._motion = self._uncontrolled_motion = None
