"""Runs the benchmarks named on the command line and keeps their numbers in build/bench/results.json."""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import gal, idle, inbox, mail, relay, rpc, size, wire  # noqa: E402
from harness.processes import TOP, HarnessError  # noqa: E402

BENCHMARKS = {"relay": relay.run, "inbox": inbox.run, "idle": idle.run, "mail": mail.run, "size": size.run,
              "wire": wire.run, "rpc": rpc.run, "gal": gal.run}


def main():
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"./bench: no benchmark {unknown[0]!r}; there are: {' '.join(BENCHMARKS)}")
    results, failed = {}, False
    for name in names:
        print(f"== {name}", flush=True)
        started = time.monotonic()
        try:
            results[name] = BENCHMARKS[name]()
        except HarnessError as error:
            failed = True
            print(f"{name} failed: {error}", file=sys.stderr)
        print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    target = TOP / "build" / "bench"
    target.mkdir(parents=True, exist_ok=True)
    (target / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    return 1 if failed else 0


sys.exit(main())
