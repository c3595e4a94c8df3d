"""Measures speed and memory: python scripts/benchmark.py suite=splat"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("benchmark")
