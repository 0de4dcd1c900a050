// What the SDK's documentation shows of commands, in sandboxes that really run.

import assert from "node:assert/strict";
import { control, sandbox, until } from "./boxes.mjs";

export const scenarios = {
  async run(cx) {
    const box = await sandbox(cx, "js-run");
    const result = await box.run("echo $A; pwd; echo oh >&2; exit 3", { env: { A: "x y" }, cwd: "/tmp" });
    assert.deepEqual([result.stdout, result.stderr, result.exit_code], ["x y\n/tmp\n", "oh\n", 3]);
    const plain = await box.run("echo $0; pwd", { shell: "/bin/sh" });
    assert.equal(plain.stdout, "/bin/sh\n/home/user\n");
  },

  async without_websockets_it_goes_over_http(cx) {
    const box = await sandbox(cx, "js-http");
    cx.cleanup(() => control("DELETE", "/_sbx/faults"));
    await control("POST", "/_sbx/faults", { operation: "execute_ws", status: 404, count: null });
    const result = await box.run("python3 -c 'print(2 + 2)'; exit 3");
    assert.deepEqual([result.stdout, result.exit_code], ["4\n", 3]);
    await assert.rejects(box.run("true", { wait: false }), cx.sdk.LangSmithSandboxConnectionError);
  },

  async callbacks(cx) {
    const box = await sandbox(cx, "js-callbacks");
    const [out, err] = [[], []];
    const result = await box.run("for i in 1 2 3; do echo $i; sleep 0.05; done; echo oh >&2", {
      timeout: 600,
      onStdout: (data) => out.push(data),
      onStderr: (data) => err.push(data),
    });
    assert.deepEqual([out.join(""), err.join(""), result.exit_code], ["1\n2\n3\n", "oh\n", 0]);
  },

  async a_handle(cx) {
    const box = await sandbox(cx, "js-handle");
    const handle = await box.run("echo é; sleep 0.1; echo oh >&2; sleep 0.1; echo ü; exit 5", { wait: false });
    assert.ok(handle.commandId);
    assert.ok(handle.pid > 1);
    const chunks = [];
    for await (const chunk of handle) chunks.push([chunk.stream, chunk.data, chunk.offset]);
    assert.deepEqual(chunks, [["stdout", "é\n", 0], ["stderr", "oh\n", 0], ["stdout", "ü\n", 3]]);
    const result = await handle.result;
    assert.deepEqual([result.stdout, result.stderr, result.exit_code], ["é\nü\n", "oh\n", 5]);
  },

  async input(cx) {
    const box = await sandbox(cx, "js-input");
    const handle = await box.run("echo begun; read line; echo got $line", { wait: false });
    await handle.sendInput("hello\n");
    assert.equal((await handle.result).stdout, "begun\ngot hello\n");
  },

  async kill(cx) {
    const box = await sandbox(cx, "js-kill");
    const handle = await box.run("echo begun; exec sleep 1000", { wait: false, timeout: 0 });
    handle.kill();
    // This library stays connected, and so learns how the command ended.
    const result = await handle.result;
    assert.deepEqual([result.exit_code, (await (await box.reconnect(handle.commandId)).result).exit_code], [137, 137]);
  },

  async reconnecting(cx) {
    const box = await sandbox(cx, "js-reconnecting");
    const handle = await box.run("printf abc; printf xyz >&2; exit 3", { wait: false });
    await handle.result;
    const again = await box.reconnect(handle.commandId, { stdoutOffset: 2, stderrOffset: 1 });
    const result = await again.result;
    assert.deepEqual([result.stdout, result.stderr, result.exit_code], ["c", "yz", 3]);
    const unknown = await box.reconnect("unknown");
    await assert.rejects(unknown.result, { name: "LangSmithSandboxOperationError", errorType: "CommandNotFound" });
  },

  async by_itself_after_a_reload_and_a_loss(cx) {
    const box = await sandbox(cx, "js-reload");
    cx.cleanup(() => control("DELETE", "/_sbx/faults"));
    for (const cut of [{ close_code: 1001 }, { close_code: 1012 }, {}]) {
      await control("POST", "/_sbx/faults", { operation: "execute_ws", cut_after_bytes: 2, ...cut });
      const handle = await box.run("echo a; sleep 0.3; echo b; exit 4", { wait: false });
      const result = await handle.result;
      assert.equal(result.exit_code, 4, JSON.stringify(cut));
    }
  },

  async times(cx) {
    const box = await sandbox(cx, "js-times");
    await assert.rejects(box.run("sleep 1000", { timeout: 1 }), cx.sdk.LangSmithCommandTimeoutError);
    const options = { timeout: 0, idleTimeout: -1, ttlSeconds: -1, wait: false };
    const handle = await box.run("echo up; sleep 0.3; exit 6", options);
    assert.equal((await handle.result).exit_code, 6);
    const gone = await box.run("echo up; exec sleep 1000", { ...options, killOnDisconnect: true });
    await until(gone, "up");
    const result = await box.run(`for i in $(seq 300); do kill -0 ${gone.pid} 2>/dev/null || exit 0; sleep 0.1; done; exit 1`);
    assert.equal(result.exit_code, 0, "it was killed");
  },

  async a_terminal(cx) {
    const box = await sandbox(cx, "js-terminal");
    const result = await box.run("tty; echo to stderr >&2", { pty: true });
    assert.match(result.stdout, /^\/dev\/pts\/\d+\r\nto stderr\r\n$/);
  },
};
