import {
  ConditionalCheckFailedException,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type AttributeValue,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { askOf } from "../aws.ts";
import { cached } from "../store/cached.ts";
import { FAILURE_WINDOW, PROBE_EVERY, type Circuit } from "./circuit.ts";
import { DAY, HOUR, SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { Table } from "../store/table.ts";
import { Unavailable } from "../errors.ts";
import { LONGEST_MESSAGE_DELAY } from "../job/job.ts";
import { MARSHALL, expirySeconds, hasExpired, type Item } from "../store/job-item.ts";

/** A destination of an app's jobs: an origin or a function's name. */
export interface DestinationRef {
  readonly appId: string;
  readonly destination: string;
}

/** A place among the attempts that may run at a destination at once. */
export interface Slot extends DestinationRef {
  readonly holder: string;
  readonly since: EpochMs;
  /** When the attempt that has it is over for certain. */
  readonly until: EpochMs;
}

const TABLE = "The jobs table";
const MOST_TRIES = 5;
/** How long an outage is remembered that no attempt has touched since. */
const OUTAGE_KEPT = 30 * DAY;

export type DestinationStore = ReturnType<typeof createDestinationStore>;

/** What is known of destinations that deviate, and whose turn it is at those that have limits. */
export function createDestinationStore(parts: { table: Table; clock: Clock }) {
  const { clock } = parts;
  const table = parts.table.name;
  const { dynamodb } = parts.table;
  const circuits = cached(clock, (key) => read(refOf(key)));

  /** As this process last saw it, at most ten seconds ago. */
  const circuitOf = async (ref: DestinationRef): Promise<Circuit | undefined> => circuits(keyOf(ref));

  /** As it is now. */
  async function read(ref: DestinationRef): Promise<Circuit | undefined> {
    return (await readVersioned(ref)).circuit;
  }

  async function readVersioned(ref: DestinationRef): Promise<{ circuit: Circuit | undefined; version: number }> {
    const Key = marshall(itemKey(ref));
    const get = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
    const { Item: found } = await askOf(TABLE, dynamodb().send(get));
    const item = found ? unmarshall(found) : {};
    return { circuit: circuitIn(item), version: Number(item["version"] ?? 0) };
  }

  /** Nothing where nothing has failed for as long as counts. */
  function circuitIn(item: Item): Circuit | undefined {
    if (item["state"] === undefined || hasExpired(item, clock.now())) return undefined;
    const { pk: _, sk: __, version: ___, expiresAt: ____, ...circuit } = item;
    const isClosed = circuit["state"] === "closed" && (circuit["failures"] as unknown[]).length === 0;
    return isClosed ? undefined : (circuit as unknown as Circuit);
  }

  /**
   * Changes what is known of a destination, looking again when somebody else was faster; `make` answers with
   * the same when there is nothing to change. Returns what it is then.
   */
  async function change(
    ref: DestinationRef,
    make: (circuit: Circuit | undefined) => Circuit | undefined,
  ): Promise<Circuit | undefined> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { circuit, version } = await readVersioned(ref);
      const changed = make(circuit);
      if (changed === circuit || (await put(ref, changed, version))) {
        circuits.learn(keyOf(ref), changed);
        return changed;
      }
    }
    throw new Unavailable(TABLE, new Error("the destination is changing too fast"));
  }

  async function put(ref: DestinationRef, circuit: Circuit | undefined, version: number): Promise<boolean> {
    const item = {
      ...itemKey(ref),
      ...(circuit ?? NONE),
      version: version + 1,
      ...(circuit?.state !== "held" && { expiresAt: expirySeconds(clock.now() + keptFor(circuit)) }),
    };
    const command = new PutItemCommand({
      TableName: table,
      Item: marshall(item, MARSHALL),
      ConditionExpression: version === 0 ? "attribute_not_exists(pk)" : "version = :version",
      ...(version > 0 && { ExpressionAttributeValues: marshall({ ":version": version }) }),
    });
    return (await unlessConditionFails(dynamodb().send(command))).held;
  }

  /** Lets one caller probe an open destination whose time for that has come. */
  async function takeProbe(ref: DestinationRef): Promise<boolean> {
    const now = clock.now();
    let taken = false;
    await change(ref, (circuit) => {
      taken = circuit?.state === "open" && (circuit.probeAt ?? 0) <= now;
      return circuit && taken ? { ...circuit, probeAt: now + PROBE_EVERY } : circuit;
    });
    return taken;
  }

  /** The destinations of an app that have failed lately or are held, by name; `after` is the last one seen. */
  async function list(appId: string, limit: number, after?: string) {
    const query = new QueryCommand({
      TableName: table,
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :first AND :last",
      ExpressionAttributeValues: marshall({ ":pk": `APP#${appId}`, ":first": PREFIX, ":last": `${PREFIX}~` }),
      Limit: limit,
      ...(after !== undefined && { ExclusiveStartKey: marshall(itemKey({ appId, destination: after })) }),
    });
    const { Items = [], LastEvaluatedKey } = await askOf(TABLE, dynamodb().send(query));
    const found = Items.flatMap((each) => {
      const item = unmarshall(each);
      const circuit = circuitIn(item);
      return circuit ? [{ destination: destinationIn(item), circuit }] : [];
    });
    return { found, next: LastEvaluatedKey && destinationIn(unmarshall(LastEvaluatedKey)) };
  }

  // ---- Turns: what the limits of a destination are kept by, apart from the app's item, which deliveries read. ----

  /**
   * Takes the next turn in a row of turns that are `step` apart, in service time: now, if nobody waits.
   * Nothing when the row is longer than a message can be delayed: who comes later is not worse off.
   */
  async function takeTurn(ref: DestinationRef, row: "rate" | "slots", step: number): Promise<EpochMs | undefined> {
    const apart = Math.max(1, Math.ceil(step));
    // Another limit is another row: nobody waits by the old one.
    const sk = row === "rate" ? `TURNS#rate#${apart}` : "TURNS#slots";
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const now = clock.now();
      const expiresAt = expirySeconds(now + DAY);
      const next = await update(ref, sk, {
        UpdateExpression: "SET nextAt = nextAt + :step, expiresAt = :expiresAt",
        ConditionExpression: "nextAt BETWEEN :now AND :last",
        values: { ":step": apart, ":now": now, ":last": now + LONGEST_MESSAGE_DELAY, ":expiresAt": expiresAt },
      });
      if (next.held) return Number(next.item["nextAt"]) - apart;
      if (Number(next.item["nextAt"] ?? 0) > now + LONGEST_MESSAGE_DELAY) return undefined;
      const first = await update(ref, sk, {
        UpdateExpression: "SET nextAt = :next, expiresAt = :expiresAt",
        ConditionExpression: "attribute_not_exists(nextAt) OR nextAt < :now",
        values: { ":next": now + apart, ":now": now, ":expiresAt": expiresAt },
      });
      if (first.held) return now;
    }
    throw new Unavailable(TABLE, new Error("the turns of the destination are changing too fast"));
  }

  /**
   * Takes a place. When all are taken: how long one is taken for, in service time, as far as that is known: by
   * the last that was given back, and by the one that has been held longest.
   */
  async function takeSlot(slot: Slot, most: number): Promise<"taken" | { readonly tookMs: number }> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const taken = await update(slot, "SLOTS", {
        UpdateExpression: "ADD slots :slot SET expiresAt = :expiresAt",
        // It may be there: written by a call whose answer was lost.
        ConditionExpression: "attribute_not_exists(slots) OR size(slots) < :most OR contains(slots, :name)",
        values: {
          ":slot": new Set([nameOf(slot)]),
          ":name": nameOf(slot),
          ":most": most,
          ":expiresAt": expirySeconds(slot.until + DAY),
        },
      });
      if (taken.held) return "taken";
      const slots = [...(taken.item["slots"] as Set<string>)];
      // The worker that held it is gone.
      const over = slots.filter((name) => Number(name.split(" ")[0]) <= clock.now());
      if (over.length === 0) {
        const heldMs = clock.now() - Math.min(...slots.map((name) => Number(name.split(" ")[1])));
        return { tookMs: Math.max(Number(taken.item["tookMs"] ?? SECOND), heldMs) };
      }
      await update(slot, "SLOTS", { UpdateExpression: "DELETE slots :over", values: { ":over": new Set(over) } });
    }
    throw new Unavailable(TABLE, new Error("the slots of the destination are changing too fast"));
  }

  /** Gives a place back. `tookMs`: how long an attempt had it, in service time; none if it had not started. */
  async function leaveSlot(slot: Slot, tookMs?: number): Promise<void> {
    await update(slot, "SLOTS", {
      UpdateExpression: `DELETE slots :slot${tookMs === undefined ? "" : " SET tookMs = :took"}`,
      values: { ":slot": new Set([nameOf(slot)]), ...(tookMs !== undefined && { ":took": tookMs }) },
    });
  }

  async function update(
    { appId, destination }: DestinationRef,
    sk: string,
    { values, ...expressions }: { UpdateExpression: string; ConditionExpression?: string; values: Item },
  ): Promise<Written> {
    const command = new UpdateItemCommand({
      TableName: table,
      Key: marshall({ pk: `FLOW#${appId}#${destination}`, sk }),
      ...expressions,
      ExpressionAttributeValues: marshall(values),
      ReturnValues: "ALL_NEW",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    return unlessConditionFails(dynamodb().send(command));
  }

  return { circuitOf, read, change, takeProbe, list, takeTurn, takeSlot, leaveSlot };
}

/** Whether the condition of a write held, and the item: as written, or as it stands in the way. */
interface Written {
  readonly held: boolean;
  readonly item: Item;
}

async function unlessConditionFails(
  write: Promise<{ Attributes?: Record<string, AttributeValue> | undefined }>,
): Promise<Written> {
  try {
    const { Attributes } = await askOf(TABLE, write);
    return { held: true, item: Attributes ? unmarshall(Attributes) : {} };
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    return { held: false, item: error.Item ? unmarshall(error.Item) : {} };
  }
}

const NONE = { state: "closed", failures: [] } as const;
const PREFIX = "DEST#";

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

function nameOf({ until, since, holder }: Slot): string {
  return `${until} ${since} ${holder}`;
}

/** Tells the destinations of all apps apart. */
export function keyOf({ appId, destination }: DestinationRef): string {
  return `${appId} ${destination}`;
}

function refOf(key: string): DestinationRef {
  const space = key.indexOf(" ");
  return { appId: key.slice(0, space), destination: key.slice(space + 1) };
}
