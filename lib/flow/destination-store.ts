import { DAY, HOUR, type Clock, type EpochMs } from "../clock.ts";
import { cached } from "../store/cached.ts";
import { atVersion, expirySeconds, hasExpired, type Item, type Table } from "../store/table.ts";
import { FAILURE_WINDOW, PROBE_EVERY, type Circuit } from "./circuit.ts";

/** A destination of an app's jobs: an origin or a function's name. */
export interface DestinationRef {
  readonly appId: string;
  readonly destination: string;
}

/** DNS has no longer names, so no longer destination can exist. */
export const LONGEST_DESTINATION = 300;
const MOST_TRIES = 5;
/** The retention of an outage after its last attempt. */
const OUTAGE_KEPT = 30 * DAY;

export type DestinationStore = ReturnType<typeof createDestinationStore>;

/**
 * What is known of a destination. `slowUntil`: the time until which it counts as slow. `counted`: of a whole app, its
 * latest destinations with slow attempts beyond its share, and until when each of them counts.
 */
interface Known {
  readonly circuit?: Circuit | undefined;
  readonly slowUntil?: EpochMs | undefined;
  readonly counted?: readonly Counted[] | undefined;
}

interface Counted {
  readonly destination: string;
  readonly until: EpochMs;
}

/** The circuits of destinations that have failed lately, and which destinations are slow. */
export function createDestinationStore({ table, clock }: { table: Table; clock: Clock }) {
  const known = cached(clock, async (key) => knownIn((await table.get(itemKey(refOf(key)))) ?? {}, clock.now()));

  /** A cached read, at most ten seconds old. */
  const circuitOf = async (ref: DestinationRef): Promise<Circuit | undefined> => (await known(keyOf(ref))).circuit;

  /** The time until which a destination counts as slow, 0 if it does not: a cached read, at most ten seconds old. */
  const slowUntil = async (ref: DestinationRef): Promise<EpochMs> => (await known(keyOf(ref))).slowUntil ?? 0;

  /** A consistent read. */
  async function read(ref: DestinationRef): Promise<Circuit | undefined> {
    return knownIn((await table.get(itemKey(ref))) ?? {}, clock.now()).circuit;
  }

  /** The circuits of some of an app's destinations, by name: a read for each hundred. */
  async function circuitsOf(appId: string, destinations: readonly string[]): Promise<ReadonlyMap<string, Circuit>> {
    const keys = destinations.map((destination) => itemKey({ appId, destination }));
    const items = await table.getMany(keys, { consistent: false });
    const found = items.map((item) => [destinationIn(item), knownIn(item, clock.now()).circuit] as const);
    return new Map(found.flatMap(([name, circuit]) => (circuit ? [[name, circuit]] : [])));
  }

  /**
   * Changes a circuit, and reads it again after a race lost to another process. `make` returns its argument for no
   * change. Returns the circuit after the change.
   */
  async function change(
    ref: DestinationRef,
    make: (circuit: Circuit | undefined) => Circuit | undefined,
  ): Promise<Circuit | undefined> {
    const changed = await changeKnown(ref, (before) => {
      const circuit = make(before.circuit);
      return circuit === before.circuit ? before : { ...before, circuit };
    });
    return changed.circuit;
  }

  async function changeKnown(ref: DestinationRef, make: (before: Known) => Known): Promise<Known> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const item = (await table.get(itemKey(ref))) ?? {};
      const before = knownIn(item, clock.now());
      const after = make(before);
      if (after === before || (await put(ref, after, Number(item["version"] ?? 0)))) {
        known.learn(keyOf(ref), after);
        return after;
      }
    }
    throw table.unavailable("the destination is changing too fast");
  }

  async function put(ref: DestinationRef, known: Known, version: number): Promise<boolean> {
    const { circuit, slowUntil: slow = 0, counted = [] } = known;
    const now = clock.now();
    const last = Math.max(now + keptFor(circuit), slow, ...counted.map(({ until }) => until));
    const item = {
      ...itemKey(ref),
      ...(circuit ?? NONE),
      ...(slow > now && { slowUntil: slow }),
      ...(counted.length > 0 && { counted }),
      version: version + 1,
      ...(circuit?.state !== "held" && { expiresAt: expirySeconds(last) }),
    };
    return (await table.put(item, atVersion(version))).held;
  }

  /** True for one caller once the time to probe an open destination has come. */
  async function takeProbe(ref: DestinationRef): Promise<boolean> {
    const now = clock.now();
    let taken = false;
    await change(ref, (circuit) => {
      taken = circuit?.state === "open" && (circuit.probeAt ?? 0) <= now;
      return circuit && taken ? { ...circuit, probeAt: now + PROBE_EVERY } : circuit;
    });
    return taken;
  }

  const lists = { circuitsOf, list: listing(table, clock) };
  return { circuitOf, slowUntil, read, change, takeProbe, ...marks(changeKnown, clock), ...lists };
}

type Change = (ref: DestinationRef, make: (before: Known) => Known) => Promise<Known>;

/** The slow destinations. */
function marks(change: Change, clock: Clock) {
  /** Notes that a destination is slow. */
  async function markSlow(ref: DestinationRef, until: EpochMs): Promise<void> {
    await change(ref, (before) => ((before.slowUntil ?? 0) >= until ? before : { ...before, slowUntil: until }));
  }

  /** Counts a destination as one of an app's slow ones, of `most` at most. Returns how many count now. */
  async function countSlow(
    app: DestinationRef,
    destination: string,
    { until, most }: { readonly until: EpochMs; readonly most: number },
  ): Promise<number> {
    const { counted = [] } = await change(app, (before) => {
      const valid = (before.counted ?? []).filter((each) => each.until > clock.now());
      if (valid.length >= most) return before;
      const others = valid.filter((each) => each.destination !== destination);
      return { ...before, counted: [...others, { destination, until }] };
    });
    return counted.filter((each) => each.until > clock.now()).length;
  }

  return { markSlow, countSlow };
}

function listing(table: Table, clock: Clock) {
  /** An app's destinations that have failed lately or are held, by name; `after` is the last one of the page before. */
  return async function list(appId: string, limit: number, after?: string) {
    const page = await table.query({
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :first AND :last",
      values: { ":pk": `APP#${appId}`, ":first": PREFIX, ":last": `${PREFIX}~` },
      Limit: limit,
      after: after === undefined ? undefined : itemKey({ appId, destination: after }),
    });
    const found = page.items.flatMap((item) => {
      const { circuit } = knownIn(item, clock.now());
      return circuit ? [{ destination: destinationIn(item), circuit }] : [];
    });
    return { found, next: page.next && destinationIn(page.next) };
  };
}

const NONE = { state: "closed", failures: [] } as const;
const PREFIX = "DEST#";

/** There is no circuit if no failure counts any more. */
function knownIn(item: Item, now: EpochMs): Known {
  if (item["state"] === undefined || hasExpired(item, now)) return {};
  const { pk: _, sk: __, version: ___, expiresAt: ____, slowUntil, counted, ...circuit } = item;
  const isClosed = circuit["state"] === "closed" && (circuit["failures"] as unknown[]).length === 0;
  return {
    circuit: isClosed ? undefined : (circuit as unknown as Circuit),
    slowUntil: Number(slowUntil ?? 0),
    counted: counted as readonly Counted[] | undefined,
  };
}

function keptFor(circuit: Circuit | undefined): number {
  if (!circuit) return HOUR;
  return circuit.state === "open" ? OUTAGE_KEPT : FAILURE_WINDOW + HOUR;
}

function itemKey({ appId, destination }: DestinationRef) {
  return { pk: `APP#${appId}`, sk: `${PREFIX}${destination}` };
}

function destinationIn(item: Item): string {
  return String(item["sk"]).slice(PREFIX.length);
}

/** Unique among the destinations of all apps. */
export function keyOf({ appId, destination }: DestinationRef): string {
  return `${appId} ${destination}`;
}

function refOf(key: string): DestinationRef {
  const space = key.indexOf(" ");
  return { appId: key.slice(0, space), destination: key.slice(space + 1) };
}
