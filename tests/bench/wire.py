"""The codecs against memcpy, zlib and std::merge, by a program of its own (wire_bench.cc)."""
import json
import os
import pathlib
import subprocess

from harness.processes import TOP, HarnessError

from .measure import row


def run():
    # The kind of build that MAPIGATE comes from.
    program = pathlib.Path(os.environ["MAPIGATE"]).resolve().parents[2] / "tests" / "bench" / "wire_bench"
    done = subprocess.run([program], cwd=TOP, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise HarnessError(f"{program} ended with {done.returncode}: {done.stderr[-500:]}")
    results = []
    for line in done.stdout.splitlines():
        one = json.loads(line)
        if "note" in one:
            print(f"  {one['note']}", flush=True)
            continue
        unit = "B " if one["what"].endswith("bytes") else "us"
        scale = 1 if unit == "B " else 1000
        results.append(row(one["what"], one["ours"] / scale, one["theirs"] / scale, unit, one["peer"], False))
    return results
