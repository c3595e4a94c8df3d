"""Converts third-party weights: python scripts/fetch_checkpoints.py convert FILE"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("fetch_checkpoints")
