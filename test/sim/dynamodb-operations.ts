import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import * as fc from "fast-check";
import type { Condition as MoveCondition, Move } from "../../lib/job/move.ts";
import { STATUSES } from "../../lib/job/status.ts";

// Random operations on a table.

/** An item, or the key of one, in DynamoDB's JSON. */
export type Image = Record<string, AttributeValue>;
export type Values = Readonly<Record<string, unknown>>;

/** A condition on names and values; `text` turns it into an expression. */
export type Condition =
  | { readonly kind: "compare"; readonly name: string; readonly by: string; readonly to: unknown }
  | { readonly kind: "exists"; readonly name: string; readonly wanted: boolean }
  | { readonly kind: "between"; readonly name: string; readonly bounds: readonly [unknown, unknown] }
  | { readonly kind: "in"; readonly name: string; readonly among: readonly unknown[] }
  | { readonly kind: "begins"; readonly name: string; readonly prefix: string }
  | { readonly kind: "size"; readonly name: string; readonly by: string; readonly to: number }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "AND" | "OR"; readonly left: Condition; readonly right: Condition };

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

export interface Update {
  readonly set: Values;
  readonly count: Values;
  readonly append: readonly number[];
  readonly remove: readonly string[];
  readonly add: Values;
}

interface Conditional {
  readonly condition: Condition | undefined;
  readonly showsOld: boolean;
}

export type Write =
  | (Conditional & { readonly kind: "put"; readonly key: Key; readonly values: Values })
  | (Conditional & { readonly kind: "update"; readonly key: Key; readonly update: Update })
  | (Conditional & { readonly kind: "delete"; readonly key: Key })
  | (Conditional & { readonly kind: "check"; readonly key: Key });

export interface Page {
  readonly limit: number | undefined;
  readonly isBackwards: boolean;
  readonly filter: Condition | undefined;
  readonly names: readonly string[] | undefined;
  readonly isCount: boolean;
}

export type Operation =
  | { readonly kind: "write"; readonly write: Write; readonly returns: string }
  | { readonly kind: "move"; readonly key: Key; readonly move: Move; readonly returns: string }
  | { readonly kind: "transact"; readonly writes: readonly Write[]; readonly token: string | undefined }
  | { readonly kind: "get"; readonly key: Key }
  | { readonly kind: "batchGet" | "batchDelete"; readonly keys: readonly Key[] }
  | {
      readonly kind: "query";
      readonly pk: string;
      readonly sk: readonly [string, string[]] | undefined;
      readonly page: Page;
    }
  | {
      readonly kind: "queryIndex";
      readonly index: "due" | "byApp" | "byStatus" | "byOwner";
      readonly partition: string;
      readonly range: readonly [string, number[]] | undefined;
      readonly page: Page;
    };

const small = fc.integer({ min: 0, max: 4 });
const someKey = fc.record({ pk: fc.constantFrom("a", "b"), sk: fc.constantFrom("A#1", "A#2", "J") });
const partition = fc.constantFrom("x", "y");
const FIELDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  status: fc.constantFrom("PENDING", "RUNNING", "DEAD"),
  attempts: small,
  due: partition,
  dueAt: small,
  byApp: partition,
  byStatus: partition,
  byOwner: partition,
  createdAt: small,
  expiresAt: fc.integer({ min: -2, max: 2 }),
  text: fc.constantFrom("", "a", "ab", "b", "é", "\u{1f600}", "\uffee"),
  flag: fc.boolean(),
  nothing: fc.constant(null),
  ratio: fc.constantFrom(0.5, -1.25, 1_000_000_000_000),
  bytes: fc.constantFrom(Uint8Array.of(), Uint8Array.of(1), Uint8Array.of(1, 2)),
  list: fc.array(small, { maxLength: 2 }),
  map: fc.record({ a: small, b: fc.array(fc.constantFrom("c", 1)) }, { requiredKeys: [] }),
};
const names = Object.keys(FIELDS);
const values = fc.record(FIELDS, { requiredKeys: [] });
const field = fc.constantFrom(...names);
const ordered = fc.constantFrom("status", "attempts", "dueAt", "createdAt", "expiresAt", "text", "sk");
const scalar = fc.oneof(small, fc.constantFrom("PENDING", "RUNNING", "a", "b", "A#2"));
const anyComparison = fc.constantFrom("=", "<>", "<", "<=", ">", ">=");

const condition = fc.letrec<{ any: Condition }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.record({ kind: fc.constant("exists" as const), name: field, wanted: fc.boolean() }),
    fc.record({ kind: fc.constant("compare" as const), name: ordered, by: anyComparison, to: scalar }),
    field.chain((name) =>
      fc.record({
        kind: fc.constant("compare" as const),
        name: fc.constant(name),
        by: fc.constantFrom("=", "<>"),
        to: FIELDS[name] ?? small,
      }),
    ),
    fc.record({
      kind: fc.constant("between" as const),
      name: ordered,
      bounds: fc.tuple(small, small).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
    }),
    fc.record({
      kind: fc.constant("in" as const),
      name: ordered,
      among: fc.array(scalar, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant("begins" as const), name: field, prefix: fc.constantFrom("a", "P") }),
    fc.record({
      kind: fc.constant("size" as const),
      name: fc.constantFrom("text", "list", "map", "bytes", "status"),
      by: anyComparison,
      to: small,
    }),
    fc.record({ kind: fc.constant("not" as const), of: tie("any") }),
    fc.record({ kind: fc.constantFrom("AND" as const, "OR" as const), left: tie("any"), right: tie("any") }),
  ),
})).any;

const conditional = {
  condition: fc.option(condition, { nil: undefined }),
  showsOld: fc.boolean(),
};
const update: fc.Arbitrary<Update> = fc
  .record({
    set: values,
    count: fc.record({ attempts: small, counted: small }, { requiredKeys: [] }),
    append: fc.array(small, { maxLength: 1 }),
    remove: fc.uniqueArray(field, { maxLength: 2 }),
    add: fc.record({ added: small, attempts: small, text: small }, { requiredKeys: [] }),
  })
  .filter((drawn) => namedBy(drawn).length > 0);
const put = fc.record({ kind: fc.constant("put" as const), key: someKey, values, ...conditional });
const updating = fc.record({ kind: fc.constant("update" as const), key: someKey, update, ...conditional });
const write: fc.Arbitrary<Write> = fc.oneof(
  put,
  updating,
  fc.record({ kind: fc.constant("delete" as const), key: someKey, ...conditional }),
);
const check = fc.record({ kind: fc.constant("check" as const), key: someKey, ...conditional, condition });
const moveCondition: fc.Arbitrary<MoveCondition> = fc.oneof(
  fc.constantFrom("attempts", "dueAt").map((name) => [name, "absent"] as MoveCondition),
  fc
    .tuple(fc.constantFrom("attempts", "dueAt", "createdAt"), fc.constantFrom("=", "<=", "<", ">=", ">"), small)
    .map((drawn) => drawn as unknown as MoveCondition),
);
const move: fc.Arbitrary<Move> = fc.record({
  from: fc.uniqueArray(fc.constantFrom(...STATUSES.slice(0, 3), "DEAD" as const), { minLength: 1 }),
  to: fc.constantFrom(...STATUSES),
  when: fc.array(moveCondition, { maxLength: 2 }),
  set: fc.record({ attempts: small, dueAt: small, expiresAt: fc.constantFrom(1_000, 2_500) }, { requiredKeys: [] }),
  remove: fc.uniqueArray(fc.constantFrom("dueAt" as const, "leaseUntil" as const, "lastError" as const), {
    maxLength: 2,
  }),
});
const page: fc.Arbitrary<Page> = fc.record({
  limit: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  isBackwards: fc.boolean(),
  filter: fc.option(
    condition.filter((one) => !JSON.stringify(one).includes('"sk"')),
    { nil: undefined, freq: 2 },
  ),
  names: fc.option(fc.uniqueArray(fc.constantFrom("pk", "sk", "status"), { minLength: 1 }), {
    nil: undefined,
    freq: 2,
  }),
  isCount: fc.boolean(),
});
const returns = fc.constantFrom("NONE", "ALL_NEW", "UPDATED_NEW");
export const operation: fc.Arbitrary<Operation | { readonly kind: "nothing" }> = fc.oneof(
  { withCrossShrink: true },
  { weight: 1, arbitrary: fc.constant({ kind: "nothing" as const }) },
  { weight: 30, arbitrary: fc.record({ kind: fc.constant("write" as const), write, returns }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("move" as const), key: someKey, move, returns }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("transact" as const),
      // In a transaction, the embedded DynamoDB fails to refuse an update that names an attribute twice.
      writes: fc.array(fc.oneof(write, check).filter(namesNothingTwice), { minLength: 1, maxLength: 3 }),
      token: fc.option(fc.constantFrom("one", "two"), { nil: undefined, freq: 4 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("get" as const), key: someKey }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("batchGet" as const, "batchDelete" as const),
      keys: fc.array(someKey, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("query" as const),
      pk: fc.constantFrom("a", "b"),
      sk: fc.option(
        fc.tuple(fc.constantFrom("<", "<=", "=", ">", ">="), fc.tuple(fc.constantFrom("A#1", "A#3", "J"))),
        { nil: undefined },
      ),
      page,
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("queryIndex" as const),
      index: fc.constantFrom("due" as const, "byApp" as const, "byStatus" as const, "byOwner" as const),
      partition,
      range: fc.option(
        fc.oneof(
          fc.tuple(fc.constantFrom("<", "<=", "=", ">", ">="), fc.tuple(small)),
          fc.tuple(fc.constant("BETWEEN"), fc.tuple(small, small)),
        ),
        { nil: undefined },
      ),
      page,
    }),
  },
);

function namesNothingTwice(of: Write): boolean {
  const named = of.kind === "update" ? namedBy(of.update) : [];
  return new Set(named).size === named.length;
}

function namedBy({ set, count, append, remove, add }: Update): string[] {
  const setting = [set, count, add].flatMap((fields) => Object.keys(fields));
  return [...setting, ...append.map(() => "list"), ...remove];
}
