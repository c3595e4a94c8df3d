"""A feature-style encoder as its authors lay it out, small."""

from collections import OrderedDict

import torch
from torch import nn


class Unit(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv1 = nn.Conv2d(inner, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.prelu = nn.PReLU(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        if stride == 2:
            self.downsample = nn.Sequential(
                nn.Conv2d(inner, outer, 1, 2, bias=False), nn.BatchNorm2d(outer)
            )
        self.stride = stride

    def forward(self, x):
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (self.downsample(x) if self.stride == 2 else x)


class Encoder(nn.Module):
    """Two units a block; k = 9 takes block 1, k = 10 the stem."""

    def __init__(self, k=9, feature_channels=24, num_styles=10, style_dim=16):
        super().__init__()
        widths = (8, 8, 12, 16, 20)
        self.conv = nn.Sequential(
            nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8)
        )
        for i in range(4):
            units = Unit(widths[i], widths[i + 1], 2), Unit(widths[i + 1], widths[i + 1], 1)
            setattr(self, f"block_{i + 1}", nn.Sequential(*units))
        self.pool = nn.AdaptiveAvgPool2d((3, 3))
        length = sum(widths[1:]) * 9
        self.styles = nn.ModuleList(nn.Linear(length, style_dim) for _ in range(num_styles))
        self.k = k
        self.content_layer = nn.Sequential(
            nn.BatchNorm2d(8), nn.Conv2d(8, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32),
            nn.PReLU(32), nn.Conv2d(32, feature_channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(feature_channels),
        )  # fmt: skip

    def forward(self, x):
        x = stem = self.conv(x)
        pooled, maps = [], [stem]
        for i in range(1, 5):
            x = getattr(self, f"block_{i}")(x)
            maps.append(x)
            pooled.append(self.pool(x))
        code = torch.cat(pooled, 1).flatten(1)
        w = torch.stack([style(code) for style in self.styles], 1)
        return w, self.content_layer(maps[1 if self.k == 9 else 0])


def trained_encoder(**arguments):
    """Statistics away from their initial values, in evaluation mode."""
    torch.manual_seed(0)
    encoder = Encoder(**arguments)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0.0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return encoder.eval()


def checkpoint(encoder):
    """A training's checkpoint.pth."""
    return {
        "n_epoch": 3,
        "enc_state_dict": OrderedDict(encoder.state_dict()),
        "enc_opt_state_dict": {"state": {}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.99)}]},
        "enc_scheduler_state_dict": {"step_size": 10, "last_epoch": 3},
    }
