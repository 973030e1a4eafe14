import type { Clock, EpochMs } from "../clock.ts";
import type { Item, ItemKey, Table } from "./table.ts";

// The apps that there are. An app exists once a token names it, and is noted here with its first settings, limits or
// signing secret, or once its first job is counted: never on the path of a job.

/** Apps that this process has noted need no further write. An id takes about a hundred bytes. */
const MOST_REMEMBERED = 50_000;
const PARTITION = "APPS";

export interface KnownApp {
  readonly appId: string;
  /** When it was noted. */
  readonly since: EpochMs;
}

export type AppRegister = ReturnType<typeof createAppRegister>;

export function createAppRegister({ table, clock }: { table: Table; clock: Clock }) {
  const noted = new Set<string>();

  /** One write for each app that this process has not noted before. */
  async function note(appIds: Iterable<string>): Promise<void> {
    const others = [...new Set(appIds)].filter((appId) => !noted.has(appId));
    if (noted.size + others.length > MOST_REMEMBERED) noted.clear();
    await Promise.all(
      others.map(async (appId) => {
        const first = {
          UpdateExpression: "SET notedAt = if_not_exists(notedAt, :now)",
          values: { ":now": clock.now() },
        };
        await table.update(keyOf(appId), first);
        noted.add(appId);
      }),
    );
  }

  /** In the order of their ids. `after`: the last one of the page before. */
  async function list({ limit, after }: { limit: number; after?: string | undefined }) {
    const { items, next } = await table.query({
      KeyConditionExpression: "pk = :pk",
      values: { ":pk": PARTITION },
      Limit: limit,
      after: after === undefined ? undefined : keyOf(after),
    });
    return { apps: items.map(appOf), next: next && String(next["sk"]) };
  }

  return { note, list };
}

function keyOf(appId: string): ItemKey {
  return { pk: PARTITION, sk: appId };
}

function appOf({ sk, notedAt }: Item): KnownApp {
  return { appId: String(sk), since: Number(notedAt) };
}
