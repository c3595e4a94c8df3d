import pytest
import torch
from torch import nn

from stylecinegan.training.update import TrainingError, Update


def make_update(rate: float = 0.5, **options):
    """A weight w = 2 under the loss mean(w · x): its gradient is the mean of x."""
    weight = nn.Parameter(torch.tensor([2.0]))
    return weight, Update([weight], torch.optim.SGD([weight], lr=rate), **options)


def mean_product(weight):
    def loss(batch):
        value = (weight * batch["x"]).mean()
        return value, {"product": value}

    return loss


def test_a_step_follows_the_gradient_of_the_mean_loss():
    weight, update = make_update()
    terms = update(mean_product(weight), {"x": torch.tensor([1.0, 3.0])})
    assert weight.tolist() == [1.0]  # 2 - 0.5 * 2
    assert terms["product"].item() == 4.0
    assert not terms["product"].requires_grad
    assert weight.grad is None


def test_accumulated_parts_take_the_step_of_the_whole_batch():
    torch.manual_seed(0)
    batch = {"x": torch.randn(8, 3, 6, 6), "y": torch.randn(8, 4, 4, 4)}
    start = nn.Conv2d(3, 4, 3).state_dict()
    weights, terms = [], []
    for num_accumulate in (1, 4):
        network = nn.Conv2d(3, 4, 3)
        network.load_state_dict(start)

        def loss(part, network=network):
            error = (network(part["x"]) - part["y"]).square().mean()
            return error, {"error": error}

        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        update = Update(network.parameters(), optimizer, num_accumulate=num_accumulate)
        terms.append(update(loss, batch)["error"])
        weights.append(network.weight.detach())
    torch.testing.assert_close(weights[0], weights[1])
    torch.testing.assert_close(terms[0], terms[1])


def test_a_batch_that_does_not_split_is_refused():
    weight, update = make_update(num_accumulate=2)
    with pytest.raises(ValueError, match="batch of 3 does not split into num_accumulate=2"):
        update(mean_product(weight), {"x": torch.ones(3)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_is_not_finite_is_skipped_with_a_warning(value, fused, caplog):
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.Adam([weight], lr=0.5, fused=fused)
    update = Update([weight], optimizer)
    update(mean_product(weight), {"x": torch.tensor([value])})
    assert weight.tolist() == [2.0]
    assert caplog.messages == ["skipped a step that was not finite (1 so far)"]
    update(mean_product(weight), {"x": torch.tensor([1.0])})
    torch.testing.assert_close(weight.detach(), torch.tensor([1.5]))  # Adam's first step is lr
    assert len(caplog.messages) == 1


def test_a_finite_gradient_of_an_infinite_loss_is_not_followed():
    weight, update = make_update()
    update(lambda batch: ((weight * batch["x"]).mean() + torch.inf, {}), {"x": torch.ones(1)})
    assert weight.tolist() == [2.0]


def test_a_run_of_bad_steps_stops_training_and_is_not_saved():
    weight, update = make_update(max_skipped_in_a_row=3)
    bad, good = {"x": torch.tensor([torch.nan])}, {"x": torch.tensor([0.0])}
    for batch in (bad, bad, good, bad, bad):
        update(mean_product(weight), batch)
    with pytest.raises(TrainingError, match=r"not finite for 3 steps in a row \(5 in all\)"):
        update(mean_product(weight), bad)
    with pytest.raises(TrainingError, match="3 steps in a row"):
        update.state_dict()


def test_networks_that_the_loss_only_passes_through_get_no_gradient():
    generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 1)
    update = Update(generator.parameters(), torch.optim.SGD(generator.parameters(), lr=0.1))
    before = generator.weight.clone()
    update(lambda batch: (discriminator(generator(batch["x"])).mean(), {}), {"x": torch.ones(2, 2)})
    assert not torch.equal(generator.weight, before)
    assert discriminator.weight.grad is None


def test_a_penalty_on_gradients_can_be_minimised():
    weight, update = make_update()

    def loss(batch):
        x = batch["x"].requires_grad_(True)
        (slope,) = torch.autograd.grad((weight * x).sum(), x, create_graph=True)
        return slope.square().mean(), {}

    update(loss, {"x": torch.ones(4)})
    assert weight.tolist() == [0.0]  # d(w²)/dw = 2w = 4; 2 - 0.5 * 4


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_reaches_the_loss_and_leaves_weights_in_float32(precision, caplog):
    torch.manual_seed(0)
    network = nn.Linear(8, 8)
    update = Update(
        network.parameters(), torch.optim.Adam(network.parameters(), lr=0.02), precision=precision
    )
    batch = {"x": torch.randn(16, 8)}
    types = []

    def loss(part):
        output = network(part["x"])
        types.append(output.dtype)
        error = (output.float() - part["x"]).square().mean()
        return error, {"error": error}

    errors = [update(loss, batch)["error"].item() for _ in range(60)]
    assert set(types) == {{"bf16": torch.bfloat16, "fp16": torch.float16}[precision]}
    assert network.weight.dtype == torch.float32
    assert errors[-1] < 0.5 * errors[0]
    assert caplog.messages == []  # no step was skipped


def test_a_restored_update_takes_the_same_next_step():
    def steps(update, weight, count):
        for _ in range(count):
            update(mean_product(weight), {"x": torch.tensor([1.0])})

    first = nn.Parameter(torch.tensor([2.0]))
    update = Update([first], torch.optim.Adam([first], lr=0.1))
    steps(update, first, 3)
    second = nn.Parameter(first.detach().clone())
    restored = Update([second], torch.optim.Adam([second], lr=0.1))
    restored.load_state_dict(update.state_dict())
    steps(update, first, 2)
    steps(restored, second, 2)
    assert torch.equal(first, second)


def test_a_model_in_channels_last_trains_with_a_fused_optimiser():
    torch.manual_seed(0)
    networks = [nn.Conv2d(3, 4, 3) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    networks[1].to(memory_format=torch.channels_last)
    for network, fused in zip(networks, (False, True), strict=True):
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=fused)
        update = Update(network.parameters(), optimizer)
        torch.manual_seed(1)
        update(
            lambda batch, network=network: (network(batch["x"]).square().mean(), {}),
            {"x": torch.randn(2, 3, 5, 5)},
        )
    torch.testing.assert_close(networks[0].weight, networks[1].weight)
