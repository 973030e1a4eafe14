import { expect, test } from "vitest";
import { URL_PATTERN, matchesUrl } from "../lib/url-pattern.ts";

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
])("%s and %s: %s", (pattern, url, expected) => {
  expect(pattern).toMatch(URL_PATTERN);
  expect(matchesUrl(pattern, new URL(url))).toBe(expected);
});

test.each([
  "a.example",
  "ftp://a.example",
  "https://",
  "https://a.example?x=1",
  "https://*.*.example",
  "https://u:p@a.example",
])("%s is not a pattern", (pattern) => {
  expect(URL_PATTERN.test(pattern) && matchesUrl(pattern, new URL("https://a.example"))).toBe(false);
});
