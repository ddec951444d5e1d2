"""Copies of the checkout to try changes in, and which test files are a module's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tests.helpers.mutations import Mutant
from tests.helpers.paths import ROOT

#: Test files of modules, besides the one of a module's name; a module with neither has those that
#: import it.
TESTS = {
    "tfzoo/__init__.py": ["house/test_layers.py"],
    "tfzoo/detector.py": [
        "decode/test_kinds.py",
        "cli/test_detect.py",
        "batch/test_settings.py",
        "runtimes/test_openvino.py",
    ],
    "tfzoo/doctor.py": ["cli/test_doctor.py"],
    "tfzoo/errors.py": ["cli/test_detect.py"],
    "tfzoo/files.py": ["house/test_files.py"],
    "tfzoo/outside.py": ["house/test_outside.py"],
    "tfzoo/hardware.py": ["timing/test_environment.py"],
    "tfzoo/network.py": ["store/test_network.py"],
    "tfzoo/options.py": ["batch/test_settings.py", "cli/test_detect.py"],
    "tfzoo/detecting.py": [
        "detections/test_kept.py",
        "detections/test_suppression.py",
        "batch/test_settings.py",
    ],
    "tfzoo/loading.py": ["decode/test_kinds.py", "cli/test_detect.py"],
    "tfzoo/patience.py": ["house/test_patience.py", "store/test_slow_sources.py"],
    "tfzoo/processes.py": [
        "house/test_processes.py",
        "timing/test_benchmark.py",
        "trials/test_contestant.py",
    ],
    "tfzoo/cluster.py": ["batch/test_ray.py"],
    "tfzoo/prepare/int8.py": ["trials/test_quantise.py"],
    "tfzoo/records.py": ["house/test_records.py"],
    "tfzoo/yaml_text.py": ["house/test_yaml_text.py"],
    "tfzoo/results.py": ["report/test_results.py", "report/test_table.py"],
    "tfzoo/settings.py": ["store/test_cache.py", "store/test_trust.py", "house/test_patience.py"],
    "tfzoo/threads.py": ["house/test_threads.py"],
    "tfzoo/trials/process.py": ["trials/test_contestant.py"],
    "tfzoo/accuracy/formats/beside.py": [
        "accuracy/formats/test_yolo.py",
        "accuracy/formats/test_open_images.py",
    ],
    "tfzoo/accuracy/formats/gathered.py": [
        "accuracy/formats/test_voc.py",
        "accuracy/formats/test_yolo.py",
    ],
    "tfzoo/accuracy/formats/tfrecord_files.py": ["accuracy/formats/test_tfrecords.py"],
    "tfzoo/accuracy/formats/yolo_data.py": ["accuracy/formats/test_yolo.py"],
    "tfzoo/accuracy/columns.py": ["accuracy/test_truth_check.py", "accuracy/test_results_check.py"],
    "tfzoo/accuracy/fields.py": ["accuracy/test_truth_check.py", "accuracy/test_results_check.py"],
    "tfzoo/accuracy/guard.py": ["accuracy/test_id_slips.py"],
    "tfzoo/accuracy/official.py": ["accuracy/test_metrics.py"],
    "tfzoo/accuracy/predictions.py": ["accuracy/test_evaluate.py"],
    "tfzoo/accuracy/settings.py": ["accuracy/test_evaluate.py", "cli/test_reference.py"],
    "tfzoo/accuracy/truth.py": ["accuracy/test_coco.py", "accuracy/test_metrics.py"],
    "tfzoo/accuracy/evidence.py": ["accuracy/test_evaluate.py", "comparison/test_compare.py"],
    "tfzoo/comparison/*.py": ["comparison/test_compare.py"],
    "tfzoo/cli/compare.py": ["comparison/test_compare.py"],
    "tfzoo/explain/boxes.py": ["explain/test_confusion.py", "explain/test_tide.py"],
    "tfzoo/pages.py": [
        "explain/test_report.py",
        "comparison/test_compare.py",
        "report/test_report.py",
    ],
    "tfzoo/explain/*.py": ["explain/test_report.py"],
    "tfzoo/batch/finished.py": ["batch/test_datasets.py", "batch/test_videos.py"],
    "tfzoo/batch/formats.py": ["batch/test_datasets.py", "batch/test_owned.py"],
    "tfzoo/batch/inputs.py": ["batch/test_journal.py"],
    "tfzoo/batch/job.py": ["batch/test_settings.py", "batch/test_folder.py"],
    "tfzoo/batch/local.py": ["batch/test_journal.py"],
    "tfzoo/batch/parts.py": ["batch/test_exports.py", "batch/test_journal.py"],
    "tfzoo/batch/pictures.py": ["batch/test_videos.py"],
    "tfzoo/batch/rows.py": ["batch/test_exports.py", "batch/test_local.py"],
    "tfzoo/batch/work.py": ["batch/test_local.py"],
    "tfzoo/batch/*.py": ["batch/test_folder.py"],
    "tfzoo/cli/benchmark.py": ["timing/test_benchmark.py"],
    "tfzoo/cli/chart.py": ["report/test_chart.py"],
    "tfzoo/cli/coco.py": ["accuracy/test_coco.py"],
    "tfzoo/cli/demo.py": ["house/test_demo_model.py"],
    "tfzoo/cli/evaluate.py": ["accuracy/test_evaluate.py"],
    "tfzoo/cli/gallery.py": ["gallery/test_settings.py"],
    "tfzoo/cli/light.py": ["cli/test_light_start.py"],
    "tfzoo/cli/prepare.py": ["prepare/test_export.py"],
    "tfzoo/cli/report.py": ["report/test_report.py"],
    "tfzoo/safety/*.py": ["safety/test_looking.py"],
    "tfzoo/candidates/*.py": ["candidates/test_ranking.py"],
    "tfzoo/cli/ranking.py": ["cli/test_ranking.py"],
    "tfzoo/cli/recommend.py": ["report/test_recommend.py", "report/test_here.py"],
    "tfzoo/cli/store.py": ["store/test_cache.py"],
    "tfzoo/cli/table.py": ["report/test_table.py"],
    "tfzoo/cli/*.py": ["cli/test_models.py", "cli/test_detect.py"],
    "tfzoo/decode/exported.py": ["decode/test_raw_outputs.py", "decode/test_kinds.py"],
    "tfzoo/decode/*.py": ["decode/test_raw_outputs.py", "decode/test_kinds.py"],
    "tfzoo/exports/network.py": ["exports/test_tflite.py", "exports/test_make.py"],
    "tfzoo/exports/source.py": ["exports/test_make.py"],
    "tfzoo/exports/tflite_metadata.py": ["exports/test_tflite.py"],
    "tfzoo/store/unpacked.py": ["store/test_archive.py", "store/test_frozen_graphs.py"],
    "tfzoo/gallery/thumbnails.py": ["gallery/test_make.py"],
    "tfzoo/gallery/films.py": ["gallery/test_make.py"],
    "tfzoo/images/addresses.py": ["images/test_sources.py"],
    "tfzoo/images/reading.py": ["images/test_sources.py"],
    "tfzoo/images/video.py": ["batch/test_videos.py"],
    "tfzoo/prepare/free_batch.py": ["prepare/test_frozen_graph.py"],
    "tfzoo/prepare/frozen_graph.py": ["prepare/test_graph_part.py"],
    "tfzoo/prepare/graph_part.py": ["prepare/test_frozen_graph.py"],
    "tfzoo/prepare/openvino_graph.py": ["runtimes/test_openvino.py"],
    "tfzoo/prepare/prepared.py": ["runtimes/test_openvino.py", "prepare/test_export.py"],
    "tfzoo/prepare/opening.py": ["prepare/test_frozen_graph.py"],
    "tfzoo/reproduction/nodes.py": ["batch/test_ray.py"],
    "tfzoo/reproduction/step_process.py": ["reproduction/test_places.py"],
    "tfzoo/reproduction/steps.py": ["reproduction/test_run.py"],
    "tfzoo/reproduction/rows.py": ["reproduction/test_run.py"],
    "tfzoo/cli/reproduce.py": ["house/test_readme.py"],
    "tfzoo/report/report_*.py": ["report/test_report.py", "report/test_report_browser.py"],
    "tfzoo/report/chart*.py": ["report/test_chart.py", "report/test_chart_browser.py"],
    "tfzoo/report/identities.py": ["report/test_table.py"],
    "tfzoo/report/lines.py": ["report/test_table.py", "report/test_speed.py"],
    "tfzoo/report/points.py": ["report/test_speed.py", "report/test_chart.py"],
    "tfzoo/report/table.py": ["report/test_speed.py"],
    "tfzoo/report/table_text.py": ["report/test_table.py", "report/test_speed.py"],
    "tfzoo/report/verdicts.py": ["report/test_table.py"],
    "tfzoo/runtimes/frozen.py": ["prepare/test_frozen_graph.py"],
    "tfzoo/runtimes/runtime.py": ["decode/test_kinds.py", "runtimes/test_openvino.py"],
    "tfzoo/runtimes/xla.py": ["prepare/test_frozen_graph.py"],
    "tfzoo/store/body.py": ["store/test_faults.py"],
    "tfzoo/store/digests.py": ["store/test_trust.py"],
    "tfzoo/store/download.py": [
        "store/test_faults.py",
        "store/test_trust.py",
        "store/test_slow_sources.py",
    ],
    "tfzoo/store/fetch.py": ["store/test_cache.py", "store/test_trust.py"],
    "tfzoo/store/folders.py": ["store/test_cache.py"],
    "tfzoo/store/hub.py": ["store/test_trust.py"],
    "tfzoo/store/local.py": ["store/test_cache.py", "store/test_models.py"],
    "tfzoo/store/models.py": ["store/test_cache.py", "store/test_trust.py"],
    "tfzoo/store/provenance.py": ["store/test_untouched.py"],
    "tfzoo/store/part_state.py": ["store/test_faults.py"],
    "tfzoo/store/retry.py": ["store/test_faults.py"],
    "tfzoo/store/unfit.py": ["store/test_models.py", "store/test_archive.py"],
    "tfzoo/store/upkeep.py": ["store/test_cache.py"],
    "tfzoo/store/verify.py": ["store/test_trust.py"],
    "tfzoo/timing/settings.py": ["timing/test_benchmark.py", "cli/test_reference.py"],
    "tfzoo/timing/timed_process.py": ["timing/test_benchmark.py"],
    "tfzoo/zoo/schema.py": ["zoo/test_manifest.py"],
}


def files_testing(module: str) -> tuple[str, ...]:
    """Test files of a module, the one of its name first."""
    path = Path(module)
    named = Path("tests", *path.parts[1:-1], f"test_{path.name}")
    found = [str(named)] if (ROOT / named).is_file() else []
    listed = next((names for pattern, names in TESTS.items() if fnmatch(module, pattern)), [])
    found += [f"tests/{name}" for name in listed]
    if not found:
        dotted = ".".join(path.with_suffix("").parts)
        files = sorted((ROOT / "tests").glob("*/test_*.py"))
        found = [
            str(f.relative_to(ROOT)) for f in files if f"from {dotted} import" in f.read_text()
        ]
    if not found:
        sys.exit(f"{module}: no test file is named after it or imports it; add it to TESTS")
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Workshop:
    """A copy of the checkout, and the folder of its tests' temporary files."""

    checkout: Path
    scratch: Path

    @classmethod
    def made_in(cls, folder: Path) -> Workshop:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / "checkout" / name)
        (folder / "scratch").mkdir()
        return cls(folder / "checkout", folder / "scratch")

    def run(self, tests: Sequence[str], limit_s: float) -> tuple[int | None, float, str]:
        """Exit code of tests (None: out of time), the seconds they took, and what they said."""
        changed = {"PYTHONPATH": str(self.checkout), "TMPDIR": str(self.scratch)}
        # A source changed twice within a second could be mistaken for what was compiled of it.
        changed["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=self.checkout,
            env={"TRIALS": "1", **os.environ, **changed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=limit_s)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            code = None
        return code, time.monotonic() - began, said

    def try_out(self, mutant: Mutant, tests: Sequence[str], limit_s: float) -> int | None:
        path = self.checkout / mutant.module
        path.write_text(mutant.mutated)
        try:
            return self.run(tests, limit_s)[0]
        finally:
            path.write_text(mutant.original)
