import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask.deep_features import compute_deep_features
from stylecinegan.mask.ensemble import MaskEnsemble
from stylecinegan.mask.hypercolumns import sample_hypercolumns
from stylecinegan.mask.prediction import classify_pixels
from stylecinegan.training.feature_memory import FeatureMemory, bootstrap
from stylecinegan.training.mask_task import MaskTask
from stylecinegan.training.pixel_sampling import Networks, sample_pixels


def small_networks():
    torch.manual_seed(0)
    generator = Generator(256, 8, 1, channels={4: 4, 8: 4, 16: 4, 32: 4, 64: 8, 128: 4, 256: 4})
    encoder = FeatureStyleEncoder(14, 8, 8, (8, 8, 8, 8, 8), (1, 1, 1, 1), 8, 1)
    return Networks(generator.eval(), encoder.eval())


def small_task(**arguments):
    settings = {
        "num_members": 2,
        "hidden": (16, 8),
        "updates_per_step": 10,
        "photos_per_update": 4,
        "warm_up": 4,
        "pixels_per_photo": 64,
        "learning_rate": 1e-2,
        "num_steps": 6,
        **arguments,
    }
    return MaskTask(small_networks(), **settings)


def drawn_batch(count=4, size=64):
    pictures = [draw_landscape(size, size, seed) for seed in range(count)]
    return {
        "image": torch.cat([picture.image for picture in pictures]),
        "label": torch.cat([picture.label[:, 0] for picture in pictures]),
        "index": torch.arange(count),
    }


@pytest.mark.parametrize("context", ["none", "pooled", "head"])
def test_a_few_drawn_landscapes_are_learned(context):
    task = small_task(context=context)
    terms = [task.step(drawn_batch()) for _ in range(6)]
    # Guessing among three classes costs log 3 = 1.1; the last step validates.
    limit = 1.5 if context == "head" else 0.75  # the head's own cross-entropy is in its loss
    assert terms[-1]["validation"] < limit


def test_the_exported_ensemble_tells_sky_from_land(tmp_path):
    task = small_task()
    for _ in range(6):
        task.step(drawn_batch())
    task.export(tmp_path)
    loaded = checkpoints.load(tmp_path / "mask.safetensors", MaskEnsemble)
    picture = draw_landscape(256, 256, 0)
    vote = classify_pixels(loaded, task.model.generator, task.model.encoder, picture.image).vote
    assert vote.shape == (1, 1, 256, 256)
    again = MaskTask(small_networks(), initial=tmp_path / "mask.safetensors")
    assert again.ensemble.arguments == task.ensemble.arguments


def test_a_resumed_run_has_weights_and_optimiser_of_the_interrupted_one():
    task = small_task()
    task.step(drawn_batch())
    other = small_task()
    other.load_state_dict(task.state_dict())
    for name, tensor in task.ensemble.state_dict().items():
        assert torch.equal(other.ensemble.state_dict()[name], tensor)
    assert other.step_number == 1
    other.step(drawn_batch())  # fills its memory anew


def test_the_context_head_alone_learns_where_sky_and_water_are():
    task = small_task(pixels_per_photo=0, learning_rate=3e-3)
    members = {k: v.clone() for k, v in task.ensemble.members.state_dict().items()}
    losses = [float(task.step(drawn_batch())["head"]) for _ in range(8)]
    assert losses[-1] < 0.5 * losses[0]
    for name, tensor in task.ensemble.members.state_dict().items():
        assert torch.equal(tensor, members[name]), name


def test_pixels_are_what_an_ensemble_without_a_head_learns_from():
    with pytest.raises(InputError, match="context=none"):
        small_task(pixels_per_photo=0, context="none")


def test_nothing_is_trained_before_the_memory_holds_enough():
    task = small_task(warm_up=9)
    terms = [task.step(drawn_batch()) for _ in range(3)]
    assert [set(step) for step in terms[:2]] == [{"photos"}] * 2
    assert "pixel" in terms[2]


def test_training_ends_when_the_validation_loss_does_not_fall():
    task = small_task(patience=2)
    task.step(drawn_batch())
    task.best_step, task.best_loss = -3, 0.0
    before = task.state_dict()["ensemble"]["members.0.layers.0.weight"].clone()
    assert task.is_finished
    task.step(drawn_batch())
    assert torch.equal(task.ensemble.state_dict()["members.0.layers.0.weight"], before)


def test_sampled_pixels_carry_the_label_under_them():
    batch = drawn_batch()
    samples = sample_pixels(small_networks(), batch, 50)
    column, row = ((samples.points + 1) * 32).long().unbind(dim=2)
    wanted = batch["label"][torch.arange(4).unsqueeze(1), row, column]
    assert torch.equal(samples.labels, wanted)
    assert samples.points.abs().max() < 1


def test_sampled_features_are_those_of_the_whole_picture():
    networks, batch = small_networks(), drawn_batch(2, 128)
    samples = sample_pixels(networks, batch, 200)
    with torch.no_grad():
        deep = compute_deep_features(networks.generator, networks.encoder, batch["image"])
    expected = sample_hypercolumns(deep.features, samples.points)
    # Half precision, and a little for what the window's edges cut off.
    error = (samples.pixels.float() - expected).abs().mean() / expected.std()
    assert error < 0.01


def test_members_see_different_bootstraps_of_mean_one_fixed_by_the_photo():
    weights = bootstrap(torch.arange(4000), 3)
    assert weights.mean(dim=1).tolist() == pytest.approx([1.0, 1.0, 1.0], abs=0.06)
    assert (weights[0] != weights[1]).float().mean() > 0.5
    assert torch.equal(bootstrap(torch.tensor([17]), 3)[:, 0], weights[:, 17])


def test_the_memory_replaces_the_oldest_photos():
    samples = sample_pixels(small_networks(), drawn_batch(), 5)
    memory = FeatureMemory(3)
    memory.add(samples)
    assert len(memory) == 3
    assert sorted(memory.take([0, 1, 2]).index.tolist()) == [1, 2, 3]
