// Runs the scenarios against the server named by the environment, and reports on standard output.
//
// Usage: node suite.mjs SDK-FOLDER MODULE. Each test becomes one line of JSON: its name, its outcome and, unless it
// passed, the reason. The program that starts this one counts the lines; the exit code says nothing about tests.

import { createRequire } from "node:module";

const [sdkFolder, module] = process.argv.slice(2);
const sdk = createRequire(`${sdkFolder}/`)("langsmith/experimental/sandbox");
const { scenarios } = await import(`./${module}.mjs`);

for (const [name, scenario] of Object.entries(scenarios)) {
  const cleanups = [];
  let line = { name: `${module}.${name}`, outcome: "passed", reason: "" };
  try {
    await scenario({ sdk, client: new sdk.SandboxClient({ maxRetries: 0 }), cleanup: (f) => cleanups.push(f) });
  } catch (error) {
    line = { ...line, outcome: "failed", reason: error.stack ?? String(error) };
  }
  for (const clean of cleanups.reverse()) {
    try {
      await clean();
    } catch (error) {
      line = { ...line, outcome: "failed", reason: `${line.reason}\nclean-up: ${error.stack ?? error}`.trim() };
    }
  }
  console.log(JSON.stringify(line));
}
