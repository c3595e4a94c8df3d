"""Trains a network: python scripts/train.py experiment=generator data.dir=FOLDER"""  # noqa: D415

from stylecinegan.cli.train import run

if __name__ == "__main__":
    run()
