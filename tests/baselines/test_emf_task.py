import torch

from stylecinegan.baselines.emf.network import SplattingNetwork
from stylecinegan.baselines.emf.task import EMFTask, interpolate


def make_task(**settings):
    torch.manual_seed(0)
    return EMFTask(
        SplattingNetwork(8, (8, 8), 1), **{"learning_rate": 3e-3, "num_steps": 1000, **settings}
    )


def make_batch(count=4, seed=1):
    """Noise that moves to the right by two pixels and is brighter in between."""
    torch.manual_seed(seed)
    first = 0.3 * torch.randn(count, 3, 16, 16)
    displacement = torch.zeros(count, 2, 16, 16)
    displacement[:, 0] = 1.0
    return {
        "first": first,
        "image": first.roll(1, dims=3) + 0.3,
        "last": first.roll(2, dims=3),
        "from_start": displacement,
        "from_end": -displacement,
        "progress": torch.full((count,), 0.5),
    }


@torch.no_grad()
def error_of(task, batch):
    return float((interpolate(task.network, batch) - batch["image"]).abs().mean())


def test_the_initial_prediction_is_the_splat_of_both_ends():
    task, batch = make_task(), make_batch()
    with torch.no_grad():
        between = interpolate(task.network, batch)
    # Both ends show the same, so that their weights do not matter where both arrive.
    expected = batch["image"][..., 2:14] - 0.3
    torch.testing.assert_close(between[..., 2:14], expected, atol=1e-4, rtol=0)


def test_z_learns_to_weight_the_reliable_end():
    # The last frame is grey: only its weights can exclude it.
    task, batch = make_task(num_warmup=5), make_batch()
    batch["image"] = batch["image"] - 0.3
    batch["last"] = torch.full_like(batch["last"], 0.9)
    before = error_of(task, batch)
    for _ in range(60):
        task.step(batch)
    _, reliable = task.network.encode(batch["first"])
    _, unreliable = task.network.encode(batch["last"])
    assert reliable.median().item() > 2.0 * unreliable.median().item()
    assert error_of(task, batch) < 0.5 * before


def test_a_perceptual_network_adds_a_term():
    terms = make_task(perceptual=lambda picture: [picture]).step(make_batch())
    assert set(terms) == {"pixel", "perceptual"}
    assert float(terms["perceptual"]) > 0


def test_gradient_accumulation_gives_the_same_step():
    whole, parts, batch = make_task(), make_task(num_accumulate=2), make_batch()
    for task in (whole, parts):
        task.step(batch)
    for one, other in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_samples_are_first_true_and_predicted_frames():
    task, batch = make_task(), make_batch()
    first, between, ours = task.sample(batch)["between"].chunk(3)
    assert torch.equal(first, batch["first"])
    assert torch.equal(between, batch["image"])
    with torch.no_grad():
        expected = interpolate(task.averaged.module, batch)
    torch.testing.assert_close(ours, expected.clamp(-1.0, 1.0))
