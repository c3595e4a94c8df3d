"""Makes training data."""

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("prepare_data")
