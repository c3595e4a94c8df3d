import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylecinegan.errors import InputError
from stylecinegan.mask.matting import matte, moving_threshold
from stylecinegan.mask.static_regions import find_objects, thin_extensions


def sky_with_pole(thing, sky, size=512, width=6, background=None):
    """A photo whose lower quarter is ground, with a pole that a coarse probability misses."""
    photo = torch.full((1, 3, size, size), sky)
    if background is not None:
        photo += background
    ground = slice(3 * size // 4, None)
    photo[:, :, ground] = thing
    left = size // 2 - width // 2
    photo[:, :, size // 4 :, left : left + width] = thing
    probability = torch.ones(1, 1, size, size)
    probability[:, :, ground] = 0.0
    probability[:, :, size // 4 :, left : left + width] = 0.0
    coarse = F.interpolate(probability, (size // 4, size // 4), mode="area")
    return photo, coarse, left + width // 2


@pytest.mark.parametrize(("thing", "sky"), [(-0.8, 0.5), (0.9, -0.3)], ids=["dark", "bright"])
def test_a_thin_pole_before_the_sky_is_static_and_the_sky_beside_it_moves(thing, sky):
    photo, probability, middle = sky_with_pole(thing, sky)
    mask = matte(probability, photo)
    assert mask[0, 0, 200:500, middle].max() < 0.1
    assert mask[0, 0, 20:370, middle - 20].min() > 0.9
    assert mask[0, 0, 20:370, middle + 20].min() > 0.9
    assert mask[0, 0, 400:, :].max() < 0.1


@pytest.mark.parametrize("size", [128, 256, 512])
def test_two_pixels_beside_a_static_object_are_static_at_any_size(size):
    photo, probability, middle = sky_with_pole(-0.8, 0.5, size=size, width=4)
    mask = matte(probability, photo)
    rows = slice(2 * size // 5, 7 * size // 10)
    assert mask[0, 0, rows, middle - 4].max() < 0.25
    assert mask[0, 0, rows, middle + 3].max() < 0.25
    assert mask[0, 0, rows, middle - size // 25].min() > 0.9


def test_what_enters_from_the_border_is_static_to_the_border():
    photo, probability, _ = sky_with_pole(-0.8, 0.5)
    photo, probability = photo.flip(2), probability.flip(2)  # the pole hangs from above
    mask = matte(probability, photo)
    assert mask[0, 0, :300, 256].max() < 0.1


def test_a_photo_gets_the_same_mask_at_another_size():
    photo, probability, _ = sky_with_pole(-0.8, 0.5)
    small = matte(probability, photo)
    large = matte(probability, F.interpolate(photo, scale_factor=2.0, mode="nearest"))
    assert (F.interpolate(large, (512, 512), mode="area") - small).abs().mean() < 0.01


def test_a_wire_that_the_probability_hardly_shows_is_found_by_its_colour():
    photo, probability, middle = sky_with_pole(-0.8, 0.5, width=3)
    seen = probability.clone()
    seen[:, :, :96] = probability[:, :, :96].clamp(min=0.85)  # taken for sky above the ground
    mask = matte(seen, photo)
    assert mask[0, 0, 140:370, middle].max() < 0.25
    assert mask[0, 0, 140:370, middle - 15].min() > 0.9


def river(size=512):
    """A bank above textured water, and the probability of a network that knows both."""
    generator = torch.Generator().manual_seed(0)
    waves = torch.rand(1, 1, size // 8, size // 4, generator=generator)
    waves = F.interpolate(waves, (size, size), mode="bilinear")
    photo = -0.5 + 0.4 * waves.expand(-1, 3, -1, -1).clone()
    photo[:, :, : size // 4] = 0.2
    probability = torch.full((1, 1, size, size), 0.97)
    probability[:, :, : size // 4] = 0.02
    return photo, probability


def test_a_railing_before_textured_water_is_static_and_the_waves_move():
    photo, probability = river()
    photo[:, :, 300:320] = 0.9
    probability[:, :, 295:325] = 0.8  # the network half sees it
    mask = matte(F.interpolate(probability, (128, 128), mode="area"), photo, caution=0.4)
    assert mask[0, 0, 303:317].max() < 0.1
    assert mask[0, 0, 150:280].gt(0.5).float().mean() > 0.99
    assert mask[0, 0, 345:].gt(0.5).float().mean() > 0.99


def test_glitter_and_reflections_move_with_the_water():
    photo, probability = river()
    photo[:, :, 128:250, 200:260] = -0.85  # a dark tower's reflection
    generator = torch.Generator().manual_seed(1)
    glitter = torch.rand(512, 512, generator=generator) > 0.98
    glitter[:260] = False
    photo[:, :, glitter] = 1.0
    mask = matte(F.interpolate(probability, (128, 128), mode="area"), photo)
    assert mask[0, 0, 150:250].gt(0.5).float().mean() > 0.99
    assert mask[0, 0, 260:].gt(0.5).float().mean() > 0.99


def test_a_dark_spot_amid_water_is_a_rock_where_the_networks_see_less_water():
    photo, probability = river()
    spots = [(slice(170, 200), slice(left, left + 40)) for left in (60, 240, 420)]
    for spot in spots:
        photo[0, :, *spot] = -0.85
        probability[0, :, *spot] = 0.87
    evidence = torch.full((1, 1, 512, 512), 2.0)
    evidence[0, 0, *spots[0]] = 0.5
    evidence[0, 0, *spots[1]] = 1.3
    coarse, evidence = (
        F.interpolate(values, (128, 128), mode="area") for values in (probability, evidence)
    )
    mask = matte(coarse, photo, water=coarse, evidence=evidence)[0, 0]
    rock, shade, reflection = (mask[spot] for spot in spots)
    assert rock.max() < 0.25
    assert shade.min() > 0.9
    assert reflection.min() > 0.9
    assert mask[280:].gt(0.5).float().mean() > 0.99
    assert matte(coarse, photo, water=coarse)[0, 0, *spots[0]].min() > 0.9


def test_objects_are_compact_and_surrounded_by_water_that_is_more_certain():
    holes = np.zeros((200, 200), bool)
    holes[50:60, 50:60] = holes[150:160, 190:] = holes[100, 100] = holes[150:160, 50:60] = True
    holes[150, 100:180] = holes[140:160, 100:180:4] = True  # like the reflection of a hedge
    evidence = np.where(holes, 0.5, 2.0).astype(np.float32)
    water = ~holes
    water[130:180, 30:80] = False  # no water around the last one
    found = find_objects(holes, water, evidence)
    assert found[50:60, 50:60].all()
    assert found.sum() == 100
    assert not find_objects(holes, water, evidence + 0.5 * holes).any()


def test_the_moon_and_its_reflection_are_static():
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    glow = torch.exp(-0.5 * ((rows - 30) ** 2 + (columns - 60) ** 2) / 9.0)
    photo = (-0.8 + 1.6 * glow).expand(1, 3, -1, -1)
    certain = torch.full((1, 1, 96, 128), 0.98)
    for mask in (
        matte(torch.cat([certain, 0 * certain], 1), photo),
        matte(torch.cat([0 * certain, certain], 1), photo, water=certain),
    ):
        assert mask[0, 0, 30, 60] == 0
        assert mask[0, 0, 60, 60] == 1


def test_a_small_moving_island_needs_a_certain_pixel():
    photo = torch.full((1, 3, 256, 256), 0.5)
    probability = torch.full((1, 1, 256, 256), 0.02)
    islands = [(slice(20, 60), slice(left, left + 40)) for left in (20, 120)]
    large = slice(120, 180), slice(20, 120)
    for place in (*islands, large):
        probability[0, 0, *place] = 0.88
    probability[0, 0, 40, 140] = 0.95  # in the second
    mask = matte(probability, photo)[0, 0]
    assert mask[islands[0]].max() < 0.1
    assert mask[30:50, 130:150].min() > 0.9
    assert mask[130:170, 30:110].min() > 0.9


def test_a_doubtful_cloud_inside_the_sky_moves_with_it():
    photo, probability, _ = sky_with_pole(-0.8, 0.3)
    grid = torch.linspace(-1.0, 1.0, 120)
    cloud = (1.0 - grid[:, None] ** 2 - grid**2).clamp(min=0.0)
    photo[:, :, 60:180, 60:180] += 0.6 * cloud
    probability[:, :, 15:45, 15:45] = 0.7
    assert matte(probability, photo)[0, 0, 50:190, 50:190].min() > 0.9


@pytest.mark.parametrize(
    ("size", "num_classes"), [((1, 1), 1), ((3, 40), 2), ((200, 31), 1), ((97, 300), 3)]
)
def test_any_size_and_number_of_classes_gives_a_mask_of_the_photos_size(size, num_classes):
    photo = torch.rand(1, 3, *size) * 2.0 - 1.0
    probability = torch.rand(1, num_classes + 1, 7, 9).softmax(dim=1)[:, :num_classes]
    mask = matte(probability, photo)
    assert mask.shape == (1, 1, *size)
    assert mask.min() >= 0.0
    assert mask.max() <= 1.0


def test_kinds_that_do_not_meet_are_matted_as_their_sum_is():
    photo = torch.full((1, 3, 200, 200), 0.5)
    photo[:, :, 80:120] = -0.7
    photo[:, :, 120:] = -0.1
    kinds = torch.zeros(1, 2, 50, 50)
    kinds[:, 0, :20] = 1.0
    kinds[:, 1, 30:] = 1.0
    mask = matte(kinds, photo)
    assert mask[0, 0, :75].min() == 1.0
    assert mask[0, 0, 80:120].max() == 0.0
    assert mask[0, 0, 125:].min() == 1.0
    assert torch.equal(matte(kinds.sum(dim=1, keepdim=True), photo) > 0.5, mask > 0.5)


def test_more_caution_never_moves_more():
    torch.manual_seed(0)
    probability = F.interpolate(torch.rand(1, 1, 16, 24), (96, 144), mode="bicubic").clamp(0, 1)
    photo = torch.rand(1, 3, 96, 144) * 2.0 - 1.0
    moving = [(matte(probability, photo, caution=c) > 0.5).float().mean() for c in (0, 0.5, 1)]
    assert moving[0] > moving[1] > moving[2]


def test_thresholds_are_those_of_least_expected_cost():
    assert moving_threshold(0) == 0.5  # both errors cost the same
    assert moving_threshold(0.5) == 0.75  # a static thing that moves costs three times as much
    assert moving_threshold(1) < 1.0
    for wrong in (-0.1, 1.1, float("nan"), "much", True):
        with pytest.raises(InputError, match="mask_caution must be a number in"):
            moving_threshold(wrong)


def test_shapes_that_are_no_photo_probability_and_evidence_are_refused():
    with pytest.raises(InputError, match="a photo must be"):
        matte(torch.zeros(1, 1, 8, 8), torch.zeros(3, 8, 8))
    with pytest.raises(InputError, match="a probability must be"):
        matte(torch.zeros(2, 1, 8, 8), torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError, match="evidence must have"):
        matte(torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 8, 8), evidence=torch.zeros(1, 1, 8, 8))


def test_thin_doubtful_parts_that_extend_a_large_static_region_are_static():
    static, doubtful = np.zeros((2, 200, 300), bool)
    static[150:] = True
    doubtful[100:150, 40:42] = True  # a mast
    doubtful[100:140, 80:82] = True  # not connected
    doubtful[142:150, 120:122] = True  # too short
    doubtful[100:150, 160:180] = True  # too wide
    static[100:104, 240:244] = True  # a small static region with a twig
    doubtful[104:140, 241:243] = True
    found = thin_extensions(static, doubtful)
    expected = np.zeros_like(static)
    expected[100:149, 40:42] = True  # the opening keeps its foot
    assert np.array_equal(found, expected)
    assert not thin_extensions(~static, np.zeros_like(static)).any()


def test_flowers_before_water_are_static_near_the_bank_and_reflections_of_lights_move():
    photo, probability = river()
    petals = torch.tensor([0.8, -0.7, 0.5])[:, None, None]
    photo[0, :, 132:150, 100:118] = petals  # near the bank
    photo[0, :, 494:512, 300:318] = petals  # at the photo's border
    photo[0, :, 300:318, 400:418] = petals  # amid the water
    coarse = F.interpolate(probability, (128, 128), mode="area")
    mask = matte(coarse, photo, water=coarse)[0, 0]
    assert mask[134:148, 102:116].max() < 0.25
    assert mask[496:510, 302:316].max() < 0.25
    assert mask[302:316, 402:416].min() > 0.9
    assert mask[200:280].gt(0.5).float().mean() > 0.99
    # White foam is as far from the water's colour, but not from its chroma.
    photo[0, :, 132:150, 100:118] = 0.9
    assert matte(coarse, photo, water=coarse)[0, 0, 134:148, 102:116].min() > 0.9


def bright_object_at_the_left_border(length):
    """A photo of a bank, dark water and, as bright as the bank, an object taken for water."""
    torch.manual_seed(0)
    photo = 0.05 * torch.randn(1, 3, 256, 256) - 0.5
    probability = torch.ones(1, 1, 256, 256)
    probability[:, :, :48] = 0.0
    photo[:, :, :48] = photo[:, :, 120:140, :length] = 0.4
    return photo, probability


def test_the_end_of_a_railing_that_is_taken_for_water_is_static():
    photo, probability = bright_object_at_the_left_border(256)
    probability[:, :, 120:140, 16:] = 0.0  # its remainder is not
    mask = matte(probability, photo, water=probability)[0, 0]
    assert mask[122:138].max() < 0.1
    assert mask[60:110].min() > 0.9
    assert mask[150:].min() > 0.9


def test_foam_at_the_border_moves_with_the_water():
    photo, probability = bright_object_at_the_left_border(16)
    assert matte(probability, photo, water=probability)[0, 0, 60:].min() > 0.9
