"""A folder: all its images detected into files, and a question asked of the files.

Started again, it goes on where it was stopped.

python examples/a_folder.py [folder] [model]
"""

import sys
from pathlib import Path

import pandas as pd

import tfzoo

SCENES = Path(tfzoo.__file__).parent / "demo" / "scenes"
given = dict(enumerate(sys.argv))
folder, model = given.get(1, SCENES), given.get(2, "demo")

summary = tfzoo.detect_folder(folder, model, "found", min_score=0.5, pictures=False, resume=True)
print(f"{summary.images} images, {summary.failed} failed, {summary.detections} detections")

table = pd.read_parquet(summary.out / "parts" / "detections")
in_an_image = table.groupby(["category", "file_name"]).size()
most = in_an_image.sort_values(ascending=False).groupby("category", sort=False).head(1)
for (category, file_name), count in most.items():
    print(f"most of {category}: {count} in {file_name}")
