import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, newApp, startStack, type Stack } from "../support/stack.ts";

let stack: Stack;
const PAGE = "https://app.example";

beforeAll(async () => {
  stack = await startStack({ env: { ROLE: "gateway", CORS_ORIGINS: `${PAGE}, https://admin.example` } });
});
afterAll(endStacks);

const preflight = async (origin: string) =>
  stack.call("OPTIONS", "/v1/jobs/create", {
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
  });

test("a page that may call the API is told so, before and with every answer", async () => {
  const asked = await preflight(PAGE);
  expect(asked.status).toBe(204);
  expect(Object.fromEntries(asked.headers)).toMatchObject({
    "access-control-allow-origin": PAGE,
    "access-control-allow-methods": expect.stringContaining("POST"),
    "access-control-allow-headers": expect.stringContaining("authorization"),
    vary: "origin",
  });
  const { token } = await newApp();
  for (const options of [{ token }, {}]) {
    const answer = await stack.call("GET", "/v1/admin/jobs", { ...options, headers: { origin: PAGE } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(PAGE);
    expect(answer.headers.get("access-control-expose-headers")).toContain("Idempotent-Replayed");
  }
});

test("other pages, and callers that are none, hear nothing of it", async () => {
  for (const origin of ["https://evil.example", "https://app.example.evil.example", "null", "http://app.example"]) {
    const asked = await preflight(origin);
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([404, null]);
  }
  const { token } = await newApp();
  const answer = await stack.call("GET", "/v1/admin/jobs", { token });
  expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, null]);
});
