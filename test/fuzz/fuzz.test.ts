import { afterAll, expect, test } from "vitest";
import { CANARY, fuzz, problemOf, table } from "./fuzz.ts";
import { endStacks } from "../support/stack.ts";

afterAll(endStacks);

// A fixed seed, so that the test fails by a change and not by chance. `npm run fuzz` draws another.
const SEED = 20_000;

test(
  "20,000 odd requests: no error of ours, nothing undocumented, nothing of another app",
  { timeout: 300_000 },
  async () => {
    const report = await fuzz({ requests: 20_000, seed: SEED });
    expect(report.failure).toBeUndefined();
    expect(report.unreached, table(report)).toEqual([]);
  },
);

test("the fuzzer finds what it looks for", () => {
  const asked = { method: "GET", path: "/health", headers: {} };
  const headers = new Headers({ "x-request-id": "1", "content-type": "application/json" });
  const health = { status: "ok", now: new Date().toISOString() };
  const answer = { status: 200, headers, text: JSON.stringify(health) };
  expect(problemOf(asked, answer)).toBeUndefined();
  expect(problemOf(asked, { ...answer, status: 0 })).toContain("No answer");
  expect(problemOf(asked, { ...answer, status: 503 })).toContain("An error of ours");
  expect(problemOf(asked, { ...answer, text: CANARY })).toContain("another app");
  expect(problemOf(asked, { ...answer, text: "Error: x\n    at run (file:1)" })).toContain("Our code");
  expect(problemOf(asked, { ...answer, text: "{}" })).toContain("the API document does not allow");
});
