"""StyleGAN2 computed from the published formulas on a state laid out like rosinality's files.

Deliberately naive: weights are modulated per picture, resampling inserts zeros and convolves.
"""

import math

import torch
import torch.nn.functional as F


def random_state(resolution, style_dim, num_mapping, channels, seed=0):
    random = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=random)

    state = {"input.input": normal(1, channels[4], 4, 4)}
    for i in range(1, num_mapping + 1):
        state[f"style.{i}.weight"] = normal(style_dim, style_dim) * 100.0
        state[f"style.{i}.bias"] = normal(style_dim)

    def conv(prefix, inner, outer, kernel):
        state[f"{prefix}.conv.weight"] = normal(1, outer, inner, kernel, kernel)
        state[f"{prefix}.conv.modulation.weight"] = normal(inner, style_dim)
        state[f"{prefix}.conv.modulation.bias"] = 1.0 + 0.1 * normal(inner)

    def styled(prefix, inner, outer):
        conv(prefix, inner, outer, 3)
        state[f"{prefix}.noise.weight"] = 0.3 * normal(1)
        state[f"{prefix}.activate.bias"] = 0.2 * normal(outer)

    def rgb(prefix, inner):
        conv(prefix, inner, 3, 1)
        state[f"{prefix}.bias"] = 0.1 * normal(1, 3, 1, 1)

    styled("conv1", channels[4], channels[4])
    rgb("to_rgb1", channels[4])
    state["noises.noise_0"] = normal(1, 1, 4, 4)
    side, index = 8, 0
    while side <= resolution:
        styled(f"convs.{index}", channels[side // 2], channels[side])
        state[f"convs.{index}.conv.blur.kernel"] = kernel_2d(4.0)
        styled(f"convs.{index + 1}", channels[side], channels[side])
        rgb(f"to_rgbs.{index // 2}", channels[side])
        state[f"to_rgbs.{index // 2}.upsample.kernel"] = kernel_2d(4.0)
        for k in (index + 1, index + 2):
            state[f"noises.noise_{k}"] = normal(1, 1, side, side)
        side, index = side * 2, index + 2
    return state


def kernel_2d(gain):
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = taps[:, None] * taps[None, :]
    return kernel / kernel.sum() * gain


def mapping(state, z):
    w = z / torch.sqrt(z.pow(2).mean(1, keepdim=True) + 1e-8)
    count = sum(1 for name in state if name.startswith("style.") and name.endswith("weight"))
    for i in range(1, count + 1):
        weight = state[f"style.{i}.weight"] * (0.01 / math.sqrt(w.shape[1]))
        w = activate(w @ weight.t() + state[f"style.{i}.bias"] * 0.01)
    return w


def activate(x):
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2.0)


def filter_2d(x, kernel, pad):
    x = F.pad(x, (pad[0], pad[1], pad[0], pad[1]))
    weight = kernel.flip(0, 1).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, weight, groups=x.shape[1])


def modulated_conv(state, prefix, x, w, demodulate, upsampling=False):
    weight = state[f"{prefix}.weight"][0]
    style = w @ (state[f"{prefix}.modulation.weight"] / math.sqrt(w.shape[1])).t()
    style = style + state[f"{prefix}.modulation.bias"]
    outputs = []
    for picture, s in zip(x, style, strict=True):
        modulated = weight * s.view(1, -1, 1, 1) / math.sqrt(weight[0].numel())
        if demodulate:
            modulated = modulated / torch.sqrt(modulated.pow(2).sum((1, 2, 3), keepdim=True) + 1e-8)
        if upsampling:
            y = F.conv_transpose2d(picture[None], modulated.transpose(0, 1), stride=2)
            y = filter_2d(y, kernel_2d(4.0), (1, 1))
        else:
            y = F.conv2d(picture[None], modulated, padding=weight.shape[-1] // 2)
        outputs.append(y)
    return torch.cat(outputs)


def upsample(image):
    batch, channels, height, width = image.shape
    spread = image.new_zeros(batch, channels, height * 2, width * 2)
    spread[:, :, ::2, ::2] = image
    return filter_2d(spread, kernel_2d(4.0), (2, 1))


def synthesize(state, w_plus):
    """Image and features by the index of the file: 0 is conv1, k + 1 is convs.k."""
    features = []

    def styled(prefix, x, w, noise, upsampling=False):
        y = modulated_conv(state, f"{prefix}.conv", x, w, True, upsampling)
        y = y + state[f"{prefix}.noise.weight"] * state[f"noises.noise_{noise}"]
        y = activate(y + state[f"{prefix}.activate.bias"].view(1, -1, 1, 1))
        features.append(y)
        return y

    def rgb(prefix, x, w):
        return modulated_conv(state, f"{prefix}.conv", x, w, False) + state[f"{prefix}.bias"]

    x = state["input.input"].expand(len(w_plus), -1, -1, -1)
    x = styled("conv1", x, w_plus[:, 0], 0)
    image = rgb("to_rgb1", x, w_plus[:, 1])
    index = 1
    while f"convs.{index - 1}.conv.weight" in state:
        x = styled(f"convs.{index - 1}", x, w_plus[:, index], index, upsampling=True)
        x = styled(f"convs.{index}", x, w_plus[:, index + 1], index + 1)
        block = (index - 1) // 2
        image = upsample(image) + rgb(f"to_rgbs.{block}", x, w_plus[:, index + 2])
        index += 2
    return image, features
