"""Does by hand, with the official SDK, what `sbx apply` does: the creates of a list, each after those that it needs.

    python peer.py WORK.json URL CONCURRENCY

Prints how many seconds the creates took; starting Python and reading the list are not counted.
"""

import asyncio
import json
import sys
import time

from langsmith.sandbox import AsyncSandboxClient


def call(client, item):
    name = item["name"]
    match item["kind"]:
        case "Volume":
            return client.create_volume(name, item["size"])
        case "Template":
            mounts = [{"volume_name": item["mounts"], "mount_path": "/data"}] if item["mounts"] else None
            return client.create_template(name, item["image"], volume_mounts=mounts)
        case "Pool":
            return client.create_pool(name, item["template"], 1)


async def create(client, item, done, slots):
    for needed in item["after"]:
        await done[needed].wait()
    async with slots:
        await call(client, item)
    done[f"{item['kind']}/{item['name']}"].set()


async def main(path, url, concurrency):
    with open(path) as file:
        work = json.load(file)
    done = {f"{item['kind']}/{item['name']}": asyncio.Event() for item in work}
    slots = asyncio.Semaphore(concurrency)
    async with AsyncSandboxClient(api_endpoint=url, api_key="none") as client:
        start = time.perf_counter()
        await asyncio.gather(*(create(client, item, done, slots) for item in work))
        print(time.perf_counter() - start)


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
