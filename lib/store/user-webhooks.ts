import { MINUTE, SECOND, type Clock } from "../clock.ts";
import { ClientError } from "../errors.ts";
import { appKey } from "./audit.ts";
import { atVersion, expirySeconds, type ItemKey, type Table } from "./table.ts";

// Where the users of an app want to be told of the ends of their long PDF jobs.

/** A token needs no permission for them, and each is a request with the app's signature. */
const MOST_A_MINUTE = 10;
const MOST_TRIES = 10;

export function createUserWebhooks({ table, clock }: { readonly table: Table; readonly clock: Clock }) {
  /** The URL that is told when a long PDF job of the user ends. */
  async function webhookOf(appId: string, userId: string): Promise<string | null> {
    const found = (await table.get(userKey(appId, userId))) as { webhookUrl?: string | null } | undefined;
    return found?.webhookUrl ?? null;
  }

  /** Returns the URL that it replaces. */
  async function setWebhook(appId: string, userId: string, webhookUrl: string | null): Promise<string | null> {
    const before = await table.replace({ ...userKey(appId, userId), webhookUrl });
    return (before as { webhookUrl?: string | null } | undefined)?.webhookUrl ?? null;
  }

  /** Counts a webhook of the user. Throws TOO_MANY_REQUESTS when there were ten within the last minute of real time. */
  async function admitWebhook(appId: string, userId: string): Promise<void> {
    const key = { pk: `RATE#${appId}#${userId}`, sk: "WEBHOOKS" };
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { version = 0, times = [] } = ((await table.get(key)) ?? {}) as { version?: number; times?: number[] };
      const now = clock.realNow();
      const lately = times.filter((at) => at > now - MINUTE);
      if (lately.length >= MOST_A_MINUTE) throw tooMany((lately[0] ?? now) + MINUTE - now);
      const item = {
        ...key,
        version: version + 1,
        times: [...lately, now],
        expiresAt: expirySeconds(now + 2 * MINUTE),
      };
      if ((await table.put(item, atVersion(version))).held) return;
    }
    throw tooMany(SECOND);
  }

  return { webhookOf, setWebhook, admitWebhook };
}

function userKey(appId: string, userId: string): ItemKey {
  return appKey(appId, `USER#${userId}`);
}

function tooMany(waitMs: number): ClientError {
  const retryAfterSeconds = Math.ceil(waitMs / SECOND);
  const message = `Your jobs may have ${MOST_A_MINUTE} webhooks a minute: try again in ${retryAfterSeconds} s, or with webhook_url null, and ask GET /jobs/{job_id}`;
  return new ClientError("TOO_MANY_REQUESTS", message, [], { retryAfterSeconds });
}
