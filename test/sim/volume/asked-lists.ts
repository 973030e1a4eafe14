import type { Job } from "../../../lib/job/job.ts";
import type { Status } from "../../../lib/job/status.ts";
import type { AskedList } from "./lists.ts";
import { appId } from "./world.ts";

// The lists that the users and administrators of an app with many jobs ask for.

export const [APP, OLD] = [appId(1), appId(2)];
export const USERS = ["one", "two"];
export const HELD = "https://held.example";

export function askedLists(): AskedList[] {
  return [...unified(), ...numbered(), ...ofHistory()];
}

/** A user's list has no role, and needs a permission. */
const user = (sub: string) => ({ sub, appId: APP, roles: [], permissions: ["jobs.view_jobs", "job:Read"] });
const admin = (app: string) => ({ sub: "person", appId: app, roles: ["APP_ADMIN"], permissions: [] });

const isTask = ({ executionType }: Job) => executionType === "task";
const isIn = (...statuses: readonly Status[]) => {
  const all = new Set(statuses);
  return ({ status }: Job) => all.has(status);
};

/** The lists that the administrators of the app ask for, with cursors. */
function unified(): AskedList[] {
  const list = (query: AskedList["query"], fits: (job: Job) => boolean): AskedList => ({
    of: "unified",
    caller: admin(APP),
    query: { limit: 100, ...query },
    isOf: (job) => job.appId === APP && fits(job),
  });
  return [
    list({}, () => true),
    list({ status: "PENDING" }, isIn("PENDING")),
    list({ status: "PENDING", limit: 20 }, isIn("PENDING")),
    list({ status: "RETRYING" }, isIn("RETRYING")),
    list({ status: ["PENDING", "RETRYING"] }, isIn("PENDING", "RETRYING")),
    list({ status: "PENDING", executionType: "rest-api" }, (job) => !isTask(job) && job.status === "PENDING"),
    list({ status: "RUNNING" }, isIn("RUNNING")),
    list({ status: ["FAILED", "DEAD", "CANCELLED"] }, isIn("FAILED", "DEAD", "CANCELLED")),
    list({ jobType: "cleanup" }, ({ jobType }) => jobType === "cleanup"),
    list({ host: "held.example", status: "RETRYING" }, (job) => job.destination === HELD && job.status === "RETRYING"),
  ];
}

/** The lists of tasks: of each user, and of the app. */
function numbered(): AskedList[] {
  const owners = [...USERS.map((sub) => ({ sub, caller: user(sub) })), { sub: undefined, caller: admin(APP) }];
  return owners.flatMap(({ sub, caller }) => {
    const own = (job: Job) => job.appId === APP && isTask(job) && (sub === undefined || job.userId === sub);
    const typed = (query: AskedList["query"], fits: (job: Job) => boolean): AskedList => ({
      of: "typed",
      caller,
      query: { pageSize: 100, ...query },
      isOf: (job) => own(job) && fits(job),
    });
    const files = (query: AskedList["query"], fits: (job: Job) => boolean): AskedList => ({
      ...typed(query, (job) => job.dialect === "files" && fits(job)),
      of: "files",
    });
    return [
      typed({ pageSize: 25 }, () => true),
      typed({ status: "queued" }, isIn("PENDING")),
      typed({ status: "retrying" }, isIn("RETRYING")),
      typed(
        { status: "failed", jobType: "example" },
        (job) => isIn("FAILED", "DEAD")(job) && job.jobType === "example",
      ),
      typed({ jobType: "cleanup" }, ({ jobType }) => jobType === "cleanup"),
      files({}, () => true),
      files({ status: "PENDING" }, isIn("PENDING")),
      files(
        { status: "FAILED", jobType: "cleanup" },
        (job) => isIn("FAILED", "DEAD", "CANCELLED")(job) && job.jobType === "cleanup",
      ),
    ];
  });
}

/** Of an app whose tasks are more than a list looks at: what their totals say. */
function ofHistory(): AskedList[] {
  const list = (query: AskedList["query"], fits: (job: Job) => boolean): AskedList => ({
    of: "typed",
    caller: admin(OLD),
    query: { pageSize: 100, ...query },
    isOf: (job) => job.appId === OLD && fits(job),
    isOnlyEnds: true,
  });
  return [
    list({}, () => true),
    list({ jobType: "cleanup" }, ({ jobType }) => jobType === "cleanup"),
    list({ status: "failed" }, isIn("DEAD")),
  ];
}
