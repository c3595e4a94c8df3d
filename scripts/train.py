"""Trains a network: python scripts/train.py experiment=generator data.dir=FOLDER"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("train")
