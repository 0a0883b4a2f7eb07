"""Samba's own tests of the protocol below the interfaces, one case each; see run_raw_protocol."""
import pathlib
import re
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def outcome():
    done = subprocess.run([HERE / "run_raw_protocol"], capture_output=True, text=True, timeout=600)
    lines = dict(re.findall(r"^(?:ok|expected|skipped|FAILED) (\w+)(.*)$", done.stdout, re.MULTILINE))
    assert lines, done.stdout[-2000:] + done.stderr[-2000:]
    return done, lines


def test_raw_protocol(outcome):
    done, lines = outcome
    failed = re.findall(r"^FAILED .*$", done.stdout, re.MULTILINE)
    assert not failed, "\n".join(failed)
    assert done.returncode == 0
    assert len(re.findall(r"^ok ", done.stdout, re.MULTILINE)) >= 163
