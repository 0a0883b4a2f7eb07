"""Benchmarks: each run() prints ratios against a named peer measured in the same run, and returns them."""
