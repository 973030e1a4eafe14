import { putApp } from "../../../lib/api/admin/apps.ts";
import { holdDestination, resumeDestination } from "../../../lib/api/admin/destinations.ts";
import { putLimits } from "../../../lib/api/admin/limits.ts";
import { createRequestSlots } from "../../../lib/flow/request-slots.ts";
import type { Caller } from "../../../lib/api/http/auth.ts";
import type { Route } from "../../../lib/api/http/http.ts";
import type { ServiceParts } from "../../../lib/parts.ts";
import type { Container, Invoke } from "../process.ts";

// What people do in a world of volume.

/** The service's parts, as far as the endpoints that are called here use them. */
export function serviceOf({ parts, apps, audit, taskLog, engine }: Container): ServiceParts {
  const secrets = { list: async () => [] };
  const requestSlots = createRequestSlots({ ...parts, apps });
  return { ...parts, apps, audit, taskLog, engine, secrets, requestSlots } as unknown as ServiceParts;
}

interface Request {
  readonly caller: Caller;
  readonly query: object;
  readonly path?: Readonly<Record<string, string>>;
}

/** The body with which an endpoint answers a read. */
export async function answerTo<T>(route: Route, request: Request, invoke: Invoke): Promise<T> {
  const query = route.query?.parse(request.query);
  const whole = { path: {}, body: undefined, headers: {}, ...request, query } as Parameters<Route["handle"]>[0];
  const answer = await invoke("api", async (container) =>
    route.handle(whole, serviceOf(container)).catch((error: Error) => error),
  );
  if (!answer) throw new Error(`${route.key} gave no answer`);
  if (answer instanceof Error) throw answer;
  return answer.body as T;
}

type Act = (container: Container, service: ServiceParts) => Promise<unknown>;

/** What people do, by the API's own endpoints. */
export function createPeople(request: (act: Act) => Promise<void>) {
  const callerOf = (app: string) => ({ sub: "person", appId: app, roles: ["APP_ADMIN"], permissions: [] });
  const asked = { query: {}, headers: {} };

  /** Changes settings of an app, and leaves the others as they are. */
  async function set(app: string, wanted: object): Promise<void> {
    await request(async ({ apps }, service) => {
      const body = { ...(await apps.read(app)), ...wanted };
      await putApp.handle({ ...asked, caller: callerOf(app), path: { appId: app }, body }, service);
    });
  }

  /** What the operator allows an app. */
  async function limit(app: string, limits: object): Promise<void> {
    const caller = { sub: "operator", roles: ["PLATFORM_ADMIN"], permissions: [] };
    await request(async (_, service) =>
      putLimits.handle({ ...asked, caller, path: { appId: app }, body: limits }, service),
    );
  }

  /** A person lets the jobs to a destination wait. */
  async function hold(app: string, destination: string): Promise<void> {
    const body = { appId: app, destination };
    await request(async (_, service) =>
      holdDestination.handle({ ...asked, caller: callerOf(app), path: {}, body }, service),
    );
  }

  async function resume(app: string, destination: string): Promise<void> {
    const body = { appId: app, destination };
    await request(async (_, service) =>
      resumeDestination.handle({ ...asked, caller: callerOf(app), path: {}, body }, service),
    );
  }

  /** Cancels jobs one after another. */
  async function cancel(ids: readonly string[]): Promise<void> {
    for (const id of ids) await request(async ({ engine }) => engine.stopJob(id, "CANCELLED"));
  }

  return { set, limit, hold, resume, cancel };
}
