"""Moves bytes with the official SDK, as often as it is told to.

    python peer.py URL SANDBOX HTTP_PORT SINK_PORT BIG TARGET SIZE

Prints the local ports of two tunnels; then, for each line that it reads, how many seconds that work took.
"""

import sys
import time

from langsmith.sandbox import SandboxClient


def output(sandbox, big, _target, size):
    handle = sandbox.run(f"cat {big}", shell="/bin/sh", wait=False)
    assert sum(len(chunk.data) for chunk in handle) == size


def upload(sandbox, _big, target, size):
    sandbox.write(target, CONTENT)


def download(sandbox, big, _target, size):
    assert len(sandbox.read(big)) == size


def main(url, name, http_port, sink_port, big, target, size):
    client = SandboxClient(api_endpoint=url, api_key="none")
    sandbox = client.get_sandbox(name)
    tunnels = [sandbox.tunnel(int(port)) for port in (http_port, sink_port)]
    for tunnel in tunnels:
        print(tunnel.local_port, flush=True)
    for line in sys.stdin:
        work = {"output": output, "upload": upload, "download": download}[line.strip()]
        start = time.perf_counter()
        work(sandbox, big, target, int(size))
        print(time.perf_counter() - start, flush=True)


CONTENT = b"x" * int(sys.argv[7])
main(*sys.argv[1:])
