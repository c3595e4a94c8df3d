"""From a photo to a cinemagraph: the paper's Fig. 2 as code."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.appearance import StyleChange
from stylecinegan.appearance.styled_loop import prepare_loop
from stylecinegan.backbones.u2net import U2Net
from stylecinegan.cinemagraph import Cinemagraph
from stylecinegan.errors import InputError
from stylecinegan.framing import limited_size
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inputs import check_photo, check_precision
from stylecinegan.inversion import FeatureStyleEncoder, Inversion
from stylecinegan.inversion.optimization import refine_inversion
from stylecinegan.mask import MaskEnsemble, check_cover, predict_mask
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.matting import CAUTION
from stylecinegan.mask.prediction import MaskPrediction, Region
from stylecinegan.motion.controls.controls import normalize_speed
from stylecinegan.motion.falls import find_falls
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.motion.prediction import predict_motion
from stylecinegan.motion.refinement import refine_motion
from stylecinegan.scene import Scene
from stylecinegan.warping.displacement import resize_displacement
from stylecinegan.warping.settings import Warping, extend

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class StyleCineGAN(nn.Module):
    """Cinemagraph generation: inversion, mask and motion prediction, animation (Fig. 2).

    Args:
        generator: A StyleGAN2 generator.
        encoder: Its encoder.
        mask_ensemble: Pixel classifiers of deep features; ``None`` for a model without masks.
        motion_generator: Motion generator; ``None`` for a model without motion.
        segmenter: Segmentation network that complements the pixel classifiers, if any.
        inversion_side: Photos with a longer side above this are downsampled for the inversion,
            which bounds memory and time; their detail is added at full resolution.
        precision: Compute dtype of encoder and generator: ``"fp32"``, ``"bf16"``, ``"fp16"``.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: FeatureStyleEncoder,
        mask_ensemble: MaskEnsemble | None = None,
        motion_generator: MotionGenerator | None = None,
        segmenter: U2Net | None = None,
        *,
        inversion_side: int = 1024,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.generator = generator
        self.encoder = encoder
        self.mask_ensemble = mask_ensemble
        self.motion_generator = motion_generator
        self.segmenter = segmenter
        self.inversion_side = inversion_side
        self.precision = precision

    @classmethod
    def load(
        cls,
        directory: str | Path | None = None,
        *,
        inversion_side: int = 1024,
        precision: str = "fp32",
    ) -> "StyleCineGAN":
        """Loads a model from a folder.

        Required are ``generator.safetensors`` and ``encoder.safetensors``. ``mask.safetensors``
        (for masks), ``motion.safetensors`` (for motion) and ``segmentation.safetensors`` are
        optional.

        Args:
            directory: The folder, or the name of a converted model such as ``"lhq_1024"``; by
                default the project's own model.
            inversion_side: See the class.
            precision: See the class.

        Raises:
            InputError: If there is no such model, or a file is missing or damaged.
        """
        directory = checkpoints.find_model(directory)
        mask_file, motion_file = directory / "mask.safetensors", directory / "motion.safetensors"
        segmentation_file = directory / "segmentation.safetensors"
        model = cls(
            checkpoints.load(directory / "generator.safetensors", Generator),
            checkpoints.load(directory / "encoder.safetensors", FeatureStyleEncoder),
            checkpoints.load(mask_file, MaskEnsemble) if mask_file.exists() else None,
            checkpoints.load(motion_file, MotionGenerator) if motion_file.exists() else None,
            checkpoints.load(segmentation_file, U2Net) if segmentation_file.exists() else None,
            inversion_side=inversion_side,
            precision=precision,
        )
        return model.to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def scene(
        self,
        photo: Tensor,
        *,
        region: Region = "both",
        caution: float = CAUTION,
        animate_all_if_small: bool = False,
        num_inversion_steps: int = 0,
        opacity: Tensor | None = None,
        original: Tensor | None = None,
    ) -> Scene:
        """Creates a scene, which computes mask, motion and inversion of a photo once, on demand.

        The arguments are those of :class:`~stylecinegan.scene.Scene`.
        """
        return Scene(
            self,
            photo,
            region=region,
            caution=caution,
            animate_all_if_small=animate_all_if_small,
            num_inversion_steps=num_inversion_steps,
            opacity=opacity,
            original=original,
        )

    @torch.no_grad()
    def sample(self, seed: int, *, truncation: float = 0.7) -> Tensor:
        """Samples a landscape of the generator.

        Args:
            seed: Seed of the latent code z, at least 0.
            truncation: ψ, factor of the distance of w from its mean.

        Returns:
            ``[1, 3, R, R]`` in [-1, 1], R the generator's resolution.
        """
        w_plus = self.generator.sample_w_plus(seed, truncation=truncation)
        return self.generator(w_plus).clamp(-1, 1)

    @torch.no_grad()
    def invert(self, image: Tensor, *, num_steps: int = 0) -> Inversion:
        """Inverts a photo to w+ and D^10 and computes its deep features (Sec. 3.1).

        Args:
            image: ``[1, 3, H, W]`` in [-1, 1], any size and aspect.
            num_steps: Optimisation steps that refine the encoder's result.

        Returns:
            The inversion; its features cover the photo padded to sides divisible by 32. Its picture
            has the photo's size, or a fraction of it if the longer side exceeds
            ``inversion_side``.
        """
        check_photo(image)
        size = limited_size(image.shape[2:], self.inversion_side)
        if size != tuple(image.shape[2:]):
            image = F.interpolate(image, size, mode="area")
        height, width = image.shape[2:]
        extended = shrunken = extend(image)
        # The encoder takes 256 pixels, four times the side of D^10, at any resolution of the
        # generator.
        factor = self.generator.resolution // 256
        if factor > 1:
            shrunken = F.interpolate(extended, scale_factor=1.0 / factor, mode="area")
        with self._autocast(image.device):
            w_plus, feature = self.encoder(shrunken.contiguous(memory_format=torch.channels_last))
            w_plus = w_plus.float()
            if num_steps:
                w_plus, feature = refine_inversion(
                    self.generator, extended, w_plus, feature, num_steps
                )
            features = self.generator.features(w_plus, start=(FEATURE_LAYER, feature))
            image = self.generator.render(features, w_plus)
        return Inversion(w_plus, features, image[:, :, :height, :width].clamp(-1.0, 1.0))

    @torch.no_grad()
    def segment(
        self, image: Tensor, region: Region = "both", *, caution: float = CAUTION
    ) -> MaskPrediction:
        """Predicts the classes of a photo's pixels and a mask, which may be empty (Sec. 3.2).

        Args:
            image: ``[1, 3, H, W]`` in [-1, 1], any size and aspect.
            region: Classes of the mask, ``"both"``, ``"sky"`` or ``"water"``.
            caution: In [0, 1]; see :func:`~stylecinegan.mask.matting.moving_threshold`. Models
                without a segmentation network ignore it.

        Returns:
            The mask, ``[1, 1, H, W]`` in [0, 1], and the classes.

        Raises:
            InputError: If the model has no classifiers.
        """
        check_photo(image)
        if self.mask_ensemble is None:
            raise InputError("this model has no mask.safetensors to predict a mask: give mask=FILE")
        with self._autocast(image.device):
            return predict_mask(
                self.mask_ensemble,
                self.generator,
                self.encoder,
                image,
                region,
                segmenter=self.segmenter,
                caution=caution,
            )

    def predict_mask(
        self, image: Tensor, region: Region = "both", *, caution: float = CAUTION
    ) -> Tensor:
        """Predicts the mask of a photo.

        Args:
            image: As for :meth:`segment`.
            region: As for :meth:`segment`.
            caution: As for :meth:`segment`.

        Returns:
            S, ``[1, 1, H, W]`` in [0, 1].

        Raises:
            InputError: If the mask would be empty, or the model has no classifiers.
        """
        return check_cover(self.segment(image, region, caution=caution).mask)

    @torch.no_grad()
    def predict_motion(
        self, image: Tensor, mask: Tensor, classes: PixelClasses | None = None
    ) -> Tensor:
        """Predicts the motion of a photo within its mask (Sec. 3.3).

        Args:
            image: ``[1, 3, H, W]`` in [-1, 1], any size and aspect.
            mask: S, ``[1, 1, H, W]`` in [0, 1].
            classes: Of :meth:`segment`; predicted by default, if the model has classifiers.

        Returns:
            M times S, ``[1, 2, H, W]``, of arbitrary scale.

        Raises:
            InputError: If the model has no motion generator.
        """
        check_photo(image)
        if self.motion_generator is None:
            raise InputError("this model has no motion.safetensors to predict motion: give motion=")
        if classes is None and self.mask_ensemble is not None:
            classes = self.segment(image).classes
        probabilities = None if classes is None else classes.probabilities
        with self._autocast(image.device):
            motion = predict_motion(self.motion_generator, image, probabilities)
        # Refinement by classes slows distant water down. The released weights, whose input is the
        # photo alone, have learned that from real water.
        if self.motion_generator.in_channels == 3 or classes is None:
            return refine_motion(motion, mask)
        falls = find_falls(image, classes, mask)
        return refine_motion(motion, mask, probabilities, falls=falls)

    @torch.no_grad()
    def animate(
        self,
        image: Tensor,
        num_frames: int = 120,
        *,
        motion: Tensor,
        mask: Tensor | None = None,
        speed: float | None = 1.0,
        warping: Warping | None = None,
        inversion: Inversion | Callable[[], Inversion] | None = None,
        style: StyleChange | None = None,
    ) -> Cinemagraph:
        """Animates a photo as a seamlessly looping cinemagraph.

        Args:
            image: I, ``[1, 3, H, W]`` in [-1, 1], any size and aspect.
            num_frames: N, the length of the loop, at least 2.
            motion: M, ``[1, 2, h, w]``, (x, y) in pixels per frame of that map; any size.
            mask: S, ``[1, 1, h, w]`` in [0, 1], 1 moves; any size. By default it is predicted.
            speed: Maximum displacement per frame, in pixels of a picture whose longer side is 512;
                ``None`` leaves the motion unscaled.
            warping: Settings of the rendering.
            inversion: The result of :meth:`invert`, or a function that computes it; by default
                the photo is inverted if the rendering or the style needs it.
            style: Change of appearance over the loop (Eqs. 5 to 7), none by default.

        Returns:
            The cinemagraph; frames are computed on access.

        Raises:
            InputError: If an argument does not fit the photo or the mask is empty.
        """
        check_photo(image)
        if num_frames < 2:
            raise InputError(f"num_frames must be at least 2 to make a loop, got {num_frames}")
        mask = _fit_mask(self.predict_mask(image) if mask is None else mask, image)
        motion = _fit_motion(motion, mask, speed)

        @cache
        def find_inversion() -> Inversion:
            if isinstance(inversion, Inversion):
                return inversion
            return self.invert(image) if inversion is None else inversion()

        render = prepare_loop(
            self.generator,
            find_inversion,
            image,
            mask,
            motion,
            num_frames,
            settings=warping or Warping(),
            style=style,
        )
        return Cinemagraph(num_frames, image, mask, motion, find_inversion, render)

    def _autocast(self, device: torch.device) -> torch.autocast:
        """Context in which networks compute in the dtype of :attr:`precision`."""
        dtype = _DTYPES[check_precision(self.precision)]
        return torch.autocast(device.type, dtype, dtype != torch.float32)


def _fit_mask(mask: Tensor, image: Tensor) -> Tensor:
    """S at the photo's size, clamped to [0, 1]."""
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        raise InputError(f"a mask must be [1, 1, H, W], got {list(mask.shape)}")
    mask = mask.to(image).clamp(0.0, 1.0)
    if mask.shape[2:] != image.shape[2:]:
        shrinks = mask.shape[2] > image.shape[2] or mask.shape[3] > image.shape[3]
        mask = F.interpolate(mask, image.shape[2:], mode="bilinear", antialias=shrinks)
    if not bool((mask > 0.5).any()):
        raise InputError(
            "the mask is empty: nothing would move; paint the moving regions (sky, water) white"
        )
    return mask


def _fit_motion(motion: Tensor, mask: Tensor, speed: float | None) -> Tensor:
    """M · S (Sec. 3.3) at the photo's size, scaled to the speed."""
    if motion.ndim != 4 or motion.shape[:2] != (1, 2):
        raise InputError(f"a motion must be [1, 2, H, W], got {list(motion.shape)}")
    if not bool(motion.isfinite().all()):
        raise InputError("the motion holds values that are not finite")
    height, width = mask.shape[2:]
    motion = resize_displacement(motion.to(mask), (height, width)) * mask
    return motion if speed is None else normalize_speed(motion, speed)
