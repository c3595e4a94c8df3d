import pytest
import torch

from stylecinegan.inversion import FeatureStyleEncoder


def tiny(**settings):
    torch.manual_seed(0)
    encoder = FeatureStyleEncoder(14, 8, 16, (4, 4, 6, 8, 10), (1, 1, 2, 1), 12, **settings)
    return encoder.eval().requires_grad_(False)


def test_the_papers_encoder_has_the_published_number_of_weights():
    with torch.device("meta"):
        encoder = FeatureStyleEncoder()
    # 113.07 M in 517 tensors; ours adds w_mean.
    state = encoder.state_dict()
    assert len(state) - 1 == 517
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(113.07, abs=0.05)
    assert encoder.styles[0].weight.shape == (512, 8640)


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (256, 64)])
def test_d10_has_a_quarter_of_the_pictures_resolution(size):
    w_plus, feature = tiny()(torch.randn(2, 3, *size))
    assert w_plus.shape == (2, 14, 8)
    assert feature.shape == (2, 16, size[0] // 4, size[1] // 4)


def test_the_mean_code_is_added():
    encoder = tiny()
    image = torch.randn(1, 3, 64, 64)
    before, _ = encoder(image)
    encoder.w_mean += 2.0
    torch.testing.assert_close(encoder(image)[0], before + 2.0)


def test_the_feature_branch_is_convolutional():
    """A crop has the same feature as the whole picture, away from the crop's border."""
    encoder = tiny()
    image = torch.randn(1, 3, 96, 96)
    whole, crop = encoder(image)[1], encoder(image[:, :, 16:80, 16:80])[1]
    torch.testing.assert_close(crop[:, :, 4:-4, 4:-4], whole[:, :, 8:-8, 8:-8])
