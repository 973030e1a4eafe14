import { DAY, HOUR, type Clock, type EpochMs } from "../clock.ts";
import { cached } from "../store/cached.ts";
import { atVersion, expirySeconds, hasExpired, type Item, type Table } from "../store/table.ts";
import { FAILURE_WINDOW, PROBE_EVERY, type Circuit } from "./circuit.ts";

/** A destination of an app's jobs: an origin or a function's name. */
export interface DestinationRef {
  readonly appId: string;
  readonly destination: string;
}

const MOST_TRIES = 5;
/** The retention of an outage after its last attempt. */
const OUTAGE_KEPT = 30 * DAY;

export type DestinationStore = ReturnType<typeof createDestinationStore>;

/** The circuits of destinations that have failed lately. */
export function createDestinationStore({ table, clock }: { table: Table; clock: Clock }) {
  const circuits = cached(clock, (key) => read(refOf(key)));

  /** A cached read, at most ten seconds old. */
  const circuitOf = async (ref: DestinationRef): Promise<Circuit | undefined> => circuits(keyOf(ref));

  /** A consistent read. */
  async function read(ref: DestinationRef): Promise<Circuit | undefined> {
    return circuitIn((await table.get(itemKey(ref))) ?? {}, clock.now());
  }

  /**
   * Changes a circuit, and reads it again after a race lost to another process. `make` returns its argument for no
   * change. Returns the circuit after the change.
   */
  async function change(
    ref: DestinationRef,
    make: (circuit: Circuit | undefined) => Circuit | undefined,
  ): Promise<Circuit | undefined> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const item = (await table.get(itemKey(ref))) ?? {};
      const circuit = circuitIn(item, clock.now());
      const changed = make(circuit);
      if (changed === circuit || (await put(ref, changed, Number(item["version"] ?? 0)))) {
        circuits.learn(keyOf(ref), changed);
        return changed;
      }
    }
    throw table.unavailable("the destination is changing too fast");
  }

  async function put(ref: DestinationRef, circuit: Circuit | undefined, version: number): Promise<boolean> {
    const item = {
      ...itemKey(ref),
      ...(circuit ?? NONE),
      version: version + 1,
      ...(circuit?.state !== "held" && { expiresAt: expirySeconds(clock.now() + keptFor(circuit)) }),
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

  /** An app's destinations that have failed lately or are held, by name; `after` is the last one of the page before. */
  async function list(appId: string, limit: number, after?: string) {
    const page = await table.query({
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :first AND :last",
      values: { ":pk": `APP#${appId}`, ":first": PREFIX, ":last": `${PREFIX}~` },
      Limit: limit,
      after: after === undefined ? undefined : itemKey({ appId, destination: after }),
    });
    const found = page.items.flatMap((item) => {
      const circuit = circuitIn(item, clock.now());
      return circuit ? [{ destination: destinationIn(item), circuit }] : [];
    });
    return { found, next: page.next && destinationIn(page.next) };
  }

  return { circuitOf, read, change, takeProbe, list };
}

const NONE = { state: "closed", failures: [] } as const;
const PREFIX = "DEST#";

/** Undefined if no failure counts any more. */
function circuitIn(item: Item, now: EpochMs): Circuit | undefined {
  if (item["state"] === undefined || hasExpired(item, now)) return undefined;
  const { pk: _, sk: __, version: ___, expiresAt: ____, ...circuit } = item;
  const isClosed = circuit["state"] === "closed" && (circuit["failures"] as unknown[]).length === 0;
  return isClosed ? undefined : (circuit as unknown as Circuit);
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
