import { afterAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, startStack, until, webhook } from "../support/stack.ts";
import { startTarget } from "../support/target.ts";

afterAll(endStacks);

test("secrets in headers, bodies, tokens, queries and answers appear in no log and no error", async () => {
  const INTERNAL_JWT_TOKEN = "canary-internal-token-of-32-characters";
  const [stack, target] = await Promise.all([startStack({ env: { INTERNAL_JWT_TOKEN, ROLE: "all" } }), startTarget()]);
  target.answer(({ url }, response) => void response.writeHead(url.includes("bad") ? 500 : 200).end("canary-answer"));
  const { appId, token } = await newApp();
  const told: string[] = [];
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const answer = await stack.call(method, path, { token, headers, ...(body !== undefined && { body }) });
    if (answer.status >= 400) told.push(JSON.stringify(answer.body));
    return answer;
  };

  const job = {
    ...webhook({
      url: target.url,
      path: "/bad?api_key=canary-query&sig=canary-sig&code=canary-code",
      body: '{"card":"canary-body"}',
      headers: { authorization: "Bearer canary-header", "x-functions-key": "canary-any" },
      metadata: { maxRetries: 0, idempotencyKey: "k" },
      proxy: { queryStringParameters: { token: "canary-parameter" } },
    }),
    onComplete: { url: `${target.url}/called?secret=canary-callback`, headers: { "x-key": "canary-callback-header" } },
  };
  const created = await call("POST", "/v1/jobs/create", job);
  const dead = await jobIn(stack, token, created.body.data.id, "DEAD");
  const called = await until(() => target.received.find(({ url }) => url.startsWith("/called")));
  await call("PUT", `/v1/admin/apps/${appId}`, {
    version: 0,
    onComplete: { url: `${target.url}/?sig=canary-setting` },
  });
  const { body: audit } = await call("GET", `/v1/admin/apps/${appId}/audit`);
  // The body, which the app's administrators see, and what the target answered.
  const known = /canary-(?:body|answer)/g;
  for (const seen of [JSON.stringify(dead), called.body.toString(), JSON.stringify(audit)])
    expect(seen.replaceAll(known, "")).not.toContain("canary");
  const rotated = await call("POST", `/v1/admin/apps/${appId}/signing-secrets`);

  // Every kind of bad request, each with a secret in it.
  await call("POST", "/v1/jobs/create", '{"message": canary-malformed');
  await call("POST", "/v1/jobs/create", webhook({ url: "https://user:canary-userinfo@a.example" }));
  await call("POST", "/v1/jobs/create", webhook({ url: target.url, headers: { a: "canary-injected\r\nb: c" } }));
  await call("POST", "/v1/jobs/create", webhook({ url: target.url, proxy: { body: 7, "canary-field": 1 } }));
  await call("POST", "/v1/jobs/callback-http", { url: "ftp://canary-scheme", body: "canary-legacy" });
  await call("GET", "/v1/admin/jobs?cursor=canary-cursor");
  await call("GET", "/v1/admin/jobs", undefined, { authorization: "Bearer canary-token" });
  await call("POST", "/internal/v1/run-db-jobs", {}, { authorization: "Bearer canary-internal-guess" });
  await call(
    "POST",
    "/internal/v1/process-scheduled-message",
    { fire: "canary-fire" },
    {
      authorization: `Bearer ${INTERNAL_JWT_TOKEN}`,
    },
  );
  await call("GET", "/v1/admin/jobs", undefined, { "x-request-id": "canary id\u00e9" });

  expect(told.length).toBeGreaterThanOrEqual(8);
  const signingSecret = rotated.body.data.secret.slice("whsec_".length);
  const lines = stack.lines.filter((line) => line.startsWith("{"));
  expect(lines.length).toBeGreaterThanOrEqual(2);
  for (const text of [...lines, ...told]) {
    for (const secret of [token, signingSecret]) expect(text).not.toContain(secret);
    // The answer repeats only the name of an unknown field.
    expect(text.replaceAll("canary-field", "")).not.toContain("canary");
  }
  // The specification's log query finds a job's lines by its id.
  const ofJob = lines.map((line) => JSON.parse(line)).filter(({ jobId }) => jobId === created.body.data.id);
  expect(ofJob).toContainEqual(expect.objectContaining({ event: "job.attempted", appId, attempt: 1 }));
  await target.close();
});
