import * as fc from "fast-check";
import { one, type Value } from "./values.ts";

// Twists: the changes that make valid requests odd.

/** A change of a valid request. */
export type Twist =
  | { readonly kind: "none" }
  | { readonly kind: "replace"; readonly place: number; readonly by: unknown }
  | { readonly kind: "drop"; readonly place: number }
  | { readonly kind: "add"; readonly place: number; readonly name: string; readonly value: unknown }
  /** Half a surrogate pair within a text that is there. */
  | { readonly kind: "half"; readonly place: number; readonly text: string }
  | { readonly kind: "nest"; readonly levels: number }
  | { readonly kind: "cut"; readonly after: number }
  | { readonly kind: "body"; readonly bytes: string; readonly encoding: "utf8" | "latin1" }
  | { readonly kind: "header"; readonly name: string; readonly value: string }
  | { readonly kind: "id"; readonly text: string }
  | { readonly kind: "query"; readonly text: string }
  | { readonly kind: "path"; readonly text: string }
  | { readonly kind: "method"; readonly method: string };

const place = fc.nat(200);
const ODD_NAMES = [
  "__proto__",
  "constructor",
  "toString",
  "",
  "a.b",
  "\u0000",
  "\ud800",
  "then",
  "length",
  "$ref",
  "#c0",
];
const ODD_TEXTS = [
  "",
  "\u0000",
  "\ud800",
  "\udfff\ud800",
  "cut within \ud83d",
  "\ufffe\uffff",
  "\u202e",
  "null",
  "-0",
  "1e309",
  "\r\nx: y",
  "../../etc/passwd",
  "'; --",
  "${jndi:x}",
  "{{7*7}}",
  "%00",
  "%",
  "%c0%ae",
  "x".repeat(300),
  "x".repeat(70_000),
  "\ud83d\ude00".repeat(2_000),
  "http://",
  "https://user:pass@127.0.0.1:9/",
  "javascript:alert(1)",
  "file:///etc/passwd",
  "http://[::ffff:127.0.0.1]:9",
  "9999-12-31T23:59:59.999999999Z",
  "2026-02-30T00:00:00Z",
  "+275760-09-13T00:00:00.000Z",
  "-000001-01-01T00:00:00Z",
  "cron(* * * * ? *)",
  "cron(0 0 29 2 ? 2199)",
  "rate(999999999999999999999 days)",
  "at(0000-00-00T00:00:00)",
];
const oddText = fc.oneof(one(...ODD_TEXTS), fc.string({ unit: "binary", maxLength: 40 }));
const oddNumber = one(-1, -0, 0.5, 1e21, 1e308, -1e308, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 5e-324);
const odd = fc.oneof(oddText, oddNumber, one(null, true, [], {}, [[]], [{}]), fc.jsonValue());
/** Text in a path or a query that Node does not refuse to send. */
const urlText = fc.oneof(
  one(
    "%",
    "%00",
    "%2F",
    "%2e%2e%2f",
    "..%5c",
    "%ff%fe",
    "%u0041",
    "+",
    "a+b",
    "a,b",
    "[]",
    "{id}",
    "~",
    "a%0d%0ab:%20c",
    ";",
    "@",
  ),
  fc.string({ unit: "binary", maxLength: 20 }).map((value) => encodeURIComponent(value.toWellFormed())),
  fc.string({ unit: "binary-ascii", maxLength: 20 }).map((value) => value.replaceAll(/[^!-~]|[?#]/g, "%")),
);
const headerText = fc.oneof(
  fc.string({ maxLength: 60 }),
  one("", " ", "x".repeat(256), "x".repeat(9_000), "\u00e9\u00ff", "\t", '"', "a,b", "gzip", "*", "null"),
);
const HEADERS = [
  "authorization",
  "content-type",
  "content-encoding",
  "idempotency-key",
  "x-request-id",
  "origin",
  "accept-encoding",
  "x-forwarded-for",
  "cookie",
  "x-http-method-override",
  "access-control-request-method",
];

const kind = (name: Twist["kind"], weight: number, fields: Record<string, Value> = {}) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constant(name), ...fields }) as fc.Arbitrary<Twist>,
});

export const twists: fc.Arbitrary<Twist> = fc.oneof(
  kind("none", 12),
  kind("replace", 10, { place, by: odd }),
  kind("drop", 4, { place }),
  kind("add", 3, { place, name: fc.oneof(one(...ODD_NAMES), fc.string()), value: odd }),
  kind("half", 4, { place, text: one("\ud800", "\udc00", "\udfff\ud800") }),
  kind("nest", 1, { levels: one(31, 32, 33, 500, 20_000) }),
  kind("cut", 1, { after: fc.nat(2_000) }),
  kind("body", 2, {
    bytes: fc.oneof(fc.json(), fc.string({ unit: "binary" }), one("", "null", "[]", "{", '"', "NaN", "\ufeff{}")),
    encoding: one("utf8", "latin1"),
  }),
  kind("header", 3, { name: one(...HEADERS), value: headerText }),
  kind("id", 2, { text: urlText }),
  kind("query", 3, { text: urlText }),
  kind("path", 1, { text: urlText }),
  kind("method", 1, { method: one("PATCH", "PUT", "DELETE", "POST", "GET", "OPTIONS", "TRACE", "PROPFIND") }),
);

/** A copy of a body with one change somewhere in it. */
export function twisted(body: unknown, change: Twist): unknown {
  if (!["replace", "drop", "add", "half"].includes(change.kind) || !("place" in change)) return body;
  const root = { body: structuredClone(body) };
  const isText = ([container, name]: [object, string]) => typeof Reflect.get(container, name) === "string";
  const places = change.kind === "half" ? placesIn(root).filter(isText) : placesIn(root);
  const [container, name] = places[change.place % places.length] ?? [root, "body"];
  const value: unknown = Reflect.get(container, name);
  if (change.kind === "drop") Reflect.deleteProperty(container, name);
  if (change.kind === "half" && typeof value === "string") {
    const middle = Math.floor(value.length / 2);
    const halved = value.slice(0, middle) + change.text + value.slice(middle);
    Object.defineProperty(container, name, { ...PLAIN, value: halved });
  }
  // Defined and not set: `__proto__` must become a field like any other.
  if (change.kind === "replace") Object.defineProperty(container, name, { ...PLAIN, value: change.by });
  if (change.kind === "add" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    Object.defineProperty(value, change.name, { ...PLAIN, value: change.value });
  }
  return root.body ?? null;
}

/** Of a field like any other. */
export const PLAIN = { enumerable: true, configurable: true, writable: true };

function placesIn(container: object): [container: object, name: string][] {
  return Object.entries(container).flatMap(([name, value]) => [
    [container, name] as [object, string],
    ...(typeof value === "object" && value !== null ? placesIn(value as object) : []),
  ]);
}
