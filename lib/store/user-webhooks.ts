import { appKey } from "./audit.ts";
import type { ItemKey, Table } from "./table.ts";

// Where the users of an app want to be told of the ends of their long PDF jobs.

export function createUserWebhooks({ table }: { readonly table: Table }) {
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

  return { webhookOf, setWebhook };
}

function userKey(appId: string, userId: string): ItemKey {
  return appKey(appId, `USER#${userId}`);
}
