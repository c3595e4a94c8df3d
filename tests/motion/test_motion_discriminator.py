import torch

from stylecinegan.motion.discriminator import MultiScaleDiscriminator


def test_each_scale_returns_its_features_and_then_patch_logits():
    torch.manual_seed(0)
    outputs = MultiScaleDiscriminator(5, width=4, num_layers=2, num_scales=2)(
        torch.rand(3, 5, 32, 40)
    )
    assert len(outputs) == 2
    # Two strided layers, one that is not, and the logits; the second scale has half the size.
    assert [layer.shape[1] for layer in outputs[0]] == [4, 8, 16, 1]
    assert outputs[0][0].shape == (3, 4, 17, 21)
    assert outputs[1][0].shape == (3, 4, 9, 11)


def test_the_receptive_field_of_a_patch_is_local():
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(5, width=4, num_layers=1, num_scales=1)
    photo = torch.rand(1, 5, 64, 64)
    changed = photo.clone()
    changed[..., 60:, 60:] += 1.0
    # Without normalisation of a layer's whole map nothing reaches the opposite corner.
    before, after = (discriminator(x)[0][0] for x in (photo, changed))
    assert torch.equal(before[..., :8, :8], after[..., :8, :8])
    assert not torch.equal(before[..., -1, -1], after[..., -1, -1])
