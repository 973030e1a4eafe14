import { isExactNumber, numberOf } from "../../job/exact-json.ts";

// The bodies of flat jobs keep their numbers as they are written.

/** The fields that hold flat jobs. */
const WITHIN: ReadonlySet<string> = new Set(["job", "onSuccess", "onFailure"]);

/** What has flat jobs, its numbers read as JavaScript's, but those within their bodies, which stay as written. */
export function keptBodies(written: unknown): unknown {
  return mapJobs(written, { body: (body) => body, other: plain });
}

/** What has flat jobs, without their bodies. */
export function withoutBodies(given: unknown): unknown {
  return mapJobs(given, { body: () => null, other: (value) => value });
}

interface Mapping {
  readonly body: (value: unknown) => unknown;
  readonly other: (value: unknown) => unknown;
}

function mapJobs(value: unknown, mapping: Mapping): unknown {
  if (Array.isArray(value)) return value.map((each) => mapJobs(each, mapping));
  if (typeof value !== "object" || value === null || isExactNumber(value)) return mapping.other(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      if (name === "body") return [name, mapping.body(each)];
      return [name, WITHIN.has(name) ? mapJobs(each, mapping) : mapping.other(each)];
    }),
  );
}

/** Its numbers as JavaScript's, but those that would change. */
export function plain(value: unknown): unknown {
  if (isExactNumber(value)) return numberOf(value.rawJSON);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}
