// What the scenarios of sandboxes that really run have in common.

/** Makes a template and a sandbox of it, which are deleted after the test. */
export async function sandbox({ client, cleanup }, name) {
  await client.createTemplate(name, { image: "debian:12" });
  cleanup(() => client.deleteTemplate(name));
  const box = await client.createSandbox(name);
  cleanup(() => client.deleteSandbox(box.name));
  return box;
}

/** Reads a command's output until a text has come, and returns all that came. */
export async function until(handle, text) {
  let seen = "";
  for await (const chunk of handle) {
    seen += chunk.data;
    if (seen.includes(text)) return seen;
  }
  throw new Error(`it ended with ${JSON.stringify(seen)}`);
}

/** Calls the local server's own interface, which is beside the API. */
export async function control(method, path, body) {
  const response = await fetch(process.env.LANGSMITH_ENDPOINT + path, {
    method,
    headers: { "Content-Type": "application/json", "X-Api-Key": process.env.LANGSMITH_API_KEY },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}
