import { iso, type EpochMs } from "../clock.ts";
import { maskedText } from "../job/masking.ts";
import type { Job } from "../job/job.ts";
import { remember } from "../job/remember.ts";
import { grow, type Change, type Increments } from "./counters.ts";
import { KEPT, hourOf } from "./hours.ts";
import { expirySeconds, type Table } from "./table.ts";

// The failed attempts of an app by hour: their errors and their destinations. Written only where attempts fail.

/** As many different errors, and destinations, an hour has. What comes later than those counts as others. */
const MOST_NAMES = 20;
export const OTHERS = "(others)";
const LONGEST_ERROR = 80;
const LONGEST_DESTINATION = 300;

/** Counters of an item: `e:` an error, `d:` a destination's attempts that another follows, `f:` those that none does, `x:` of these, those of jobs that are DEAD. */
const KINDS = ["e", "d", "f", "x"] as const;

export interface Troubles {
  readonly errors: ReadonlyMap<string, number>;
  readonly destinations: ReadonlyMap<
    string,
    { readonly retried: number; readonly failed: number; readonly dead: number }
  >;
}

export function createTroubles({ table }: { table: Table }) {
  /** The names that hours' items have, as far as this process has seen. */
  const known = new Map<string, ReadonlySet<string>>();

  /** One write for each app and hour in which attempts have failed, and one more for a process's first. */
  async function count(changes: readonly Change[]): Promise<void> {
    await Promise.all([...troublesOf(changes)].map(async ([key, increments]) => add(key, increments)));
  }

  async function add(key: string, increments: Increments): Promise<void> {
    const [appId = "", hour = ""] = key.split("/");
    const at = { pk: pkOf(appId), sk: iso(Number(hour)) };
    const expiresAt = expirySeconds(Number(hour) + KEPT);
    const names = known.get(key) ?? namesOf(await write({ seen: 1 }));
    remember(known, key, namesOf(await write(within(increments, names))));

    async function write(by: Readonly<Record<string, number>>) {
      const entries = Object.entries(by);
      const { item } = await table.update(
        at,
        {
          UpdateExpression: `SET expiresAt = :expiry ADD ${entries.map((_, n) => `#c${n} :c${n}`).join(", ")}`,
          ExpressionAttributeNames: Object.fromEntries(entries.map(([name], n) => [`#c${n}`, name])),
          values: { ":expiry": expiresAt, ...Object.fromEntries(entries.map(([, count], n) => [`:c${n}`, count])) },
        },
        "ALL_NEW",
      );
      return item ?? {};
    }
  }

  /** The sums of the hours from one to another, both included. */
  async function between(appId: string, from: EpochMs, to: EpochMs): Promise<Troubles> {
    const items = await table.queryAll({
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :from AND :to",
      values: { ":pk": pkOf(appId), ":from": iso(hourOf(from)), ":to": iso(hourOf(to)) },
    });
    const sums = new Map<string, number>();
    for (const [name, count] of items.flatMap((item) => Object.entries(item)))
      if (typeof count === "number") sums.set(name, (sums.get(name) ?? 0) + count);
    const of = (kind: string) => [...sums].filter(([name]) => name.startsWith(`${kind}:`));
    const destinations = new Set([...of("d"), ...of("f")].map(([name]) => name.slice(2)));
    return {
      errors: new Map(of("e").map(([name, count]) => [name.slice(2), count])),
      destinations: new Map(
        [...destinations].map((name) => [
          name,
          {
            retried: sums.get(`d:${name}`) ?? 0,
            failed: sums.get(`f:${name}`) ?? 0,
            dead: sums.get(`x:${name}`) ?? 0,
          },
        ]),
      ),
    };
  }

  return { count, between };
}

function pkOf(appId: string): string {
  return `TROUBLES#${appId}`;
}

function namesOf(item: object): ReadonlySet<string> {
  return new Set(Object.keys(item).filter((name) => /^[edfx]:/.test(name)));
}

/** Increments whose new names an hour's item has room for. The others' are added up. */
function within(increments: Increments, names: ReadonlySet<string>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const kind of KINDS) {
    const isOf = (name: string) => name.startsWith(`${kind}:`);
    let room = MOST_NAMES - [...names].filter((name) => isOf(name) && name !== `${kind}:${OTHERS}`).length;
    // The most frequent of this batch first.
    for (const [name, by] of [...increments].filter(([of]) => isOf(of)).toSorted(([, a], [, b]) => b - a)) {
      const isKnown = names.has(name);
      if (!isKnown) room -= 1;
      const shown = isKnown || room >= 0 ? name : `${kind}:${OTHERS}`;
      sums[shown] = (sums[shown] ?? 0) + by;
    }
  }
  return sums;
}

/** Increments by `app/start of the hour`. */
export function troublesOf(changes: readonly Change[]): Map<string, Increments> {
  const hours = new Map<string, Increments>();
  for (const { before, after } of changes) {
    if (!after || !hasFailed(before, after)) continue;
    const { destination, lastError = "" } = after;
    const kinds = after.status === "RETRYING" ? ["d"] : after.status === "DEAD" ? ["f", "x"] : ["f"];
    const isNamed = destination !== undefined && destination.length <= LONGEST_DESTINATION;
    grow(hours, `${after.appId}/${hourOf(after.updatedAt)}`, [
      [`e:${errorClass(lastError)}`, 1],
      ...(isNamed ? kinds.map((kind) => [`${kind}:${destination}`, 1] as const) : []),
    ]);
  }
  return hours;
}

/** Whether an attempt of a job has failed. A person who stops a job that waits is no failure. */
function hasFailed(before: Job | undefined, after: Job): boolean {
  const was = before?.createdAt === after.createdAt ? before : undefined;
  const isOfAttempt = was ? was.status === "RUNNING" : after.attempts > 0;
  return isOfAttempt && ["RETRYING", "FAILED", "DEAD"].includes(after.status) && after.lastError !== undefined;
}

/** The kind of an error: its first words, without what differs from one job to the next. */
export function errorClass(error: string): string {
  const [head = ""] = maskedText(error).split(/: |\n/, 1);
  const text = head
    .replace(/\b[\da-f]{8}-[\da-f-]{27}\b|\b(?=[a-f]*\d)[\da-f]{12,}\b|\d{4,}/gi, "…")
    .replace(/\s+/g, " ")
    .trim();
  return (
    (text.length > LONGEST_ERROR ? `${text.slice(0, LONGEST_ERROR - 1)}…` : text).toWellFormed() || "no error told"
  );
}
