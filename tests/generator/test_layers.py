import torch

from stylecinegan.generator.layers import FeatureProjection, ModulatedConv, leaky_relu


def test_a_fused_blur_computes_the_same():
    torch.manual_seed(0)
    conv = ModulatedConv(5, 7, 3, 4, use_upsampling=True)
    x, w = torch.randn(2, 5, 6, 6), torch.randn(2, 4)
    expected = conv(x, w)
    conv.fuse_blur = True
    torch.testing.assert_close(conv(x, w), expected, rtol=1e-4, atol=1e-5)


def test_a_matched_projection_has_the_mean_and_covariance_asked_for():
    torch.manual_seed(0)
    projection = FeatureProjection(3, 4)
    root = torch.tensor([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, -0.3, 0.2]])
    mean = torch.tensor([0.5, -1.0, 0.0])
    projection.match(mean, root @ root.t())
    y = projection(leaky_relu(torch.randn(1, 3, 400, 400)), torch.zeros(1, 4))
    samples = y.detach().permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(samples.mean(dim=1), mean, rtol=0.0, atol=0.03)
    torch.testing.assert_close(torch.cov(samples), root @ root.t(), rtol=0.02, atol=0.02)
