import { DAY, isoDay, type Clock } from "../clock.ts";
import { ClientError, reasonOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AppStore } from "../store/app-store.ts";
import { expirySeconds, type ItemKey, type Table } from "../store/table.ts";
import { MOST_PAGES } from "./page-count.ts";

// The pages that an app has rendered on a day of UTC, and their limit: the setting `pdfPagesPerDay`.

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  readonly log: Log;
  readonly apps: Pick<AppStore, "settingsOf">;
}

export type PageQuota = ReturnType<typeof createPageQuota>;

export function createPageQuota({ table, clock, log, apps }: Parts) {
  /** Throws FORBIDDEN when an app that has a limit of pages has reached it today. */
  async function admit(appId: string): Promise<void> {
    const { pdfPagesPerDay: limit } = await apps.settingsOf(appId);
    if (limit === null) return;
    const pages = Number((await table.get(keyOf(appId)))?.["pages"] ?? 0);
    if (pages < limit) return;
    const message = `The app's pdfPagesPerDay of ${limit} is reached: ${pages} pages today. More can be made from midnight UTC`;
    throw new ClientError("FORBIDDEN", message);
  }

  /** Counts the pages of a file. A failure is only logged: it must not cost the file. */
  async function count(appId: string, { pages, truncated }: { pages: number; truncated: boolean }): Promise<void> {
    const counted = {
      UpdateExpression: "SET expiresAt = :expiry ADD pages :pages",
      values: { ":expiry": expirySeconds(clock.now() + 2 * DAY), ":pages": truncated ? MOST_PAGES : pages },
    };
    await table.update(keyOf(appId), counted).catch((error: unknown) => {
      log("warn", "pdf.pages-not-counted", { appId, error: reasonOf(error) });
    });
  }

  function keyOf(appId: string): ItemKey {
    return { pk: `APP#${appId}`, sk: `PAGES#${isoDay(clock.now())}` };
  }

  return { admit, count };
}
