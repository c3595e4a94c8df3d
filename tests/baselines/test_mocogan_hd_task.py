from copy import deepcopy

import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.baselines.mocogan_hd.losses import augment_video, contrastive_loss
from stylecinegan.baselines.mocogan_hd.network import (
    ImageDiscriminator,
    TrajectoryGenerator,
    VideoDiscriminator,
)
from stylecinegan.baselines.mocogan_hd.task import MoCoGANHDTask
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator


def write_generator(folder):
    torch.manual_seed(0)
    generator = Generator(32, 8, 1, channel_base=64, channel_max=4)
    generator.estimate_w_mean(100)
    checkpoints.save(folder / "generator.safetensors", generator)


@pytest.fixture
def folder(tmp_path):
    write_generator(tmp_path)
    return tmp_path


def make_task(folder, **settings):
    torch.manual_seed(1)
    settings = {"view_resolution": 16, "stride": 2, "learning_rate": 1e-2, **settings}
    return MoCoGANHDTask(
        TrajectoryGenerator(8, 4, 3),
        VideoDiscriminator(4, 2, 1),
        ImageDiscriminator(16, 4, 8, 5),
        model_directory=folder,
        **settings,
    )


def make_batch(count=4):
    torch.manual_seed(2)
    return {"video": torch.randn(count, 4, 3, 16, 16).clamp(-1, 1)}


def test_the_contrastive_loss_of_distinct_and_of_equal_embeddings():
    pictures = torch.eye(3)
    # Each view has its partner at similarity 1 and four others at 0.
    expected = torch.log1p(4.0 * torch.exp(torch.tensor(-2.0)))
    torch.testing.assert_close(contrastive_loss(pictures, 5.0 * pictures, 0.5), expected)
    # Views that are all alike: a guess among the five others.
    alike = torch.ones(3, 2)
    torch.testing.assert_close(contrastive_loss(alike, alike), torch.log(torch.tensor(5.0)))


def test_all_frames_of_a_video_are_augmented_alike():
    still = torch.randn(2, 1, 3, 16, 16).repeat(1, 3, 1, 1, 1)
    seen = augment_video(still, torch.rand(2, 7))
    assert torch.equal(seen[:, 0], seen[:, 2])
    assert not torch.allclose(seen, still)


def test_a_step_trains_motion_and_discriminators_and_not_the_generator(folder):
    task = make_task(folder)
    modules = {
        "motion": task.motion,
        "discriminators": task.discriminators,
        "generator": task.generator,
    }
    before = {name: deepcopy(module.state_dict()) for name, module in modules.items()}
    terms = task.step(make_batch())
    assert set(terms) == {
        "video", "image", "matching", "noise", "drift", "real_drift",
        "discriminator_video", "discriminator_image", "contrast",
    }  # fmt: skip
    for name, module in modules.items():
        changed = any(
            not torch.equal(tensor, before[name][key])
            for key, tensor in module.state_dict().items()
        )
        assert changed == (name != "generator"), name


def test_rendered_frames_are_a_stride_apart(folder):
    task = make_task(folder)
    w = task.generator.mapping(torch.randn(4, 8))
    offsets, _ = task.trajectory(w, torch.randn(4, 6, 8))  # four frames, two steps apart
    video = task.render(w, offsets[:, ::2])
    assert video.shape == (4, 4, 3, 16, 16)
    w_plus = task.generator.repeat_w(w + offsets[:, 4])
    features = task.generator.features(w_plus, last=6)
    torch.testing.assert_close(video[:, 2], task.generator.render(features, w_plus))


def test_gradient_accumulation_logs_the_same_terms(folder):
    terms = []
    for num_accumulate in (1, 2):
        task = make_task(folder, num_accumulate=num_accumulate)
        torch.manual_seed(5)
        terms.append(task.step(make_batch()))
    for name in ("video", "noise", "matching"):
        assert float(terms[0][name]) == pytest.approx(float(terms[1][name]), rel=1e-3, abs=1e-4)


def test_the_export_is_the_averaged_motion_generator(folder):
    task = make_task(folder)
    task.step(make_batch())
    task.export(folder / "export")
    loaded = checkpoints.load(folder / "export/mocogan_hd.safetensors", TrajectoryGenerator)
    loaded.check_generator(task.generator)
    w, noise = torch.randn(2, 8), torch.randn(2, 3, 8)
    expected = task.averaged.module(w, noise)[0]
    torch.testing.assert_close(loaded(w, noise)[0], expected, atol=5e-3, rtol=1e-2)


def test_samples_are_real_clips_above_generated_ones(folder):
    batch = make_batch(2)
    sheet = make_task(folder).sample(batch)["videos"]
    assert sheet.shape == (3, 4 * 16 + 3 * 4, 4 * 16 + 3 * 4)
    cells = [sheet[:, row : row + 16, :16] for row in (0, 20, 40)]
    assert torch.equal(cells[0], batch["video"][0, 0])
    assert torch.equal(cells[1], batch["video"][1, 0])
    assert not torch.equal(cells[2], batch["video"][0, 0])


def test_a_view_resolution_that_the_generator_lacks_is_refused(folder):
    with pytest.raises(InputError, match="view_resolution must be one of"):
        make_task(folder, view_resolution=128)
