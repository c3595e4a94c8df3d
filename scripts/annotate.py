"""Writes pictures to be labelled by hand: python scripts/annotate.py photos=FOLDER folder=OUT"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("annotate")
