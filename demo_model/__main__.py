"""Trains, exports and measures the embedded model: ``python -m demo_model``."""

from demo_model import export, train

if __name__ == "__main__":
    train.main()
    export.main()
