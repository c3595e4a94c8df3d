import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.appearance_head import AppearanceHead

SIZES = {"resolution": 128, "style_dim": 8, "num_mapping_layers": 1}


def make_head():
    torch.manual_seed(0)
    return AppearanceHead(4, 8, 3, width=6, num_regions=2).requires_grad_(False)


def make_generator(**settings):
    torch.manual_seed(1)
    generator = Generator(**SIZES, channel_base=512, channel_max=8, **settings)
    return generator.requires_grad_(False)


def test_a_picture_twice_as_large_has_the_same_descriptor():
    feature = torch.randn(2, 4, 16, 32)
    enlarged = feature.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    head = make_head()
    torch.testing.assert_close(head(enlarged), head(feature))


def test_the_offset_of_codes_is_proportional_to_the_change_of_the_descriptor():
    head, change = make_head(), torch.randn(5, 3)
    assert not head.offset(torch.zeros(1, 3)).any()
    torch.testing.assert_close(head.offset(2.5 * change), 2.5 * head.offset(change))


def test_standardized_descriptors_are_whitened_and_give_the_same_offsets():
    head = make_head()
    features = torch.randn(300, 4, 16, 16) + 2.0 * torch.randn(300, 4, 1, 1)
    before = head(features)
    offset = head.offset(before[1] - before[0])
    head.standardize(before)
    after = head(features)
    torch.testing.assert_close(head.offset(after[1] - after[0]), offset, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cov(after.t()), torch.eye(3), atol=1e-3, rtol=0.0)
    torch.testing.assert_close(after.mean(dim=0), torch.zeros(3), atol=1e-3, rtol=0.0)


def test_a_head_standardized_by_two_photos_fits_into_half_precision():
    head = make_head()
    features = torch.randn(2, 4, 16, 16) + 2.0 * torch.randn(2, 4, 1, 1)
    before = head(features)
    offset = head.offset(before[1] - before[0])
    head.standardize(before)
    assert all(parameter.half().isfinite().all() for parameter in head.parameters())
    after = head(features)
    torch.testing.assert_close(head.offset(after[1] - after[0]), offset, atol=1e-3, rtol=1e-3)


def test_samples_of_a_generator_with_a_head_have_zero_codes_after_layer_10():
    codes = make_generator(appearance_dim=3).sample_w_plus(5)
    assert codes.shape == (1, 12, 8)
    # Layers 2 to 10 have the first nine codes.
    assert codes[:, :9].ne(0.0).all()
    assert not codes[:, 9:].any()
    assert make_generator().sample_w_plus(5)[:, 9:].any()


def test_a_generator_with_a_head_is_rebuilt_from_its_file(tmp_path):
    generator = make_generator(appearance_dim=3)
    checkpoints.save(tmp_path / "a.safetensors", generator, use_half=False)
    loaded = checkpoints.load(tmp_path / "a.safetensors", Generator)
    feature = torch.randn(1, 8, 16, 16)
    assert torch.equal(loaded.appearance(feature), generator.appearance(feature))


def test_a_descriptor_longer_than_a_code_is_refused():
    with pytest.raises(InputError, match=r"appearance_dim must be in \[0, 8\], got 9"):
        Generator(**SIZES, appearance_dim=9)
