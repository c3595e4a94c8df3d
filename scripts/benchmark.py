"""Measures speed and memory: python scripts/benchmark.py suite=splat"""  # noqa: D415

from stylecinegan.cli.benchmark import run

if __name__ == "__main__":
    run()
