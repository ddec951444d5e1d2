"""How fast a verified download is beside curl, and whether its memory grows with the file.

    python benchmarks/download.py [--megabytes 300] [--runs 5]

One server on 127.0.0.1 gives the same file to curl and to tfzoo in turn, both writing to the same
disk. The curl run checks nothing; ours takes the sha256 while the file arrives, and in a second
series also the md5 that a Google Cloud Storage bucket states. Timed is the transfer itself, in a
process of its own; starting Python and importing are not in it. Memory is the process's peak.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

CHILD = """
import json, sys, time
from pathlib import Path
from tfzoo.store.download import download, open_client
from tfzoo.store.retry import Policy
url, part, sha256 = sys.argv[1:]
policy = Policy()
with open_client(policy) as client:
    start = time.perf_counter()
    got = download(url, Path(part), client, policy=policy, verifiable=True)
    elapsed_s = time.perf_counter() - start
assert got.sha256 == sha256 and got.in_one_piece
# ru_maxrss would count the parent's memory from before the exec.
status = Path("/proc/self/status").read_text()
peak_mb = round(int(status.split("VmHWM:")[1].split()[0]) / 1024, 1)
print(json.dumps({"s": elapsed_s, "peak_mb": peak_mb, "md5": got.server_md5}))
"""


def serve(folder: Path) -> http.server.ThreadingHTTPServer:
    """Serves a folder on 127.0.0.1; below /md5/ with the digest a bucket would state."""
    digests: dict[Path, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / Path(self.path).name
            self.send_response(200)
            self.send_header("Content-Length", str(path.stat().st_size))
            if self.path.startswith("/md5/"):
                self.send_header("x-goog-hash", f"md5={digests[path]}")
            self.end_headers()
            self.wfile.flush()
            with path.open("rb") as file:
                self.connection.sendfile(file)

        def log_message(self, *_: object) -> None: ...

    for path in folder.iterdir():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").digest()
        digests[path] = base64.b64encode(digest).decode()
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def ours(url: str, part: Path, sha256: str) -> dict[str, float]:
    """One verified download in a process of its own."""
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)
    command = [sys.executable, "-c", CHILD, url, str(part), sha256]
    result: dict[str, float] = json.loads(subprocess.check_output(command))
    return result


def curl_s(url: str, path: Path) -> float:
    """One download with curl: its own measure of the transfer, in seconds."""
    path.unlink(missing_ok=True)
    command = ["curl", "-sS", "-o", str(path), "-w", "%{time_total}", url]
    return float(subprocess.check_output(command))


def main() -> None:
    """Measures and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        www, disk = Path(temporary, "www"), Path(temporary, "disk")
        www.mkdir()
        disk.mkdir()
        sizes = {"small": options.megabytes // 10, "big": options.megabytes}
        sha256 = {}
        for name, megabytes in sizes.items():
            with (www / name).open("wb") as file:
                for _ in range(megabytes):
                    file.write(os.urandom(1_000_000))
            with (www / name).open("rb") as file:
                sha256[name] = hashlib.file_digest(file, "sha256").hexdigest()
        server = serve(www)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        seconds: dict[str, list[float]] = {"curl": [], "sha256": [], "sha256_and_md5": []}
        for _ in range(options.runs):
            seconds["curl"].append(curl_s(f"{base}/big", disk / "curl"))
            big = ours(f"{base}/big", disk / "ours", sha256["big"])
            seconds["sha256"].append(big["s"])
            both = ours(f"{base}/md5/big", disk / "ours", sha256["big"])
            assert both["md5"]
            seconds["sha256_and_md5"].append(both["s"])
        small = ours(f"{base}/small", disk / "ours", sha256["small"])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    report = {
        "megabytes": options.megabytes,
        "runs": options.runs,
        "median_s": {name: round(value, 3) for name, value in medians.items()},
        "all_s": {name: [round(value, 3) for value in values] for name, values in seconds.items()},
        "speed_to_curl": {
            name: round(medians["curl"] / value, 2) for name, value in medians.items()
        },
        "peak_mb": {str(sizes["small"]): small["peak_mb"], str(sizes["big"]): big["peak_mb"]},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
