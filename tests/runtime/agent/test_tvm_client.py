"""TVM's own tracker and client find the agent to be what they expect of a server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from separable.compiler.tuning.sockets import Address
from tests.agents import Agent

# In a process of its own: TVM's client waits without end for what goes wrong.
CLIENT = """
import json, sys
from separable.compiler import _tvm
from tvm import rpc

host, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tracker = rpc.connect_tracker(host, port)
for session_number in range(2):
    session = tracker.request(key, session_timeout=30)
    out = {"summary": tracker.text_summary(), "describe": json.loads(session.get_function("separable.describe")())}
    data = bytearray(range(256)) * 5000
    session.upload(data, "data.bin")
    out["same"] = session.download("data.bin") == data
    session.upload(bytearray(b"#!/bin/sh\\ncat input; exit 3\\n"), "program")
    limits = '{"wall_s": 5, "memory_bytes": 1e9, "file_bytes": 1e6}'
    session.upload(bytearray(b"hello"), "text")
    run = session.get_function("separable.run")
    out["run"] = json.loads(run("program", "[]", '{"input": "text"}', limits))
    session.remove("data.bin")
    errors = {}
    for name, call in {
        "download": lambda: session.download("data.bin"),
        "arguments": lambda: run(1),
        "device": lambda: session.cpu(0).sync(),
        "module": lambda: session.load_module("data.bin"),
    }.items():
        try:
            call()
        except Exception as error:
            errors[name] = str(error)
    out["errors"] = errors
    del session, run, call
print(json.dumps(out))
"""


def test_two_sessions_of_the_real_client(agent_program: Path, tracker: Address, tmp_path: Path) -> None:
    with Agent(agent_program, tracker, "real", tmp_path / "work"):
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, tracker.host, str(tracker.port), "real"],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout.splitlines()[-1])
    assert "server:real" in out["summary"]
    assert out["describe"]["protocol"] == "0.8.0"
    assert out["same"]
    assert (out["run"]["returncode"], out["run"]["stdout"]) == (3, "hello")
    assert "No such file" in out["errors"]["download"]
    assert "number or types of arguments" in out["errors"]["arguments"]
    assert "does not support packets" in out["errors"]["device"]
    assert out["errors"].keys() == {"download", "arguments", "device", "module"}
