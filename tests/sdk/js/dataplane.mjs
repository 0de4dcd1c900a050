// What the SDK's documentation shows of commands and files, in sandboxes of the fake runtime. Its commands are scripts:
// `out TEXT`, `err TEXT`, `sleep MS`, `exit CODE`, one step a line.

import assert from "node:assert/strict";

async function sandbox(client, cleanup, name) {
  await client.createTemplate(name, { image: "debian:12" });
  cleanup(() => client.deleteTemplate(name));
  const box = await client.createSandbox(name);
  cleanup(() => client.deleteSandbox(box.name));
  return box;
}

export const scenarios = {
  async run({ client, cleanup }) {
    const box = await sandbox(client, cleanup, "js-run");
    const result = await box.run("out hello\nerr oh\nexit 3");
    assert.deepEqual([result.stdout, result.stderr, result.exit_code], ["hello", "oh", 3]);
  },

  async files({ client, cleanup, sdk }) {
    const box = await sandbox(client, cleanup, "js-files");
    await box.write("/tmp/a b.txt", "hé");
    assert.equal(new TextDecoder().decode(await box.read("/tmp/a b.txt")), "hé");
    await assert.rejects(box.read("/none"), sdk.LangSmithResourceNotFoundError);
  },
};
