// What the documentation of the newest SDK shows, in sandboxes that really run.

import assert from "node:assert/strict";

const GIB = 2 ** 30;

async function sandbox(client, cleanup, ...options) {
  const box = await client.createSandbox(...options);
  cleanup(() => client.deleteSandbox(box.name));
  return box;
}

async function snapshot(client, cleanup, name) {
  const made = await client.createSnapshot(name, "python:3.12-slim", 4 * GIB);
  cleanup(() => client.deleteSnapshot(made.id));
  return made;
}

export const scenarios = {
  async a_snapshot_and_its_sandbox({ client, cleanup }) {
    const made = await snapshot(client, cleanup, "js-python");
    assert.equal(made.status, "ready");
    const box = await sandbox(client, cleanup, made.id);
    const result = await box.run("python3 --version; echo oh >&2; exit 3");
    assert.match(result.stdout, /^Python 3/);
    assert.deepEqual([result.stderr, result.exit_code], ["oh\n", 3]);
    assert.equal((await client.getSnapshot("js-python:latest")).id, made.id);
  },

  async the_default_runtime({ client, cleanup }) {
    const box = await sandbox(client, cleanup);
    assert.equal((await box.run("echo hi")).stdout, "hi\n");
  },

  async a_capture({ client, cleanup }) {
    const box = await sandbox(client, cleanup, { name: "js-setup" });
    await box.write("/opt/config.yaml", "model: x\n");
    const captured = await client.captureSnapshot("js-setup", "js-ready");
    cleanup(() => client.deleteSnapshot(captured.id));
    const copy = await sandbox(client, cleanup, captured.id);
    assert.equal(new TextDecoder().decode(await copy.read("/opt/config.yaml")), "model: x\n");
  },

  async stop_and_start({ client, cleanup }) {
    const box = await sandbox(client, cleanup, { name: "js-vm" });
    await box.run("echo hello > /tmp/state.txt");
    await client.stopSandbox("js-vm");
    assert.equal((await client.getSandboxStatus("js-vm")).status, "stopped");
    const started = await client.startSandbox("js-vm");
    assert.equal((await started.run("cat /tmp/state.txt")).stdout, "hello\n");
  },

  async searches({ client, cleanup }) {
    const box = await sandbox(client, cleanup);
    await box.run("mkdir -p /opt/w/src && cd /opt/w && echo 'needle (1)' > src/x.py && echo needle > y.md");
    const found = await box.glob("**/*.py", "/opt/w");
    assert.deepEqual([found.matches.map((each) => each.path), found.truncated], [["/opt/w/src/x.py"], false]);
    assert.equal((await box.ls("/opt/w")).matches.length, 2);
    const lines = await box.grep("needle (", "/opt/w", { glob: "*.py" });
    assert.deepEqual(lines.matches.map((each) => [each.path, each.line, each.text]), [["/opt/w/src/x.py", 1, "needle (1)"]]);
  },

  async streams({ client, cleanup }) {
    const box = await sandbox(client, cleanup);
    const handle = await box.run("echo out; echo err >&2", { wait: false });
    const heard = {};
    for await (const chunk of handle) heard[chunk.stream] = chunk.data;
    assert.deepEqual(heard, { stdout: "out\n", stderr: "err\n" });
  },

  async settings_that_change({ client, cleanup }) {
    const box = await sandbox(client, cleanup, { name: "js-set", idleTtlSeconds: 300 });
    assert.equal(box.idle_ttl_seconds, 300);
    const changed = await client.updateSandbox("js-set", { idleTtlSeconds: 0, deleteAfterStopSeconds: 3600 });
    assert.deepEqual([changed.idle_ttl_seconds, changed.delete_after_stop_seconds], [0, 3600]);
  },

  async registries({ client }) {
    const login = { url: "registry.example.com", username: "u", password: "planted-5ecret" };
    const made = await client.registries.create({ name: "js-registry", ...login });
    assert.ok(!JSON.stringify(made).includes("planted"));
    assert.equal((await client.registries.retrieve("js-registry")).id, made.id);
    await client.registries.delete("js-registry");
    await assert.rejects(client.registries.retrieve("js-registry"), (error) => error.status === 404);
  },

  async what_is_not_there({ client, sdk }) {
    await assert.rejects(client.getSandbox("no-such-box"), sdk.LangSmithResourceNotFoundError);
    await assert.rejects(client.getSnapshot("no-such-snapshot"), sdk.LangSmithResourceNotFoundError);
  },
};
