"""What the black-box tests, the demo and the benchmarks stand on: servers, faults, mail, a MAPI client.

Everything listens on 127.0.0.1, lives in a private folder, and is stopped by process id.
"""
