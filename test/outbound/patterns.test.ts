import { expect, test } from "vitest";
import { isUrlPattern, matchesName, matchesUrl } from "../../lib/outbound/patterns.ts";
import { expectLinear } from "../support/growth.ts";

test.each([
  ["https://a.example", "https://a.example/x?y=1", true],
  ["https://a.example", "https://a.example", true],
  ["https://a.example", "http://a.example/", false],
  ["https://a.example", "https://a.example:8443/", false],
  ["https://a.example:8443", "https://a.example:8443/", true],
  ["https://a.example:443", "https://a.example/", true],
  ["https://a.example", "https://b.a.example/", false],
  ["https://a.example", "https://a.example.evil.com/", false],
  ["https://*.a.example", "https://b.a.example/", true],
  ["https://*.a.example", "https://c.b.a.example/", true],
  ["https://*.a.example", "https://a.example/", false],
  ["https://*.a.example", "https://evila.example/", false],
  ["https://A.Example", "https://a.example/", true],
  ["https://a.example/hooks", "https://a.example/hooks", true],
  ["https://a.example/hooks", "https://a.example/hooks/paid", true],
  ["https://a.example/hooks/", "https://a.example/hooks/paid", true],
  ["https://a.example/hooks", "https://a.example/hooks2", false],
  ["https://a.example/hooks", "https://a.example/hooks/../admin", false],
  ["https://a.example/hooks", "https://a.example/hooks/%2e%2e/admin", false],
  ["http://10.0.0.1:8080", "http://10.0.0.1:8080/x", true],
  // Receivers may decode these into another path.
  ["https://a.example/hooks", "https://a.example/hooks/..%2fadmin", false],
  ["https://a.example/hooks", "https://a.example/hooks/%2e%2e%2fadmin", false],
  ["https://a.example/hooks", "https://a.example/hooks/..%5cadmin", false],
  ["https://a.example/hooks", "https://a.example/hooks/..;/admin", false],
  ["https://a.example/hooks", "https://a.example/hooks/%252e%252e/admin", false],
  ["https://a.example", "https://a.example/files/a%2fb", true],
  ...[
    "..%3b/admin",
    "..%3B/admin",
    "..;a=b/admin",
    ".;/admin",
    ".%09./admin",
    "%09../admin/.%09",
    "..%0a/admin",
    "..%0d%0a/admin",
    "x/.%7f./admin",
    "..%20/admin",
    "x%c2%85",
    "%c0%ae%c0%ae/admin",
    "..%c0%afadmin",
    "..%c1%9cadmin",
    "..%e0%80%afadmin",
    "..%f0%80%80%afadmin",
    "..%u2215admin",
    "%u002e%u002e/admin",
    "%uff0e%uff0e/admin",
    "..%ef%bc%8fadmin",
    "%ef%bc%8e%ef%bc%8e/admin",
    "..\uFF0Fadmin",
    "..\uFF3Cadmin",
    "\u2025/admin",
    "..%ef%b9%a8admin",
    "..%e2%88%95admin",
    "..\u2044admin",
    "..%e2%88%96admin",
    "..%3f/admin",
    "x/..%23",
    "..+/admin",
    "..%c2%a5admin",
    "..%e2%82%a9admin",
    "..%e2%80%8b/admin",
    ".%c2%ad./admin",
    "%e2%81%a0../admin",
    "%",
    "%zz",
    "%ff",
    ".../admin",
    "x%00.json",
  ].map((path) => ["https://a.example/hooks", `https://a.example/hooks/${path}`, false] as const),
  ...[
    "a%20b",
    "%C3%BC/%E6%A6%82%E8%A6%81",
    "ü😀",
    "v1;tenant=x/y",
    "a.b..c/.well-known",
    "~user/x+y@z:1,2!",
    "x%26y",
    "x%3fy/a+b/c%23",
    "%e2%80%8bx/a%c2%adb",
  ].map((path) => ["https://a.example/hooks", `https://a.example/hooks/${path}`, true] as const),
] as [string, string, boolean][])("%s and %s: %s", (pattern, url, expected) => {
  expect(isUrlPattern(pattern)).toBe(true);
  expect(matchesUrl(pattern, new URL(url))).toBe(expected);
});

test.each([
  "a.example",
  "ftp://a.example",
  "https://",
  "https://a.example?x=1",
  "https://*.*.example",
  "https://u:p@a.example",
  "https://a:b:c",
  "https://x:99999",
])("%s is not a pattern", (pattern) => {
  expect(isUrlPattern(pattern) && matchesUrl(pattern, new URL("https://a.example"))).toBe(false);
});

test.each([
  ["reward-*", "reward-grant", true],
  ["reward-*", "reward-", true],
  ["reward-*", "my-reward-", false],
  ["*", "", true],
  ["*-prod", "orders-prod", true],
  ["*-prod", "orders-prod-2", false],
  ["a*b*c", "a-b-b-c", true],
  ["a*b*c", "ac", false],
  ["a*a", "a", false],
  ["orders", "orders", true],
  ["orders", "orders-2", false],
  ["a.c", "abc", false],
])("the name pattern %s and %s: %s", (pattern, name, expected) => {
  expect(matchesName(pattern, name)).toBe(expected);
});

test("a pattern takes as long as it has stars", async () => {
  const name = `https://${"a".repeat(60)}.lambda-url.eu-west-1.on.aws`;
  // A regular expression takes a hundred times as long for each star more.
  for (const stars of [1, 5]) {
    await expectLinear((size) => {
      for (let round = 0; round < 200; round += 1) expect(matchesName(`${"*a".repeat(size)}*_`, name)).toBe(false);
    }, stars);
  }
  expect(matchesName(`${"*a".repeat(85)}*_`, name)).toBe(false);
});
