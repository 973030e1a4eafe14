import { expect, test } from "vitest";
import { maskedAddress, maskedJson } from "../../lib/job/masking.ts";
import {
  isSamePlace,
  unmaskedAddress,
  unmaskedCallback,
  unmaskedHeaders,
  unmaskedJson,
} from "../../lib/job/unmasking.ts";

const here = { field: "url", isSame: true };

test("an address that comes back as it was shown is the stored one", () => {
  const stored = "https://a.example/in?tenant=1&token=s3cret&next=https%3A%2F%2Fb.example%2F%3Fsig%3Dabc#code=9";
  expect(maskedAddress(stored)).not.toBe(stored);
  expect(unmaskedAddress(maskedAddress(stored), stored, here)).toEqual({ value: stored, problems: [] });
});

test("parts of an address can be changed around its masks", () => {
  const stored = "https://a.example/in?tenant=1&token=s3cret&token=second";
  const sent = "https://a.example/out?token=***&tenant=2&token=***";
  expect(unmaskedAddress(sent, stored, here).value).toBe("https://a.example/out?token=s3cret&tenant=2&token=second");
});

test("a mask under another name, or once too often, stands for nothing", () => {
  for (const sent of [
    "https://a.example/?key=***",
    "https://a.example/?token=***&token=***",
    "https://***@a.example/",
  ]) {
    const { problems } = unmaskedAddress(sent, "https://a.example/?token=s3cret", here);
    expect(problems).toEqual([{ field: "url", message: expect.stringContaining("give the credential") }]);
  }
});

test("headers are found by their names in any case, and only those that are shown as masks", () => {
  const stored = { Authorization: "Bearer s3cret", "x-note": "plain", "x-back": "https://a.example/?sig=abc" };
  const sent = { authorization: "***", "x-note": "other", "x-back": "https://a.example/?sig=***" };
  expect(unmaskedHeaders(sent, stored, { field: "headers", isSame: true })).toEqual({
    value: { authorization: "Bearer s3cret", "x-note": "other", "x-back": "https://a.example/?sig=abc" },
    problems: [],
  });
  const { problems } = unmaskedHeaders({ "x-note": "***" }, stored, { field: "headers", isSame: true });
  expect(problems).toMatchObject([{ field: "headers.x-note" }]);
});

test("a credential goes to the host that it was stored for, and to no other", () => {
  const on = ["DEAD"] as const;
  const stored = { url: "https://a.example/?token=t", headers: { "x-key": "k" }, on };
  const to = (url: string) => unmaskedCallback({ url, headers: { "x-key": "***" }, on }, stored, "onComplete");
  expect(to("https://a.example/other").value.headers).toEqual({ "x-key": "k" });
  for (const url of ["https://evil.example/", "http://a.example/", "https://a.example.evil.example/"]) {
    expect(to(url).problems).toEqual([
      { field: "onComplete.headers.x-key", message: expect.stringContaining("another place") },
    ]);
  }
  expect(to("https://evil.example/?token=***").problems).toHaveLength(2);
  expect(isSamePlace("https://a.example:8443/", "http://a.example/")).toBe(true);
});

const task = { field: "payload", isSame: true };

test("a payload keeps what it hides, unless it names a host that it did not name", () => {
  const stored = {
    webhook: { url: "https://a.example/", headers: { "x-key": "k" } },
    pin: 1234,
    list: [{ token: "t" }],
  };
  const shown = maskedJson(stored) as typeof stored;
  expect(JSON.stringify(shown)).not.toMatch(/"k"|1234|"t"/);
  expect(unmaskedJson({ ...shown, more: 1 }, stored, task)).toEqual({
    value: { ...stored, more: 1 },
    problems: [],
  });
  const moved = { ...shown, webhook: { ...shown.webhook, url: "https://evil.example/" } };
  expect(unmaskedJson(moved, stored, task).problems.map(({ field }) => field)).toEqual([
    "payload.webhook.headers.x-key",
    "payload.pin",
    "payload.list.0.token",
  ]);
});

test("a payload that goes elsewhere keeps nothing that it hides", () => {
  const stored = {
    url: "https://a.example/in",
    email: { to: ["a@a.example"], text: "Hello {{name}}" },
    variables: { name: "Ann", token: "s3cret" },
  };
  const shown = maskedJson(stored) as typeof stored;
  const problems = (sent: object, isSame = true) =>
    unmaskedJson({ ...shown, ...sent }, stored, { ...task, isSame }).problems;
  expect(problems({})).toEqual([]);
  for (const url of [
    "https:evil.example/",
    String.raw`https:\\evil.example`,
    "https:/\t/evil.example",
    "HTTPS:///evil.example",
  ]) {
    expect(new URL(url).host).toBe("evil.example");
    expect(problems({ url })).toMatchObject([{ field: "payload.variables.token" }]);
  }
  expect(problems({ email: { ...shown.email, to: ["a@a.example", "b@evil.example"] } })).toHaveLength(1);
  expect(problems({ email: { ...shown.email, text: "Hello {{name}}, {{token}}" } })).toHaveLength(1);
  expect(problems({ email: { ...shown.email, text: "Hello" } })).toEqual([]);
  expect(problems({}, false)).toMatchObject([{ message: expect.stringContaining("another place") }]);
});

test("a payload keeps nothing under a name that would show it", () => {
  const stored = { headers: [{ name: "token", value: "s3cret" }], pair: ["password", "s3cret"] };
  const { value, problems } = unmaskedJson(
    { headers: [{ name: "note", value: "***" }], pair: ["note", "***"] },
    stored,
    task,
  );
  expect(JSON.stringify(value)).not.toContain("s3cret");
  expect(problems.map(({ field }) => field)).toEqual(["payload.headers.0.value", "payload.pair.1"]);
  expect(unmaskedJson(maskedJson(stored), stored, task)).toEqual({ value: stored, problems: [] });
});
