import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import last_layer, layer_resolution

PAPER_TABLE = {
    4: (1, 2), 8: (3, 4), 16: (5, 6), 32: (7, 8), 64: (9, 10),
    128: (11, 12), 256: (13, 14), 512: (15, 16), 1024: (17, 18),
}  # fmt: skip


def tiny(resolution=32, **changes):
    torch.manual_seed(0)
    settings = {"style_dim": 16, "num_mapping_layers": 2, "channel_base": 512, "channel_max": 16}
    generator = Generator(resolution, **{**settings, **changes})
    for conv in generator.convs.values():
        torch.nn.init.constant_(conv.noise_strength, 0.1)
    return generator.eval()


def test_layer_numbers_are_those_of_the_paper():
    for resolution, layers in PAPER_TABLE.items():
        assert [layer_resolution(layer) for layer in layers] == [resolution] * 2
    assert [last_layer(r) for r in (32, 64, 128, 256, 512, 1024)] == [8, 10, 12, 14, 16, 18]


def test_the_papers_generator_has_its_widths_and_1472_channels_from_layer_10_on():
    with torch.device("meta"):
        generator = Generator()
    assert generator.channels == {
        4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32,
    }  # fmt: skip
    stack = [generator.convs[str(layer)].bias.shape[0] for layer in range(10, 19)]
    assert sum(stack) == 1472


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_features_have_the_resolution_of_their_layer(resolution):
    generator = tiny(resolution)
    features = generator.features(generator.sample_w_plus(0))
    assert sorted(features) == list(range(1, generator.last_layer + 1))
    for layer, feature in features.items():
        assert feature.shape[2:] == (layer_resolution(layer),) * 2
    assert generator(generator.sample_w_plus(0)).shape == (1, 3, resolution, resolution)


def test_resuming_from_a_feature_gives_the_rest_of_the_pass():
    generator = tiny(128)
    w_plus = torch.randn(2, generator.num_styles, 16)
    whole = generator.features(w_plus)
    rest = generator.features(w_plus, start=(10, whole[10]))
    assert sorted(rest) == [10, 11, 12]
    for layer, feature in rest.items():
        torch.testing.assert_close(feature, whole[layer])


def test_the_convolutional_top_works_at_any_size_and_aspect():
    generator = tiny(128)
    w_plus = generator.sample_w_plus(0)
    wide = torch.randn(1, generator.channels[64], 24, 40)
    pictures = [
        generator.render(generator.features(w_plus, start=(10, feature)), w_plus)
        for feature in (wide, wide[:, :, :, :30])
    ]
    assert pictures[0].shape == (1, 3, 48, 80)
    # Of a part it makes that part of the picture, but for the seam.
    torch.testing.assert_close(pictures[0][..., :50], pictures[1][..., :50])


def test_one_picture_without_gradients_equals_a_batch_with_gradients():
    # The two take different paths: modulated kernels, and modulated maps.
    generator = tiny(32)
    w_plus = torch.randn(2, generator.num_styles, 16)
    batch = generator(w_plus)
    with torch.no_grad():
        single = torch.cat([generator(w_plus[:1]), generator(w_plus[1:])])
    torch.testing.assert_close(single, batch)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_single_precision(dtype):
    generator = tiny(32)
    w_plus = torch.randn(1, generator.num_styles, 16) * 4.0
    expected = generator(w_plus)
    with torch.no_grad(), torch.autocast("cpu", dtype):
        actual = generator(w_plus)
    # bf16 keeps 8 bits of each of the seven layers' outputs.
    assert (actual - expected).abs().max() < 0.05 * expected.abs().max()


def test_channels_last_changes_nothing():
    generator = tiny(32)
    w_plus = torch.randn(1, generator.num_styles, 16)
    expected = generator(w_plus)
    actual = generator.to(memory_format=torch.channels_last)(w_plus)
    torch.testing.assert_close(actual, expected)


def test_truncation_moves_between_the_mean_and_the_sample():
    generator = tiny(32)
    generator.estimate_w_mean(2000)
    w = generator.mapping(torch.randn(4, 16))
    assert torch.equal(generator.truncate(w, 0.0), generator.w_mean.expand(4, -1))
    torch.testing.assert_close(generator.truncate(w, 1.0), w)
    more = generator.mapping(torch.randn(20000, 16)).mean(0)
    torch.testing.assert_close(generator.w_mean, more, atol=0.1, rtol=0.0)  # sampling error


def test_a_seed_always_samples_the_same_codes_and_another_seed_others():
    generator = tiny(32)
    assert torch.equal(generator.sample_w_plus(3), generator.sample_w_plus(3))
    assert not torch.equal(generator.sample_w_plus(3), generator.sample_w_plus(4))


def test_stored_noise_repeats_exactly_and_fits_any_size():
    generator = tiny(128)
    w_plus = generator.sample_w_plus(0)
    feature = torch.randn(1, generator.channels[64], 150, 70)
    first = generator.features(w_plus, start=(10, feature))[12]
    again = generator.features(w_plus, start=(10, feature))[12]
    assert torch.equal(first, again)
    fresh = generator.features(w_plus, start=(10, feature), use_fresh_noise=True)[12]
    assert not torch.equal(first, fresh)


def test_only_layers_from_first_rgb_layer_on_contribute():
    generator = tiny(64, first_rgb_layer=8)
    assert sorted(generator.to_rgbs, key=int) == ["8", "10"]
    w_plus = generator.sample_w_plus(0)
    picture = generator(w_plus)
    assert picture.shape == (1, 3, 64, 64)
    features = {n: x for n, x in generator.features(w_plus).items() if n in (8, 10)}
    torch.testing.assert_close(generator.render(features, w_plus), picture)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 100}, r"power of two in \[32, 1024\], got 100"),
        ({"resolution": 64, "first_rgb_layer": 7}, r"even layer in \[2, 10\], got 7"),
    ],
)
def test_invalid_settings_of_a_generator_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Generator(**arguments)


def test_wrong_codes_and_starts_are_refused_with_the_wanted_shape():
    generator = tiny(128)
    with pytest.raises(InputError, match=r"\[B, 12, 16\], got \[1, 3, 16\]"):
        generator.features(torch.zeros(1, 3, 16))
    with pytest.raises(InputError, match=r"\[B, 8, H, W\], got \[1, 5, 8, 8\]"):
        generator.features(torch.zeros(1, 12, 16), start=(10, torch.zeros(1, 5, 8, 8)))
    with pytest.raises(InputError, match=r"in \[1, 12\], got 13"):
        generator.features(torch.zeros(1, 12, 16), start=(13, torch.zeros(1, 5, 8, 8)))
