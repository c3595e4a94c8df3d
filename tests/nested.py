"""Comparison of nested containers of tensors, as run states are."""

import torch


def assert_identical(actual, expected):
    """Fails unless both are equal bit for bit."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected)
    elif isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_identical(actual[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        for pair in zip(actual, expected, strict=True):
            assert_identical(*pair)
    else:
        assert actual == expected
