"""Building blocks of StyleGAN2 (Karras et al. 2020), in plain PyTorch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2.0)
RESAMPLING_FILTER = (1.0, 3.0, 3.0, 1.0)


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance of its input, StyleGAN2's only activation."""
    return F.leaky_relu(x, LEAKY_SLOPE).mul_(LEAKY_GAIN)


class EqualizedLinear(nn.Module):
    """Linear layer with equalised learning rate: weights are scaled at run time.

    Args:
        in_features: Length of the input.
        out_features: Length of the output.
        bias_init: Initial value of the effective bias.
        learning_rate_multiplier: Factor of the stored weights and bias.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias_init: float = 0.0,
        learning_rate_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.learning_rate_multiplier = learning_rate_multiplier
        self.weight = nn.Parameter(
            torch.randn(out_features, in_features) / learning_rate_multiplier
        )
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / learning_rate_multiplier))

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[..., in_features]`` to ``[..., out_features]``."""
        scale = self.learning_rate_multiplier / math.sqrt(self.weight.shape[1])
        return F.linear(x, self.weight * scale, self.bias * self.learning_rate_multiplier)


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style (StyleGAN2, Sec. 2.2).

    With the style s = A w + b, the kernel is ``w'_ijk = s_i w_ijk``, and with demodulation
    ``w''_ijk = w'_ijk / sqrt(Σ_ik w'_ijk² + ε)``, for input channel i, output channel j, pixel k.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the square kernel, odd.
        style_dim: Length of the latent code.
        use_demodulation: Divides by the expected standard deviation of the output.
        use_upsampling: Doubles the resolution (transposed convolution, then blur).

    Attributes:
        fuse_blur: Convolves the kernel with the blur instead of the output: four times the
            multiplications, but no depthwise passes, which is faster on a GPU. Equal up to
            rounding.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        *,
        use_demodulation: bool = True,
        use_upsampling: bool = False,
    ) -> None:
        super().__init__()
        self.use_demodulation = use_demodulation
        self.use_upsampling = use_upsampling
        self.fuse_blur = False
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualizedLinear(style_dim, in_channels, bias_init=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Convolves ``[B, C_in, H, W]`` under the latent codes ``[B, style_dim]``."""
        scale = 1.0 / math.sqrt(self.weight[0].numel())
        style = self.modulation(w.float())
        if x.dtype == torch.float16:
            # Demodulation cancels any factor of the style; a large one would overflow before.
            largest = style.abs().amax(dim=1, keepdim=True).clamp(min=1e-8)
            style = style / largest
            if not self.use_demodulation:
                scale = scale * largest
        weight = self.weight.float()
        gain: Tensor | float = scale
        if self.use_demodulation:
            energy = style.square() @ weight.square().sum(dim=(2, 3)).t()
            gain = scale * torch.rsqrt(energy * scale**2 + 1e-8)  # [B, C_out]
        if x.shape[0] == 1 and not torch.is_grad_enabled():
            # One picture: modulating the small kernel is cheaper than scaling the large maps.
            gain = gain.view(-1, 1, 1, 1) if isinstance(gain, Tensor) else gain
            return self._convolve(x, (weight * style.view(1, -1, 1, 1) * gain).to(x.dtype))
        y = self._convolve(x * style[:, :, None, None].to(x.dtype), weight.to(x.dtype))
        gain = gain[:, :, None, None].to(x.dtype) if isinstance(gain, Tensor) else gain
        return y * gain

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if not self.use_upsampling:
            return F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.fuse_blur:
            wide = _blurred_kernel(weight)
            return F.conv_transpose2d(x, wide.transpose(0, 1), stride=2, padding=2)
        y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [B, C, 2H + 1, 2W + 1]
        return blur(y, gain=4.0)


def _blurred_kernel(weight: Tensor) -> Tensor:
    """Convolves kernels ``[C_out, C_in, 3, 3]`` with the resampling filter, ``[…, 6, 6]``."""
    kernels = F.pad(weight.reshape(1, -1, *weight.shape[2:]), (2, 2, 2, 2))
    return blur(kernels.transpose(0, 1), gain=4.0).reshape(*weight.shape[:2], 6, 6)


def blur(x: Tensor, *, gain: float = 1.0) -> Tensor:
    """Filters with (1, 3, 3, 1) / 8 along both axes: ``[B, C, H, W]`` to ``[…, H - 1, W - 1]``."""
    channels = x.shape[1]
    taps = torch.tensor(RESAMPLING_FILTER, dtype=x.dtype, device=x.device)
    taps = taps * (math.sqrt(gain) / taps.sum())
    rows = taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1)
    columns = taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4)
    x = F.conv2d(x, rows, padding=(1, 0), groups=channels)
    return F.conv2d(x, columns, padding=(0, 1), groups=channels)


def upsample(image: Tensor) -> Tensor:
    """Doubles the resolution of ``[B, 3, H, W]`` with StyleGAN2's resampling filter.

    Zero insertion and the filter (1, 3, 3, 1) / 4 per axis: each output is 3/4 of the nearer
    sample and 1/4 of the next, as in bilinear interpolation with half-pixel centres, but with
    zero padding at the border.
    """
    batch, channels, height, width = image.shape
    padded = F.pad(image, (1, 1, 1, 1)).reshape(batch * channels, 1, height + 2, width + 2)
    enlarged = F.interpolate(padded, scale_factor=2.0, mode="bilinear", align_corners=False)
    return enlarged[:, :, 2:-2, 2:-2].reshape(batch, channels, 2 * height, 2 * width)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias and activation: one numbered layer of the paper.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        style_dim: Length of the latent code.
        resolution: Side of the stored noise map.
        use_upsampling: Doubles the resolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        style_dim: int,
        resolution: int,
        *,
        use_upsampling: bool = False,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(
            in_channels, out_channels, 3, style_dim, use_upsampling=use_upsampling
        )
        self.noise_strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise: Tensor
        self.register_buffer("noise", torch.randn(1, 1, resolution, resolution))

    def forward(self, x: Tensor, w: Tensor, *, use_fresh_noise: bool = False) -> Tensor:
        """Computes the layer's deep feature.

        Args:
            x: Deep feature of the layer before, ``[B, C_in, H, W]``.
            w: Latent code of this layer, ``[B, style_dim]``.
            use_fresh_noise: Samples new noise (training) instead of the stored noise map.

        Returns:
            ``[B, C_out, H, W]``, or twice the size for an upsampling layer.
        """
        y = self.conv(x, w)
        if use_fresh_noise:
            noise = torch.randn(y.shape[0], 1, *y.shape[2:], device=y.device)
        else:
            noise = fit_noise(self.noise, y.shape[2], y.shape[3])
        y = y + (noise * self.noise_strength).to(y.dtype) + self.bias.to(y.dtype).view(1, -1, 1, 1)
        return leaky_relu(y)


def fit_noise(noise: Tensor, height: int, width: int) -> Tensor:
    """Tiles and crops a stored noise map ``[1, 1, R, R]`` to ``[1, 1, height, width]``.

    Interpolation would smooth the noise and so change the texture.
    """
    rows, columns = -(-height // noise.shape[2]), -(-width // noise.shape[3])
    return noise.repeat(1, 1, rows, columns)[:, :, :height, :width]


class ToRGB(nn.Module):
    """Projects a deep feature to its RGB contribution.

    A modulated 1x1 convolution without demodulation and without activation: linear in the
    feature, so it commutes with warping (folding).

    Args:
        in_channels: Channels of the deep feature.
        style_dim: Length of the latent code.
    """

    def __init__(self, in_channels: int, style_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, 3, 1, style_dim, use_demodulation=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, w: Tensor, *, use_bias: bool = True) -> Tensor:
        """Maps ``[B, C, H, W]`` to float32 ``[B, 3, H, W]``, with or without the bias."""
        rgb = self.conv(x, w).float()
        return rgb + self.bias if use_bias else rgb


class FeatureProjection(nn.Module):
    """Projects a layer's output to a deep feature of another distribution.

    A modulated 1x1 convolution without demodulation and without activation, so that the output
    can have any mean and covariance, and both signs.

    Args:
        channels: Channels of input and output.
        style_dim: Length of the latent code.
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(channels, channels, 1, style_dim, use_demodulation=False)
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Maps ``[B, C, H, W]`` to ``[B, C, H, W]`` under the codes ``[B, style_dim]``."""
        return self.conv(x, w) + self.bias.to(x.dtype)

    @torch.no_grad()
    def match(self, mean: Tensor, covariance: Tensor) -> None:
        """Initialises the output's mean ``[C]`` and covariance ``[C, C]``.

        Exact if the input is the leaky ReLU of independent normal numbers and codes have no
        effect: W = Σ^1/2 / σ, b = μ - W m, with m and σ² the mean and variance of such an input.
        """
        values, vectors = torch.linalg.eigh(covariance.double().cpu())
        root = vectors @ torch.diag(values.clamp(min=0.0).sqrt()) @ vectors.t()
        slope = 0.5 * (1.0 - LEAKY_SLOPE) * LEAKY_GAIN
        input_mean = slope * math.sqrt(2.0 / math.pi)
        energy = 0.5 * (1.0 + LEAKY_SLOPE**2) * LEAKY_GAIN**2
        weight = (root / math.sqrt(energy - input_mean**2)).to(self.bias)
        self.conv.weight.copy_((weight * math.sqrt(len(weight)))[:, :, None, None])
        self.conv.modulation.weight.mul_(0.25)
        bias = mean.to(weight) - weight.sum(dim=1) * input_mean
        self.bias.copy_(bias.view(1, -1, 1, 1))
