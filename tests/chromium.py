"""A headless Chromium, which the benchmark of the app drives as well."""

from stylecinegan.benchmarks.chromium import Chromium, find_program

__all__ = ["Chromium", "find_program"]
