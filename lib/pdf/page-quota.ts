import { GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import type { AppStore } from "../store/app-store.ts";
import { askOf } from "../aws.ts";
import { DAY, SECOND, isoDay, type Clock } from "../clock.ts";
import type { Table } from "../store/table.ts";
import { ClientError, reasonOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { MOST_PAGES } from "./request.ts";

// How many pages an app has made on a day of UTC, and how many it may: the setting `pdfPagesPerDay`.

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  readonly log: Log;
  readonly apps: Pick<AppStore, "settingsOf">;
}

const TABLE = "The jobs table";

export type PageQuota = ReturnType<typeof createPageQuota>;

export function createPageQuota(parts: Parts) {
  const { clock, log, apps } = parts;
  const table = parts.table.name;
  const { dynamodb } = parts.table;

  /** Throws FORBIDDEN when an app that has a limit of pages has reached it today. */
  async function admit(appId: string): Promise<void> {
    const { pdfPagesPerDay: limit } = await apps.settingsOf(appId);
    if (limit === null) return;
    const get = new GetItemCommand({ TableName: table, Key: keyOf(appId), ConsistentRead: true });
    const { Item } = await askOf(TABLE, dynamodb().send(get));
    const pages = Number(Item?.["pages"]?.N ?? 0);
    if (pages < limit) return;
    const message = `The app's pdfPagesPerDay of ${limit} is reached: ${pages} pages today. More can be made from midnight UTC`;
    throw new ClientError("FORBIDDEN", message);
  }

  /** Counts the pages that are in a file. What can't be counted must not cost the file. */
  async function count(appId: string, { pages, truncated }: { pages: number; truncated: boolean }): Promise<void> {
    const update = new UpdateItemCommand({
      TableName: table,
      Key: keyOf(appId),
      UpdateExpression: "SET expiresAt = :expiry ADD pages :pages",
      ExpressionAttributeValues: marshall({
        ":expiry": Math.ceil((clock.now() + 2 * DAY) / SECOND),
        ":pages": truncated ? MOST_PAGES : pages,
      }),
    });
    await askOf(TABLE, dynamodb().send(update)).catch((error: unknown) => {
      log("warn", "pdf.pages-not-counted", { appId, error: reasonOf(error) });
    });
  }

  function keyOf(appId: string) {
    return marshall({ pk: `APP#${appId}`, sk: `PAGES#${isoDay(clock.now())}` });
  }

  return { admit, count };
}
