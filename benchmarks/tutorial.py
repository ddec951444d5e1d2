"""The tutorial's way, which the project is measured against: TensorFlow, PIL, one call an image.

Usage: python benchmarks/tutorial.py SAVED_MODEL IMAGE...

Prints, as JSON, the images a second after the first one (0 for one image) and the boxes over 0.3.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf
from PIL import Image

model = tf.saved_model.load(sys.argv[1])
detect = model.signatures["serving_default"]
kept = 0
started = 0.0
for count, path in enumerate(sys.argv[2:]):
    image = np.array(Image.open(path).convert("RGB"))
    found = detect(tf.convert_to_tensor(image)[tf.newaxis])
    boxes = found["detection_boxes"][0].numpy()[found["detection_scores"][0].numpy() >= 0.3]
    kept += len(boxes)
    if count == 0:
        started = time.perf_counter()
seconds = time.perf_counter() - started
print(json.dumps({"images_per_s": (len(sys.argv) - 3) / seconds, "boxes": kept}))
