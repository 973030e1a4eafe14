import {
  BatchWriteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type AttributeValue,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { askOf } from "../aws.ts";
import { DAY, type Clock } from "../clock.ts";
import type { Table } from "../store/table.ts";
import { Unavailable } from "../errors.ts";
import { expirySeconds, slotsKey } from "../store/job-item.ts";

/** How an app's slots for tasks stand. A claim takes one, and every end gives one back, along with the job's move. */
export interface Slots {
  readonly taken: number;
  /** The ranks of those that wait, the first ones first. */
  readonly first: readonly string[];
}

export type TaskSlots = ReturnType<typeof createTaskSlots>;

const TABLE = "The jobs table";
/** What never was taken out of the line is forgotten; its job is due anyway, and comes again. */
const KEPT_IN_LINE = 7 * DAY;
/** DynamoDB's limit of a batch. */
const LARGEST_WRITE = 25;

/** The line of an app's tasks that wait for a slot, in the order of their ranks. */
export function createTaskSlots(parts: { table: Table; clock: Clock }) {
  const { clock } = parts;
  const table = parts.table.name;
  const { dynamodb } = parts.table;

  /** As it is now, with the first `limit` of those that wait. */
  async function look(appId: string, limit: number): Promise<Slots> {
    const get = new GetItemCommand({ TableName: table, Key: marshall(slotsKey(appId)), ConsistentRead: true });
    const query = new QueryCommand({
      TableName: table,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: marshall({ ":pk": linePk(appId) }),
      ConsistentRead: true,
      Limit: limit,
    });
    const [{ Item: slots }, { Items: waiting = [] }] = await Promise.all([
      askOf(TABLE, dynamodb().send(get)),
      askOf(TABLE, dynamodb().send(query)),
    ]);
    return { taken: slots?.["holders"]?.SS?.length ?? 0, first: waiting.map((item) => String(unmarshall(item)["sk"])) };
  }

  async function enter(appId: string, rank: string): Promise<void> {
    const Item = marshall({ ...lineKey(appId, rank), expiresAt: expirySeconds(clock.now() + KEPT_IN_LINE) });
    await askOf(TABLE, dynamodb().send(new PutItemCommand({ TableName: table, Item })));
  }

  async function leave(appId: string, ranks: readonly string[]): Promise<void> {
    for (let from = 0; from < ranks.length; from += LARGEST_WRITE) {
      const keys = ranks.slice(from, from + LARGEST_WRITE).map((rank) => marshall(lineKey(appId, rank)));
      await remove(keys);
    }
  }

  async function remove(keys: readonly Record<string, AttributeValue>[]): Promise<void> {
    const requests = keys.map((Key) => ({ DeleteRequest: { Key } }));
    const { UnprocessedItems } = await askOf(
      TABLE,
      dynamodb().send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } })),
    );
    if (UnprocessedItems?.[table]?.length) throw new Unavailable(TABLE, new Error("it left writes unprocessed"));
  }

  return { look, enter, leave };
}

function linePk(appId: string): string {
  return `WAIT#${appId}`;
}

function lineKey(appId: string, rank: string) {
  return { pk: linePk(appId), sk: rank };
}
