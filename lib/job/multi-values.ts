import type { ProxyMessage } from "./message.ts";

// Headers and parameters with several values. As in events of API Gateway, a request has them in fields of their own,
// beside those that have one value of each name. A name may stand in both: then the list holds the single value too.

type Fields = Pick<
  ProxyMessage,
  "headers" | "multiValueHeaders" | "queryStringParameters" | "multiValueQueryStringParameters"
>;
type Query = Pick<Fields, "queryStringParameters" | "multiValueQueryStringParameters">;
type Headers = Pick<Fields, "headers" | "multiValueHeaders">;

/** One value, or a list of them. */
export type Values = Readonly<Record<string, string | readonly string[]>>;

/** All headers by their names as they are written. */
export function namedHeaders({ headers, multiValueHeaders }: Headers): Values {
  const lists = Object.entries(multiValueHeaders ?? {});
  if (lists.length === 0) return headers;
  const listed = new Set(lists.map(([name]) => name.toLowerCase()));
  const single = Object.entries(headers).filter(([name]) => !listed.has(name.toLowerCase()));
  return Object.fromEntries([...single, ...lists]);
}

/** The two fields of all headers. */
export function headerFields(named: Values): { headers: Record<string, string>; multiValueHeaders?: Lists } {
  const single: [string, string][] = [];
  const lists: [string, readonly string[]][] = [];
  for (const [name, value] of Object.entries(named)) {
    if (typeof value === "string") single.push([name, value]);
    else lists.push([name, value]);
  }
  return {
    headers: Object.fromEntries(single),
    ...(lists.length > 0 && { multiValueHeaders: Object.fromEntries(lists) }),
  };
}

type Lists = Readonly<Record<string, readonly string[]>>;

/** By their names in lower case. A list of one value is that value, and cookies are one header by RFC 6265. */
export function lowerCase(named: Values): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(named).map(([given, value]) => {
      const name = given.toLowerCase();
      if (typeof value === "string") return [name, value];
      if (name === "cookie") return [name, value.join("; ")];
      const [only = "", ...more] = value;
      return [name, more.length === 0 ? only : [...value]];
    }),
  );
}

/** Lists as one value each, which means the same by RFC 9110 §5.3. */
export function joined(named: Values): Record<string, string> {
  return Object.fromEntries(
    Object.entries(named).map(([name, value]) => [name, typeof value === "string" ? value : value.join(", ")]),
  );
}

/** The parameters beside those in the path, each with its values in their order. */
export function parametersOf({ queryStringParameters: single, multiValueQueryStringParameters: lists }: Query) {
  const names = new Set([...Object.keys(single ?? {}), ...Object.keys(lists ?? {})]);
  return [...names].flatMap((name) => {
    const values = own(lists, name) ?? [own(single, name) ?? ""];
    return values.map((value): [string, string] => [name, value]);
  });
}

/** `undefined` for what an object has by its prototype alone. */
function own<T>(object: Readonly<Record<string, T>> | null | undefined, name: string): T | undefined {
  return object && Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Headers that have one value; receivers take the first of several, or the last. */
const SINGLE =
  /^(?:authorization|content-(?:type|location|range)|date|from|host|idempotency-key|if-(?:modified-since|range|unmodified-since)|range|referer|traceparent|user-agent)$/;

export interface Problem {
  readonly path: readonly string[];
  readonly message: string;
}

/** What contradicts itself. */
export function contradictionsIn({ multiValueHeaders, headers, ...query }: Fields): Problem[] {
  const { queryStringParameters, multiValueQueryStringParameters } = query;
  const lists = Object.entries(multiValueHeaders ?? {});
  const several = lists
    .filter(([name, values]) => values.length > 1 && SINGLE.test(name.toLowerCase()))
    .map(([name, values]) => ({
      path: ["multiValueHeaders", name],
      message: `has ${values.length} values: expected one, since receivers take one of them, and not all the same`,
    }));
  return [
    ...twinsIn(multiValueHeaders ?? {}).map(({ path, message }) => ({ path: ["multiValueHeaders", ...path], message })),
    ...several,
    ...unlike("headers", headers, "multiValueHeaders", multiValueHeaders, (name) => name.toLowerCase()),
    ...unlike(
      "queryStringParameters",
      queryStringParameters,
      "multiValueQueryStringParameters",
      multiValueQueryStringParameters,
      (name) => name,
    ),
  ];
}

/** Values that the list of the same name does not hold. */
function unlike(
  field: string,
  single: Readonly<Record<string, string>> | null | undefined,
  listField: string,
  lists: Lists | null | undefined,
  plain: (name: string) => string,
): Problem[] {
  if (!lists) return [];
  const byName = new Map(Object.entries(lists).map(([name, values]) => [plain(name), values]));
  return Object.entries(single ?? {})
    .filter(([name, value]) => byName.get(plain(name))?.includes(value) === false)
    .map(([name]) => ({
      path: [field, name],
      message: `has a value that is not among those in ${listField}: give all values there, or leave the name out of one of the two`,
    }));
}

/** Headers whose names differ in case alone, and whose values differ. */
export function twinsIn(named: Values): Problem[] {
  const seen = new Map<string, readonly [string, string]>();
  return Object.entries(named).flatMap(([name, value]): Problem[] => {
    const text = JSON.stringify(value);
    const [first, before] = seen.get(name.toLowerCase()) ?? [name, text];
    seen.set(name.toLowerCase(), [first, before]);
    if (before === text) return [];
    return [
      {
        path: [name],
        message: `is the header ${first} with another value: names of headers that differ in case are one; give it once`,
      },
    ];
  });
}
