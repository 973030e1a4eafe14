import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { apiDocument } from "../../lib/api/docs/site.ts";
import { definitionOf } from "../../lib/tasks/index.ts";
import { FORMS_FILE, SAMPLES, formsOf } from "../../tools/form-schemas.ts";
import { patchOf } from "../../web/src/patch.ts";
import { textsOf, valueOf, type Schema, type Wrong } from "../../web/src/pages/new/schema.ts";
import { inWords } from "../../web/src/pages/schedules/words.ts";
import { ROOT } from "../support/root.ts";

// What the dashboard works out by itself: forms from schemas, expressions in words, patches.

test("the forms have the schemas of the API document and of the tasks", async () => {
  const isSame = readFileSync(join(ROOT, FORMS_FILE), "utf8") === (await formsOf(await apiDocument()));
  if (!isSame)
    throw new Error(
      `${FORMS_FILE} differs from the API document, or the tasks and their page: run npm run client:types, and commit it`,
    );
});

test("each example of a task is one that its task takes", async () => {
  const { examples } = JSON.parse(await formsOf(await apiDocument())) as {
    examples: { tasks: Record<string, object> };
  };
  expect(Object.keys(examples.tasks)).toEqual(expect.arrayContaining(["sync", ...Object.keys(SAMPLES)]));
  for (const [task, sample] of Object.entries(examples.tasks)) {
    const parsed = (await definitionOf(task)).payload.safeParse(sample);
    expect([task, parsed.error?.issues]).toEqual([task, undefined]);
  }
});

const JOB: Schema = {
  type: "object",
  required: ["url"],
  properties: {
    url: { type: "string", maxLength: 2_048 },
    method: { enum: ["POST", "PUT"] },
    headers: {
      type: "object",
      additionalProperties: { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] },
    },
    variables: { type: "object", additionalProperties: { type: "string" } },
    body: {},
    labels: { type: "array", items: { type: "string" }, maxItems: 2 },
    retry: {
      type: "object",
      properties: {
        baseDelaySeconds: { type: "integer", minimum: 1, maximum: 60 },
        final: { type: "array", items: { anyOf: [{ type: "integer" }, { enum: ["4xx"] }] } },
      },
    },
    keepResponse: { type: "boolean" },
    notBefore: { type: "string", format: "date-time" },
    limit: { anyOf: [{ type: "number" }, { type: "null" }] },
  },
};

test("a value becomes texts, and they the value again", () => {
  const job = {
    url: "https://a.example/x?y=1",
    method: "PUT",
    headers: { "x-a": ["1: 2", "3"], authorization: "***" },
    variables: { name: "Ada" },
    body: { n: [1, 2.5, null], s: "ü" },
    labels: ["a", "b c"],
    retry: { baseDelaySeconds: 5, final: ["4xx", 409] },
    keepResponse: false,
    notBefore: "2026-01-31T09:00:00Z",
    limit: 0.5,
  };
  const wrong: Wrong = {};
  expect([valueOf(JOB, textsOf(JOB, job), wrong), wrong]).toEqual([job, {}]);
});

test("what is left empty is left out, and a text stays a text", () => {
  const wrong: Wrong = {};
  const texts = { url: "https://a.example", body: "hello 5", "retry.baseDelaySeconds": " ", labels: "" };
  expect([valueOf(JOB, texts, wrong), wrong]).toEqual([{ url: "https://a.example", body: "hello 5" }, {}]);
});

test("a number that JavaScript would change is sent as it was written", () => {
  const value = valueOf(JOB, { url: "u", body: '{"id": 9223372036854775807}' }, {});
  expect(JSON.stringify(value)).toContain('"id":9223372036854775807');
});

test.each([
  ["url", "", "is missing"],
  ["retry.baseDelaySeconds", "61", "at most 60"],
  ["retry.baseDelaySeconds", "1.5", "expected a whole number"],
  ["headers", "no colon", "name: value"],
  ["variables", "a: 1\na: 2", "twice"],
  ["labels", "a\nb\nc", "at most 2"],
  ["notBefore", "soon", "2026-01-31T09:00:00Z"],
])("%s with %j is told to be wrong", (path, text, told) => {
  const wrong: Wrong = {};
  valueOf(JOB, { url: "https://a.example", [path]: text }, wrong);
  expect(wrong).toEqual({ [path]: expect.stringContaining(told) });
});

test.each([
  ["rate(1 minute)", "every minute"],
  ["rate(5 minutes)", "every 5 minutes"],
  ["at(2026-01-31T09:00:00)", "once, on 2026-01-31 at 09:00:00"],
  ["cron(0 2 * * ? *)", "every day at 02:00"],
  ["cron(0 9 ? * MON-FRI *)", "on weekdays at 09:00"],
  ["cron(0 9 ? * 2-6 *)", "on weekdays at 09:00"],
  ["cron(30 8,17 ? * SAT,SUN *)", "on weekends at 08:30 and 17:30"],
  ["cron(0/15 * ? * MON-FRI *)", "every 15 minutes on weekdays"],
  ["cron(*/10 9-17 * * ? *)", "every 10 minutes from 09:00 to 17:59"],
  ["cron(5 * * * ? *)", "every hour at minute 5"],
  ["cron(0 0/6 * * ? *)", "every 6 hours"],
  ["cron(0 0 1 * ? *)", "on the 1st of the month at 00:00"],
  ["cron(0 0 L * ? *)", "on the last day of the month at 00:00"],
  ["cron(0 12 ? * 6L *)", "on the last Friday of the month at 12:00"],
  ["cron(0 12 ? 1,7 MON#1 *)", "on the first Monday of the month at 12:00 in January and July"],
  ["cron(0 4 ? * 1 2027)", "on Sunday at 04:00 in 2027"],
  // Too odd for words.
  ["cron(1-59/7 3 * * ? *)", ""],
  ["something else", ""],
])("%s is %j", (expression, words) => {
  expect(inWords(expression)).toBe(words);
});

test("a patch says what differs, and null for what is gone", () => {
  const before = { a: 1, b: { c: [1], d: "x" }, e: "gone" };
  expect(patchOf(before, { a: 1, b: { c: [1, 2], d: "x" }, f: 0 })).toEqual({ b: { c: [1, 2] }, e: null, f: 0 });
});
