"""Makes training data."""

from stylecinegan.cli.prepare_data import run

if __name__ == "__main__":
    run()
