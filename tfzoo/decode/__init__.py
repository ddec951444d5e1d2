"""From raw outputs to `Detections`, a module for each kind of signature."""
