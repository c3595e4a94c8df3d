import dataclasses

import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask.deep_features import compute_deep_features
from stylecinegan.mask.ensemble import MaskEnsemble
from stylecinegan.mask.hypercolumns import pixel_centres, sample_hypercolumns
from stylecinegan.mask.prediction import classify_pixels
from stylecinegan.mask.semantic_features import NoContext
from stylecinegan.tasks.logit_offsets import logit_shift
from stylecinegan.tasks.mask import MaskTask
from stylecinegan.tasks.pixel_sampling import Networks, sample_pixels
from stylecinegan.tasks.replay_buffer import ReplayBuffer, bootstrap
from tests.tasks.batches import landscapes


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


class LabelFeatures(torch.nn.Module):
    """Semantic features that are the labels."""

    def __init__(self, label):
        super().__init__()
        self.label = label

    def forward(self, image):
        return self.label.unsqueeze(1).float()


class CoordinateFeatures(torch.nn.Module):
    """Semantic features that are the coordinates (x, y) in [-1, 1]."""

    def forward(self, image):
        height, width = image.shape[2:]
        points = pixel_centres(height, width).view(1, height, width, 2).permute(0, 3, 1, 2)
        return points.expand(len(image), -1, -1, -1)


@pytest.mark.parametrize("context", ["none", "semantic"])
def test_a_few_drawn_landscapes_are_learned(context):
    task = small_task(context=context)
    terms = [task.step(landscapes(64)) for _ in range(6)]
    # Guessing among three classes costs log 3 = 1.1; the last step validates.
    assert terms[-1]["validation"] < 0.75


def test_the_exported_ensemble_separates_land_sky_and_water(tmp_path):
    task = small_task(num_steps=30)
    for _ in range(30):
        task.step(landscapes(64))
    task.export(tmp_path)
    loaded = checkpoints.load(tmp_path / "mask.safetensors", MaskEnsemble)
    photo = draw_landscape(64, 64, 0)
    vote = classify_pixels(loaded, task.model.generator, task.model.encoder, photo.image).vote
    label = torch.nn.functional.interpolate(photo.label.float(), vote.shape[2:])
    # Guessing among three classes finds a third of each.
    for number in (0, 1, 2):
        assert (vote[label == number] == number).float().mean() > 0.65


def write_context(path, **settings):
    ensemble = MaskEnsemble(5, context="semantic", **{"context_width": 8, **settings})
    checkpoints.save(path, ensemble)
    return ensemble.context


def test_contexts_are_concatenated_and_not_trained(tmp_path):
    torch.manual_seed(3)
    files = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    first = write_context(files[0])
    second = write_context(files[1], context_networks=2)
    task = small_task(contexts=files)
    assert task.ensemble.arguments["context_networks"] == 3
    task.step(landscapes(64))
    for network, given in zip(
        task.ensemble.context.networks, [*first.networks, *second.networks], strict=True
    ):
        for name, tensor in given.state_dict().items():
            kept = network.state_dict()[name]
            torch.testing.assert_close(kept, tensor, atol=1e-3, rtol=1e-3)  # half precision


def test_contexts_that_do_not_go_together_are_refused(tmp_path):
    files = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    write_context(files[0])
    write_context(files[1], context_width=16)
    with pytest.raises(InputError, match=r"of the same width 8, found 16 in .*second"):
        small_task(contexts=files)
    checkpoints.save(files[1], MaskEnsemble(5))
    with pytest.raises(InputError, match=r"a semantic context, found none in .*second"):
        small_task(contexts=files)


def test_the_exported_ensemble_has_the_offsets_that_maximise_the_iou(tmp_path):
    task = small_task(validation_every=100)
    for _ in range(6):
        task.step(landscapes(64))
    samples = task.replay_buffer.take(list(range(len(task.replay_buffer))))
    with torch.no_grad():
        found = task.ensemble.eval().member_probabilities(samples.pixels.flatten(0, 1)).mean(dim=0)
    shift = logit_shift(found, samples.labels.flatten())
    assert shift.ne(0).any()
    task.export(tmp_path)
    loaded = checkpoints.load(tmp_path / "mask.safetensors", MaskEnsemble)
    torch.testing.assert_close(loaded.logit_shift, shift, atol=1e-3, rtol=0)


@pytest.mark.gpu
def test_classifiers_are_trained_on_cuda(tmp_path):
    task = small_task()
    task.to(torch.device("cuda"))
    batch = {name: tensor.to("cuda") for name, tensor in landscapes(64).items()}
    terms = [task.step(batch) for _ in range(6)]
    assert terms[-1]["validation"] < 0.75
    task.export(tmp_path)


def test_nothing_is_trained_before_the_replay_buffer_holds_enough():
    task = small_task(warm_up=9)
    terms = [task.step(landscapes(64)) for _ in range(3)]
    assert [set(step) for step in terms[:2]] == [{"photos"}] * 2
    assert "pixel" in terms[2]


def test_training_ends_when_the_validation_loss_does_not_fall():
    task = small_task(patience=2)
    task.step(landscapes(64))
    task.best_step, task.best_loss = -3, 0.0
    before = task.state_dict()["ensemble"]["members.0.layers.0.weight"].clone()
    assert task.is_finished
    task.step(landscapes(64))
    assert torch.equal(task.ensemble.state_dict()["members.0.layers.0.weight"], before)


def test_sampled_pixels_carry_the_label_under_them():
    batch = landscapes(64)
    samples = sample_pixels(small_networks(), LabelFeatures(batch["label"]), batch, 50)
    assert torch.equal(samples.pixels[..., -1].round().long(), samples.labels)
    assert samples.labels.unique().tolist() == [0, 1, 2]


def test_sampled_features_are_those_of_the_whole_picture():
    networks, batch = small_networks(), landscapes(128, 2)
    samples = sample_pixels(networks, CoordinateFeatures(), batch, 200)
    with torch.no_grad():
        deep = compute_deep_features(networks.generator, networks.encoder, batch["image"])
    points = samples.pixels[..., -2:].float()
    samples = dataclasses.replace(samples, pixels=samples.pixels[..., :-2])
    expected = sample_hypercolumns(deep.features, points)
    # Half precision, and a little for what the window's edges cut off.
    error = (samples.pixels.float() - expected).abs().mean() / expected.std()
    assert error < 0.01


def test_members_see_different_bootstraps_of_mean_one_fixed_by_the_photo():
    weights = bootstrap(torch.arange(4000), 3)
    assert weights.mean(dim=1).tolist() == pytest.approx([1.0, 1.0, 1.0], abs=0.06)
    assert (weights[0] != weights[1]).float().mean() > 0.5
    assert torch.equal(bootstrap(torch.tensor([17]), 3)[:, 0], weights[:, 17])


def test_the_replay_buffer_replaces_the_oldest_photos():
    samples = sample_pixels(small_networks(), NoContext(), landscapes(64), 5)
    memory = ReplayBuffer(3)
    memory.add(samples)
    assert len(memory) == 3
    assert sorted(memory.take([0, 1, 2]).index.tolist()) == [1, 2, 3]
