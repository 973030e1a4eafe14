import { createHash } from "node:crypto";
import { DAY, HOUR, MINUTE, SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { BacklogRef } from "../job/backlog.ts";
import { remember } from "../job/remember.ts";
import { backlogKey, dueShard } from "./job-keys.ts";
import { expirySeconds, type Item, type Table } from "./table.ts";

// The backlogs: jobs that wait for the same thing. A job in a backlog is not due itself; its backlog is.

/** A backlog in which nothing has waited for this long is forgotten. */
const KEPT = 7 * DAY;
/** How long a process may rely on a backlog that it has announced. */
const ANNOUNCED_FOR = 30 * SECOND;
const LONGEST_LOOK = HOUR;
/** A page of a look takes seconds of real time. Nobody else looks meanwhile; a look whose sweep has died is over then. */
const LOOKS_FOR = 25 * SECOND;

export type Backlogs = ReturnType<typeof createBacklogs>;

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
}

export function createBacklogs({ table, clock }: Parts) {
  /** Makes the sweep look at a backlog now, if there is one, also where a look is under way: that one has seen less. */
  async function wake(ref: BacklogRef): Promise<void> {
    await table.update(itemKey(backlogKey(ref)), {
      UpdateExpression: "SET dueAt = :now REMOVE lookUntil",
      ConditionExpression: "attribute_exists(pk)",
      values: { ":now": clock.now() },
    });
  }

  /**
   * Ends a look at a backlog in which jobs wait, and sets the next one. It was due at `seen`; one that was woken meanwhile
   * stays due.
   */
  async function lookAgain(ref: BacklogRef, seen: EpochMs, at: EpochMs): Promise<void> {
    if (isAnnounced(await table.get(itemKey(backlogKey(ref))))) return;
    await table.update(itemKey(backlogKey(ref)), {
      UpdateExpression: "SET dueAt = :at, expiresAt = :expiresAt REMOVE lookUntil",
      ConditionExpression: "dueAt = :seen",
      values: { ":at": at, ":seen": seen, ":expiresAt": expirySeconds(at + KEPT) },
    });
  }

  /** While a process may rely on having announced a backlog, a job may come unannounced. */
  function isAnnounced(item: Item | undefined): boolean {
    return clock.now() - Number(item?.["touchedAt"] ?? 0) < clock.during(ANNOUNCED_FOR);
  }

  /** Ends a look at a backlog that was found empty, and sets the next one: less often the longer no job has come. */
  async function rest(ref: BacklogRef, seen: EpochMs): Promise<void> {
    const now = clock.now();
    const item = await table.get(itemKey(backlogKey(ref)));
    const touchedAt = Number(item?.["touchedAt"] ?? now);
    const quiet = now - touchedAt;
    const wait = isAnnounced(item) ? MINUTE : Math.max(quiet, MINUTE);
    await table.update(itemKey(backlogKey(ref)), {
      UpdateExpression: "SET dueAt = :at, expiresAt = :expiresAt REMOVE lookUntil",
      ConditionExpression: "dueAt = :seen",
      values: {
        ":at": Math.round(now + Math.min(wait, LONGEST_LOOK)),
        ":seen": seen,
        // The look has kept it for longer.
        ":expiresAt": expirySeconds(touchedAt + KEPT),
      },
    });
  }

  return {
    /** Makes sure that the sweep looks at a backlog within a minute. Call it before a job goes there. */
    announce: createAnnounce({ table, clock }),
    wake,
    ...createLooks({ table, clock }),
    lookAgain,
    rest,
  };
}

/** The looks of sweeps: of two sweeps at a time, one looks at a backlog. */
function createLooks({ table, clock }: Parts) {
  /**
   * Begins a look at a backlog that is due by `until`, and sets the next one. Returns the time by which the look is to go
   * on, which is its name; undefined if another sweep looks at it now.
   */
  async function beginLook(ref: BacklogRef, until: EpochMs, nextAt: EpochMs): Promise<EpochMs | undefined> {
    const now = clock.now();
    const lookUntil = endOfLook(now);
    const { held } = await table.update(itemKey(backlogKey(ref)), {
      UpdateExpression: "SET dueAt = :at, lookUntil = :ends, expiresAt = :expiresAt",
      ConditionExpression: "dueAt <= :until AND (attribute_not_exists(lookUntil) OR lookUntil < :now)",
      values: {
        ":at": nextAt,
        ":until": until,
        ":now": now,
        ":ends": lookUntil,
        ":expiresAt": expirySeconds(nextAt + KEPT),
      },
    });
    return held ? lookUntil : undefined;
  }

  /** Goes on with a look, whose name changes. Undefined if it is another sweep's by now. */
  async function goOnLooking(ref: BacklogRef, look: EpochMs): Promise<EpochMs | undefined> {
    const lookUntil = Math.max(endOfLook(clock.now()), look + 1);
    const { held } = await table.update(itemKey(backlogKey(ref)), {
      UpdateExpression: "SET lookUntil = :ends",
      ConditionExpression: "lookUntil = :look",
      values: { ":look": look, ":ends": lookUntil },
    });
    return held ? lookUntil : undefined;
  }

  /** Ends a look: the next one is when it is due. */
  async function endLook(ref: BacklogRef, look: EpochMs): Promise<void> {
    await table.update(itemKey(backlogKey(ref)), {
      UpdateExpression: "REMOVE lookUntil",
      ConditionExpression: "lookUntil = :look",
      values: { ":look": look },
    });
  }

  /** Leaves the rest of a look to others, at once. */
  async function giveUpLook(ref: BacklogRef, look: EpochMs): Promise<void> {
    await table.update(itemKey(backlogKey(ref)), {
      UpdateExpression: "SET dueAt = :now REMOVE lookUntil",
      ConditionExpression: "lookUntil = :look",
      values: { ":now": clock.now(), ":look": look },
    });
  }

  function endOfLook(now: EpochMs): EpochMs {
    return Math.round(now + clock.during(LOOKS_FOR));
  }

  return { beginLook, goOnLooking, endLook, giveUpLook };
}

function createAnnounce({ table, clock }: Parts): (ref: BacklogRef) => Promise<void> {
  const announced = new Map<string, EpochMs>();
  /** The writes that are not answered yet: messages of a batch come to a backlog together, and it is one item. */
  const announcing = new Map<string, Promise<void>>();

  async function announce(ref: BacklogRef): Promise<void> {
    const key = backlogKey(ref);
    if (clock.now() - (announced.get(key) ?? -Infinity) < clock.during(ANNOUNCED_FOR)) return;
    const written = announcing.get(key) ?? writeDue(ref, key).finally(() => announcing.delete(key));
    announcing.set(key, written);
    await written;
  }

  async function writeDue(ref: BacklogRef, key: string): Promise<void> {
    const now = clock.now();
    await table.update(itemKey(key), {
      UpdateExpression: "SET due = :due, byApp = :app, dueAt = :now, touchedAt = :now, expiresAt = :expiresAt",
      values: { ":due": shardOf(key), ":app": `${ref.appId}#`, ":now": now, ":expiresAt": expirySeconds(now + KEPT) },
    });
    remember(announced, key, now);
  }

  return announce;
}

function itemKey(key: string) {
  return { pk: key, sk: "B" };
}

function shardOf(key: string): string {
  return dueShard(createHash("sha256").update(key).digest("hex"));
}
