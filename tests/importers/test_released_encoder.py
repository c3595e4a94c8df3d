import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.importers.recognition import recognize
from stylecinegan.importers.released_encoder import feature_index
from tests.importers.encoder_files import checkpoint, trained_encoder


@pytest.mark.parametrize("is_training_state", [False, True])
def test_a_released_encoder_computes_the_same_and_adds_the_mean(tmp_path, is_training_state):
    original = trained_encoder()
    content = checkpoint(original) if is_training_state else original.state_dict()
    torch.save(content, tmp_path / "enc.pth.tar")
    mean = torch.linspace(-1, 1, 16)
    encoder = recognize(tmp_path / "enc.pth.tar", mean).module
    assert encoder.arguments["depths"] == [2, 2, 2, 2]
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        w, feature = original(image)
        ours_w, ours_feature = encoder(image)
    torch.testing.assert_close(ours_w, w + mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours_feature, feature, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("inner", "outer", "k"),
    [(64, 512, "9"), (64, 256, "10 or 11"), (256, 512, "5"), (128, 512, "6 or 7")],
)
def test_the_layer_is_inferred_from_the_shapes(inner, outer, k):
    state = {
        "conv.0.weight": torch.zeros(64, 3, 3, 3),
        "content_layer.1.weight": torch.zeros(512, inner, 3, 3),
        "content_layer.4.weight": torch.zeros(outer, 512, 3, 3),
    }
    assert feature_index(state) == k


def test_an_encoder_of_another_layer_is_refused(tmp_path):
    state = trained_encoder().state_dict()
    state["content_layer.1.weight"] = torch.zeros(32, 64, 3, 3)
    state["content_layer.4.weight"] = torch.zeros(256, 32, 3, 3)
    torch.save(state, tmp_path / "enc.pth")
    with pytest.raises(InputError, match=r"k = 10 or 11, wanted k = 9"):
        recognize(tmp_path / "enc.pth", torch.zeros(16))


def test_a_tensor_that_is_missing_is_named(tmp_path):
    state = trained_encoder().state_dict()
    del state["block_2.1.prelu.weight"]
    torch.save(state, tmp_path / "enc.pth")
    with pytest.raises(InputError, match=r"lacks the tensor blocks\.1\.1\.prelu\.weight \[12\]"):
        recognize(tmp_path / "enc.pth", torch.zeros(16))
