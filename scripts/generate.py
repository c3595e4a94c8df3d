"""Turns one photo into a looping video: python scripts/generate.py photo=lake.jpg"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("generate")
