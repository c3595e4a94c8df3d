"""Pickles as NVIDIA's programs write them, put together by hand, and their formulas."""

import contextlib
import pickle
import sys
import types

import numpy as np
import torch

from tests.generator import published

FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0])


def random_state(resolution, style_dim, num_mapping, channels, seed=0):
    """The tensors of a stylegan2-ada-pytorch generator, by their names there."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=random)

    state = {"mapping.w_avg": normal(style_dim), "synthesis.b4.const": normal(channels[4], 4, 4)}
    for i in range(num_mapping):
        state[f"mapping.fc{i}.weight"] = normal(style_dim, style_dim) * 100.0
        state[f"mapping.fc{i}.bias"] = normal(style_dim)
    side = 4
    while side <= resolution:
        block = f"synthesis.b{side}"
        outer, inner = channels[side], channels.get(side // 2, channels[side])
        state[f"{block}.resample_filter"] = published.kernel_2d(1.0)
        for name, width in (("conv0", inner), ("conv1", outer)):
            if (side, name) == (4, "conv0"):
                continue
            state[f"{block}.{name}.weight"] = normal(outer, width, 3, 3)
            state[f"{block}.{name}.bias"] = 0.2 * normal(outer)
            state[f"{block}.{name}.noise_const"] = normal(side, side)
            state[f"{block}.{name}.noise_strength"] = 0.3 * normal(())
            state[f"{block}.{name}.resample_filter"] = published.kernel_2d(1.0)
            state[f"{block}.{name}.affine.weight"] = normal(width, style_dim)
            state[f"{block}.{name}.affine.bias"] = 1.0 + 0.1 * normal(width)
        state[f"{block}.torgb.weight"] = normal(3, outer, 1, 1)
        state[f"{block}.torgb.bias"] = 0.1 * normal(3)
        state[f"{block}.torgb.affine.weight"] = normal(outer, style_dim)
        state[f"{block}.torgb.affine.bias"] = 1.0 + 0.1 * normal(outer)
        side *= 2
    return state


def mapping(state, z):
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for i in range(sum(name.endswith(".bias") and "mapping.fc" in name for name in state)):
        weight = state[f"mapping.fc{i}.weight"] * 0.01 / w.shape[1] ** 0.5
        w = published.activate(w @ weight.t() + state[f"mapping.fc{i}.bias"] * 0.01)
    return w


def convolve(state, prefix, x, w, *, demodulate, upsampling=False, gain=1.0):
    weight = state[f"{prefix}.weight"]
    affine = state[f"{prefix}.affine.weight"] / w.shape[1] ** 0.5
    style = (w @ affine.t() + state[f"{prefix}.affine.bias"]) * gain
    outputs = []
    for picture, s in zip(x, style, strict=True):
        kernel = weight * s.view(1, -1, 1, 1)
        if demodulate:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if upsampling:
            y = torch.nn.functional.conv_transpose2d(
                picture[None], kernel.transpose(0, 1), stride=2
            )
            y = published.filter_2d(y, published.kernel_2d(4.0), (1, 1))
        else:
            padding = weight.shape[-1] // 2
            y = torch.nn.functional.conv2d(picture[None], kernel, padding=padding)
        outputs.append(y)
    return torch.cat(outputs)


def synthesize(state, w_plus):
    """The picture, by the formulas of the skip architecture."""
    x = state["synthesis.b4.const"].expand(len(w_plus), -1, -1, -1)
    image, side, index = None, 4, 0
    while f"synthesis.b{side}.torgb.bias" in state:
        block = f"synthesis.b{side}"
        for name in ("conv0", "conv1"):
            if f"{block}.{name}.bias" not in state:
                continue
            prefix = f"{block}.{name}"
            x = convolve(
                state, prefix, x, w_plus[:, index], demodulate=True, upsampling=name == "conv0"
            )
            x = x + state[f"{prefix}.noise_const"] * state[f"{prefix}.noise_strength"]
            x = published.activate(x + state[f"{prefix}.bias"].view(1, -1, 1, 1))
            index += 1
        prefix = f"{block}.torgb"
        gain = x.shape[1] ** -0.5
        y = convolve(state, prefix, x, w_plus[:, index], demodulate=False, gain=gain)
        y = y + state[f"{prefix}.bias"].view(1, 3, 1, 1)
        image = y if image is None else published.upsample(image) + y
        side *= 2
    return image


class Persistent:
    """An object that pickles as NVIDIA's persistence does: with the source of its module."""

    def __init__(self, class_name, state, source):
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self):
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


def network(state, source="raise SystemExit", class_name="Generator"):
    """Nests tensors by the dots of their names, parameters and buffers apart."""
    children, own = {}, {}
    for name, tensor in state.items():
        first, _, rest = name.partition(".")
        if rest:
            children.setdefault(first, {})[rest] = tensor
        else:
            own[first] = tensor
    buffers = ("w_avg", "noise_const", "resample_filter")
    content = {
        "training": False,
        # What their modules hold beside tensors: gains that NumPy computed, and hooks.
        "weight_gain": np.float64(1.0) / np.sqrt(8.0),
        "act_gain": np.sqrt(2.0),
        "activation": "lrelu",
        "conv_clamp": None,
        "_forward_hooks": sys.modules["collections"].OrderedDict(),
        "_parameters": {
            k: torch.nn.Parameter(v, requires_grad=False)
            for k, v in own.items()
            if k not in buffers
        },
        "_buffers": {k: v for k, v in own.items() if k in buffers},
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": sys.modules["collections"].OrderedDict(),
        "_modules": sys.modules["collections"].OrderedDict(
            (k, network(v, source, "Part")) for k, v in children.items()
        ),
        "_init_args": (),
        "_init_kwargs": sys.modules["dnnlib.util"].EasyDict(z_dim=16),
    }
    return Persistent(class_name, content, source)


class TensorFlow:
    """Stands for dnnlib.tflib.network.Network while a pickle is written."""

    def __init__(self, variables, components):
        self.variables, self.components = variables, components

    def __getstate__(self):
        return {
            "version": 4,
            "name": "G_synthesis",
            "static_kwargs": {},
            "components": self.components,
            "build_module_src": "raise SystemExit",
            "build_func_name": "G_main",
            "variables": self.variables,
        }


def tensorflow_networks(state):
    """The three networks of a TensorFlow pickle, the last with these tensors."""
    mapping_variables, variables = [], []
    for name, tensor in state.items():
        array = tensor.numpy()
        if name.endswith("resample_filter") or name == "mapping.w_avg":
            continue
        if name.startswith("mapping."):
            _, layer, kind = name.split(".")
            array = array.T if array.ndim == 2 else array
            mapping_variables.append((f"Dense{layer[2:]}/{kind}", array))
            continue
        side = int(name.split(".")[1][1:])
        rest = name.split(".", 2)[2]
        if rest == "const":
            variables.append(("4x4/Const/const", array[None]))
            continue
        layer, kind = rest.split(".", 1)
        if kind == "noise_const":
            number = 2 * (side.bit_length() - 1) - (5 if layer == "conv0" else 4)
            variables.append((f"noise{number}", array[None, None]))
            continue
        tf_layer = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB"}[layer]
        tf_layer = "Conv" if (side, layer) == (4, "conv1") else tf_layer
        if kind == "weight":
            array = array.transpose(2, 3, 1, 0)
            array = array[::-1, ::-1] if layer == "conv0" else array
        elif kind == "affine.weight":
            kind, array = "mod_weight", array.T
        elif kind == "affine.bias":
            kind, array = "mod_bias", array - 1
        elif kind == "noise_strength":
            array = np.float32(array)
        variables.append((f"{side}x{side}/{tf_layer}/{kind}", array))
    make = sys.modules["dnnlib.tflib.network"].Network
    parts = {"mapping": make(mapping_variables, {}), "synthesis": make(variables, {})}
    averaged = make([("dlatent_avg", state["mapping.w_avg"].numpy())], parts)
    return make([], {}), make([], {}), averaged


@contextlib.contextmanager
def nvidia_modules():
    """Lets a pickle name NVIDIA's modules; they are gone again when it is read."""
    before = dict(sys.modules)
    names = ("dnnlib", "dnnlib.util", "dnnlib.tflib", "dnnlib.tflib.network")
    for name in (*names, "torch_utils", "torch_utils.persistence"):
        sys.modules[name] = types.ModuleType(name)

    class EasyDict(dict):
        pass

    class Network(TensorFlow):
        pass

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("the original loader, which executes the source, was called")

    for item, name in (
        (EasyDict, "dnnlib.util"),
        (Network, "dnnlib.tflib.network"),
        (_reconstruct_persistent_obj, "torch_utils.persistence"),
    ):
        item.__module__, item.__qualname__ = name, item.__name__
        setattr(sys.modules[name], item.__name__, item)
    try:
        yield
    finally:
        for name in set(sys.modules) - set(before):
            if name.split(".")[0] in ("dnnlib", "torch_utils"):
                del sys.modules[name]


def write(path, state, source="raise SystemExit", protocol=4, **others):
    """Writes a training snapshot of stylegan2-ada-pytorch."""
    with nvidia_modules():
        untrained = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
        content = {
            "G": network(untrained, source),
            "D": network({"b4.out.weight": torch.zeros(1, 4)}, source, "Discriminator"),
            "G_ema": network(state, source),
            "augment_pipe": network({"p": torch.zeros(())}, source, "AugmentPipe"),
            "training_set_kwargs": sys.modules["dnnlib.util"].EasyDict(path="lhq.zip"),
            **others,
        }
        path.write_bytes(pickle.dumps(content, protocol))


def write_tensorflow(path, state):
    """Writes a snapshot of stylegan2-ada, the TensorFlow version."""
    with nvidia_modules():
        path.write_bytes(pickle.dumps(tensorflow_networks(state), 4))
