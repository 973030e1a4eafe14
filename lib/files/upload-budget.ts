import { DAY, HOUR, type Clock, type EpochMs } from "../clock.ts";
import type { AppStore } from "../store/app-store.ts";
import { remember } from "../job/remember.ts";
import { budgetKey, overBudget, spend, type Spending } from "../store/budgets.ts";
import { expirySeconds, type Item, type Table, type Write } from "../store/table.ts";

// The bytes of an app's uploads: those of files that are there, and of files that are announced, until they are completed
// or given up. Each file has an item, which is written together with the count, so that none counts twice. What is
// announced is also counted by the hour: an hour whose uploads have all been given up is taken off when room is short.

/** S3's retention of the parts of an uncompleted upload, from resources.yml. */
export const BEGUN_KEPT = DAY;
/** A completion that began in time has ended by then. */
const GIVEN_UP_AFTER = BEGUN_KEPT + 2 * HOUR;
/** How long the item of a file that is gone is kept. */
const REMEMBERED = DAY;
const MOST_TRIES = 10;
const UPLOADS = "UPLOADS";

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  /** For `uploadBytes`, what an app may have. */
  readonly apps: Pick<AppStore, "settingsOf">;
}

/** `isThere`: false once the file is gone. Absent: it is announced. */
interface UploadItem {
  readonly bytes: number;
  readonly hour: number;
  readonly isThere?: boolean;
  readonly uploadId?: string;
  readonly expiresAt?: number;
}

/** `announced`, `kept`: an earlier request has brought it, so that it counts already. */
type Standing = "new" | "announced" | "kept";

export interface Counted {
  readonly appId: string;
  readonly fileKey: string;
  readonly bytes: number;
}

export function uploadKey(fileKey: string) {
  return { pk: `U#${fileKey}`, sk: "U" };
}

export function createUploadBudget(parts: Parts) {
  const { table, clock } = parts;
  /** The hours in which the counts of apps were tidied last. */
  const tidied = new Map<string, number>();

  /** Counts a file that is announced, and says how it stands. Throws FORBIDDEN when the app may not have as much. */
  async function announce(file: Counted): Promise<Standing> {
    const now = clock.now();
    const hour = hourOf(now);
    const expiresAt = expirySeconds(now + clock.during(BEGUN_KEPT));
    const standing = await bring(parts, file, { bytes: file.bytes, hour, expiresAt });
    if (standing === "new") await tidy(file.appId, hour);
    return standing;
  }

  /** Once an hour, takes off the hours that are over: each has a field of the count, which would grow without end. */
  async function tidy(appId: string, hour: number): Promise<void> {
    if (tidied.get(appId) === hour) return;
    remember(tidied, appId, hour);
    // What fails is done an hour later.
    await table
      .get(budgetKey(appId, UPLOADS))
      .then(async (count) => takeOff(parts, appId, count ?? {}))
      .catch(() => {});
  }

  /** The announced file is there. A repeat changes nothing. */
  async function completed(file: Pick<Counted, "appId" | "fileKey">): Promise<void> {
    await settle(parts, file, {
      from: "announced",
      update: "SET isThere = :to REMOVE expiresAt",
      values: { ":to": true },
      counts: ({ bytes, hour }) => ({ [nameOf(hour)]: { by: -bytes } }),
    });
  }

  /** An announced file did not come as announced, or one that was there goes. A repeat changes nothing. */
  async function gone(file: Pick<Counted, "appId" | "fileKey">): Promise<void> {
    await settle(parts, file, {
      from: "any",
      update: "SET isThere = :to, expiresAt = :expiry",
      values: { ":to": false, ":expiry": expirySeconds(clock.now() + REMEMBERED) },
      counts: ({ bytes, hour, isThere }) => ({
        used: { by: -bytes },
        ...(isThere === undefined && { [nameOf(hour)]: { by: -bytes } }),
      }),
    });
  }

  return { announce, completed, gone };
}

async function bring(parts: Parts, { appId, fileKey, bytes }: Counted, item: UploadItem): Promise<Standing> {
  const { table, clock, apps } = parts;
  const { uploadBytes: most } = await apps.settingsOf(appId);
  const writes: Write[] = [
    {
      put: { ...uploadKey(fileKey), ...item },
      when: { ConditionExpression: "attribute_not_exists(pk) OR isThere = :gone", values: { ":gone": false } },
    },
    spend(appId, UPLOADS, { used: { by: bytes, most }, [nameOf(item.hour)]: { by: bytes } }),
  ];
  let cause: Error | undefined;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    if (tries > 0) await clock.sleep(clock.random() * 20 * 2 ** Math.min(tries, 5));
    const written = await table.transact(writes);
    if (written.kind === "written") return "new";
    ({ cause } = written);
    const [ofItem, ofCount] = written.failed;
    if (ofItem) return ofItem.item?.["isThere"] === true ? "kept" : "announced";
    if (ofCount && !(await takeOff(parts, appId, ofCount.item ?? {})))
      throw overBudget("uploadBytes", most, "delete files by the task cleanup");
  }
  throw table.unavailable("the count of uploads is changing too fast", cause);
}

interface Settling {
  readonly from: "announced" | "any";
  readonly update: string;
  readonly values: Item;
  readonly counts: (item: UploadItem) => Record<string, Spending>;
}

/** Changes the item of a file together with the count, unless the file is gone, or no longer announced alone. */
async function settle(
  { table, clock }: Parts,
  { appId, fileKey }: Pick<Counted, "appId" | "fileKey">,
  { from, update, values, counts }: Settling,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    if (tries > 0) await clock.sleep(clock.random() * 20 * 2 ** Math.min(tries, 5));
    const item = (await table.get(uploadKey(fileKey))) as UploadItem | undefined;
    // A file of a version that counted none.
    if (item?.bytes === undefined || item.isThere === false) return;
    if (from === "announced" && item.isThere !== undefined) return;
    const seen = item.isThere === undefined ? "attribute_not_exists(isThere)" : "isThere = :seen";
    const done = await table.transact([
      {
        update: uploadKey(fileKey),
        by: {
          UpdateExpression: update,
          ConditionExpression: `attribute_exists(bytes) AND ${seen}`,
          values: { ...values, ...(item.isThere !== undefined && { ":seen": item.isThere }) },
        },
      },
      spend(appId, UPLOADS, counts(item)),
    ]);
    if (done.kind === "written") return;
  }
  throw table.unavailable("the count of uploads is changing too fast");
}

/** Takes the uploads that were given up off the count, unless another call does. False if there are none. */
async function takeOff({ table, clock }: Parts, appId: string, count: Item): Promise<boolean> {
  const last = hourOf(clock.now() - clock.during(GIVEN_UP_AFTER));
  let isAny = false;
  for (const [name, bytes] of Object.entries(count)) {
    const hour = Number(/^hour(\d+)$/.exec(name)?.[1] ?? NaN);
    if (!(hour < last)) continue;
    await table.update(budgetKey(appId, UPLOADS), {
      UpdateExpression: "SET #used = #used - :bytes REMOVE #hour",
      ConditionExpression: "#hour = :bytes",
      ExpressionAttributeNames: { "#used": "used", "#hour": name },
      values: { ":bytes": bytes },
    });
    isAny ||= Number(bytes) > 0;
  }
  return isAny;
}

function hourOf(time: EpochMs): number {
  return Math.floor(time / HOUR);
}

function nameOf(hour: number): string {
  return `hour${hour}`;
}
