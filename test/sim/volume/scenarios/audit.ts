import { unmarshall } from "@aws-sdk/util-dynamodb";
import { listAudit } from "../../../../lib/api/admin/audit.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../../../lib/clock.ts";
import type { AuditEntry } from "../../../../lib/store/audit.ts";
import { answerTo } from "../people.ts";
import { none, type Figure, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APPS = [1, 2, 3].map(appId);
const [BUSY, HELD] = ["https://busy.example", "https://held.example"];
const AUDIT_KEPT_FOR = 400 * DAY;
/** Once a day, for an hour, people change things. */
const AT_WORK = HOUR;
const MOST_CHANGES_A_DAY = 120;
/** The functions that deliver. */
const DELIVERING: ReadonlySet<string> = new Set(["process-jobs", "run-tasks"]);

type World = ReturnType<typeof createVolumeWorld>;

/** A change that a person makes, and the entry that is to tell of it. */
interface Made {
  readonly app: string;
  readonly action: string;
  readonly object: string;
  readonly make: (world: World) => Promise<void>;
}

/** The changes of an app in turn: a hold is followed by its resume. */
function changeOf(n: number): Made {
  const app = APPS[n % APPS.length] ?? "";
  const turn = Math.floor(n / APPS.length);
  const destination = `destination:${HELD}`;
  const all: Omit<Made, "app">[] = [
    { action: "settings.changed", object: "settings", make: async ({ set }) => set(app, { name: `The app ${n}` }) },
    { action: "destination.held", object: destination, make: async ({ hold }) => hold(app, HELD) },
    {
      action: "limits.changed",
      object: "limits",
      make: async ({ limit }) => limit(app, { requestsPerSecond: 100 + turn }),
    },
    { action: "destination.resumed", object: destination, make: async ({ resume }) => resume(app, HELD) },
  ];
  return { app, ...(all[turn % all.length] as Omit<Made, "app">) };
}

/** A partition of the table or of an index. */
const placeOf = (partition: string, index = "table") => `${index} ${partition}`;

/** People change settings, limits and holds day after day, beside deliveries. */
export const audit: Scenario = {
  name: "the audit log beside deliveries",
  jobs: { gate: 48, usual: 3_600, long: 36_000 },
  run: async (given) => {
    const read = new Set<string>();
    const world = createVolumeWorld({
      ...given,
      seed: "audit",
      auditKeptFor: AUDIT_KEPT_FOR,
      watch: {
        onRead: (by, index, partition) => {
          if (DELIVERING.has(by)) read.add(placeOf(partition, index));
        },
      },
    });
    const days = Math.ceil(given.jobs / MOST_CHANGES_A_DAY);
    const changes = Array.from({ length: given.jobs }, (_, n) => changeOf(n));
    const perDay = Math.ceil(given.jobs / days);
    for (const [n, { make }] of changes.entries()) {
      const at = Math.floor(n / perDay) * DAY + MINUTE + ((n % perDay) * AT_WORK) / perDay;
      world.at(at, () => void make(world));
      const job = webhook(APPS[n % APPS.length] ?? "", { host: n % 5 === 0 ? HELD : BUSY });
      world.post([job], at + 10 * SECOND);
    }
    await world.run(days * DAY + DAY, () => world.elapsed() > days * DAY && world.isDone());
    const entries = entriesIn(world);
    const logged = await loggedIn(world);
    if (!APPS.every((app) => read.has(placeOf(`APP#${app}`)))) throw new Error("No delivery has read settings");
    const known = entries.filter(({ places }) => places.some((place) => read.has(place)));
    const unbounded = entries.filter(({ at, expiresAt }) => !(Math.abs(expiresAt - at - AUDIT_KEPT_FOR) <= SECOND));
    const missing = unmatched(changes, logged);
    return [
      none("8: jobs that have not run", world.counts.open()),
      none("8: changes without an entry of their own", missing.length, missing[0]),
      none("8: audit entries without an expiry date of AUDIT_DAYS", unbounded.length, unbounded[0]?.action),
      none("8: audit entries in a partition that deliveries read", known.length, known[0]?.places[0]),
      ...expired(world),
    ];
  },
};

interface Found extends AuditEntry {
  /** NaN: never. */
  readonly expiresAt: number;
  /** Its partitions, in the table and in the indexes. */
  readonly places: readonly string[];
}

/** The entries of audit logs, wherever they are. */
function entriesIn({ cloud }: World): Found[] {
  const items = cloud.dynamodb.items().map((item) => unmarshall(item));
  return items
    .filter(({ action, changes, by }) => action !== undefined && changes !== undefined && by !== undefined)
    .map((item) => ({
      ...(item as AuditEntry),
      expiresAt: Number(item["expiresAt"]) * SECOND,
      places: [placeOf(String(item["pk"])), ...(item["byGroup"] ? [placeOf(String(item["byGroup"]), "byGroup")] : [])],
    }));
}

/** The entries as the administrators of each app see them, page after page. */
async function loggedIn(world: World): Promise<string[]> {
  const all: string[] = [];
  const asking = (async () => {
    for (const app of APPS) {
      let cursor: string | null | undefined;
      do {
        const page = await pageOf(world, app, cursor ?? undefined);
        all.push(...page.items.map(({ action, object }) => `${app} ${action} ${object}`));
        cursor = page.nextCursor;
      } while (cursor);
    }
    return true;
  })();
  let isOver = false;
  void asking.then(() => (isOver = true));
  await world.run(world.elapsed() + HOUR, () => isOver);
  return all;
}

interface LogPage {
  readonly items: readonly Pick<AuditEntry, "action" | "object">[];
  readonly nextCursor: string | null;
}

async function pageOf({ invoke }: World, app: string, cursor: string | undefined): Promise<LogPage> {
  const caller = { sub: "person", appId: app, roles: ["APP_ADMIN"], permissions: [] };
  const query = { limit: 100, ...(cursor !== undefined && { cursor }) };
  return (await answerTo<{ data: LogPage }>(listAudit, { caller, query, path: { appId: app } }, invoke)).data;
}

/** The changes for which there is no entry of their own. */
function unmatched(changes: readonly Made[], logged: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const entry of logged) left.set(entry, (left.get(entry) ?? 0) + 1);
  return changes.flatMap(({ app, action, object }) => {
    const key = `${app} ${action} ${object}`;
    const count = left.get(key) ?? 0;
    left.set(key, count - 1);
    return count > 0 ? [] : [action];
  });
}

/** What is gone a day before the first entry may go, and what is left a day after the last one has to be gone. */
function expired(world: World): Figure[] {
  const { cloud, time } = world;
  const all = entriesIn(world);
  const times = all.map(({ at }) => at);
  time.skip(Math.min(...times) + AUDIT_KEPT_FOR - DAY - time.now());
  cloud.dynamodb.removeExpired();
  const early = all.length - entriesIn(world).length;
  time.skip(Math.max(...times) + AUDIT_KEPT_FOR + DAY - time.now());
  cloud.dynamodb.removeExpired();
  const left = entriesIn(world);
  return [
    none("8: audit entries that are gone before AUDIT_DAYS", early),
    none("8: audit entries that are left after AUDIT_DAYS", left.length, left[0]?.action),
  ];
}
