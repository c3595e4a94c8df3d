import pytest
import torch

from stylecinegan.motion.discriminator import MultiScaleDiscriminator
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.tasks.motion import MotionTask
from stylecinegan.visualization import motion_to_image


def make_task(is_adversarial=True, in_channels=5, **settings):
    torch.manual_seed(0)
    generator = MotionGenerator(in_channels, 8, 2, 1, side=32)
    discriminator = MultiScaleDiscriminator(in_channels + 2, 4, 2, 2) if is_adversarial else None
    settings = {"learning_rate": 2e-3, "num_steps": 1000, **settings}
    return MotionTask(generator, discriminator, **settings)


def make_batch(count=4):
    """Bright upper parts of different heights move to the right."""
    torch.manual_seed(1)
    image = 0.2 * torch.randn(count, 3, 32, 32)
    motion = torch.zeros(count, 2, 32, 32)
    for number in range(count):
        height = 8 + 5 * number
        image[number, :, :height] += 0.7
        motion[number, 0, :height] = 1.0
    return {
        "image": image.clamp(-1, 1),
        "motion": motion,
        "confidence": torch.ones(count, 1, 32, 32),
        "classes": torch.zeros(count, 2, 32, 32),
        "is_real": torch.tensor([1.0, 0.0, 0.0, 0.0])[:count],
    }


def test_a_step_logs_its_terms_and_the_errors_of_real_and_synthetic_motion():
    task, batch = make_task(), make_batch()
    names = {"end_point", "adversarial", "matching", "discriminator"}
    assert set(task.step(batch)) == names | {"end_point_real", "end_point_synthetic"}


def test_pixels_of_unknown_motion_have_no_effect_on_the_loss():
    task, batch = make_task(), make_batch()
    batch["confidence"][:, :, :, 16:] = 0.0
    other = {**batch, "motion": batch["motion"].clone()}
    other["motion"][:, :, :, 16:] = 50.0
    first, _ = task.generator_loss(batch)
    second, _ = task.generator_loss(other)
    assert first.item() == pytest.approx(second.item(), rel=1e-5)


def test_accumulated_parts_make_the_step_of_the_whole():
    whole, parts = make_task(is_adversarial=False), make_task(False, num_accumulate=2)
    batch = make_batch()
    for task in (whole, parts):
        task.step(batch)
    for one, other in zip(whole.generator.parameters(), parts.generator.parameters(), strict=True):
        # Adam divides by the gradient's own size: biases before a normalisation have none.
        if one.ndim == 4:
            torch.testing.assert_close(one, other, atol=2e-4, rtol=0)


def test_a_generator_of_photos_alone_trains_without_classes():
    task = make_task(in_channels=3)
    batch = make_batch()
    assert torch.equal(task.generator_input(batch), batch["image"])
    before = [parameter.clone() for parameter in task.generator.parameters()]
    del batch["classes"]
    task.step(batch)
    pairs = zip(before, task.generator.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)


def test_a_perceptual_term_can_be_added():
    task = make_task(is_adversarial=False, perceptual=lambda picture: [picture])
    assert float(task.step(make_batch())["perceptual"]) > 0


def test_samples_show_photo_truth_and_prediction():
    task, batch = make_task(), make_batch()
    photos, truth, predicted = task.sample(batch)["motion"].chunk(3)
    assert torch.equal(photos, batch["image"])
    moves = batch["motion"][:, 0] > 0
    red, green, blue = (truth[:, channel] for channel in range(3))
    # To the right is red; white does not move.
    assert (red > blue + 0.1)[moves].all()
    assert (green > 0.9)[~moves].all()
    motion = task.averaged.module(task.generator_input(batch))
    expected = [motion_to_image(field[None], max_speed=1.5) for field in motion]
    torch.testing.assert_close(predicted, torch.cat(expected))
