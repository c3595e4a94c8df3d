"""Runs a command: python -m stylecinegan generate photo=lake.jpg"""  # noqa: D415

from stylecinegan.cli.main import main

if __name__ == "__main__":
    main()
