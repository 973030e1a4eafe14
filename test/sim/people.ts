import type { Route } from "../../lib/api/http/http.ts";
import { cancelJob, deadletterJob, deleteJob, getJob, listAppJobs, retryJob } from "../../lib/api/unified/jobs.ts";
import { SECOND } from "../../lib/clock.ts";
import { ClientError } from "../../lib/errors.ts";
import type { Job } from "../../lib/job/job.ts";
import type { Action, PersonDoes } from "./action.ts";
import { callerOf, serviceIn, type ClientParts } from "./client-parts.ts";
import type { Container } from "./process.ts";
import { APPS } from "./requests.ts";

// People who look after the jobs of their apps, and change the settings.

const ROUTES: Readonly<Record<Exclude<PersonDoes, "retry once">, Route>> = {
  read: getJob,
  cancel: cancelJob,
  deadletter: deadletterJob,
  retry: retryJob,
  delete: deleteJob,
};

/** A person of an app makes a request about the job of a post, perhaps another app's. */
export async function person(parts: ClientParts, { does, post: n, app }: Action & { kind: "person" }): Promise<void> {
  const id = parts.posted.get(n);
  const appId = APPS[app] ?? "";
  if (id === undefined) return;
  await parts.invoke("api", async (container) => {
    parts.invariants.asked(appId, id, does);
    if (does === "retry once") return retryOnce(parts, appId, id, container);
    const answer = await shownBy(ROUTES[does], { caller: callerOf(parts, appId), path: { id } }, container);
    if (answer) parts.invariants.shown(appId, [answer as Job]);
    if (does === "read") await list(parts, appId, container);
  });
}

/** Of the app's own jobs alone: only the route checks that. */
async function retryOnce(parts: ClientParts, appId: string, id: string, { engine }: Container): Promise<void> {
  if (!parts.invariants.isOf(appId, id)) return;
  await engine.retryJobOnce(id).catch((error: unknown) => {
    if (!(error instanceof ClientError)) throw error;
  });
}

async function list(parts: ClientParts, appId: string, container: Container): Promise<void> {
  const query = listAppJobs.query?.parse({});
  const page = await shownBy(listAppJobs, { caller: callerOf(parts, appId), query }, container);
  if (page) parts.invariants.shown(appId, (page as { items: Job[] }).items);
}

/** The data of an endpoint's answer; undefined if it refuses. */
async function shownBy(route: Route, request: object, container: Container): Promise<unknown> {
  const whole = { path: {}, query: {}, body: undefined, headers: {}, ...request } as Parameters<Route["handle"]>[0];
  try {
    const { body } = await route.handle(whole, serviceIn(container));
    return (body as { data: unknown }).data;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return undefined;
  }
}

/** Changes the settings of an app, and tries again until it is done. */
export async function change(parts: ClientParts, appId: string, wanted: object): Promise<void> {
  for (;;) {
    const changed = await parts.invoke("api", async ({ apps }) => {
      const before = await apps.read(appId);
      const { version: _, ...settings } = before;
      return apps.change(before, appId, { ...settings, ...wanted }, "person");
    });
    if (changed) return parts.invariants.limited(appId, wanted);
    await parts.time.pass(5 * SECOND);
  }
}

/** Ends a person's hold of a destination. */
export async function resume(parts: ClientParts, appId: string, destination: string): Promise<void> {
  const resumed = async ({ parts }: Container) => {
    // An outage ends by a probe alone.
    await parts.destinations.change({ appId, destination }, (known) => (known?.state === "held" ? undefined : known));
    return true;
  };
  while (!(await parts.invoke("api", resumed))) await parts.time.pass(5 * SECOND);
}
