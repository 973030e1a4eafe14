import { runSchedule } from "../../lib/api/unified/schedule-runs.ts";
import { patchSchedule, pauseSchedule, putSchedule, resumeSchedule } from "../../lib/api/unified/schedules.ts";
import type { Route } from "../../lib/api/http/http.ts";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { ClientError } from "../../lib/errors.ts";
import type { Action, ScheduleDoes } from "./action.ts";
import { callerOf, serviceIn, type ClientParts } from "./client-parts.ts";
import type { Plan } from "./plan.ts";
import { APPS } from "./requests.ts";

// People who put schedules, change, pause and resume them, and ask for runs.

const ROUTES: Readonly<Record<ScheduleDoes, Route>> = {
  put: putSchedule,
  patch: patchSchedule,
  pause: pauseSchedule,
  resume: resumeSchedule,
  run: runSchedule,
};
const MOST_TRIES = 4;

type ScheduleAction = Action & { readonly kind: "schedule" };

/** Several requests at once where a person clicks twice: a run then has one key. */
export function schedules(parts: ClientParts, action: ScheduleAction): void {
  const name = `${action.app} ${action.at}`;
  for (let n = 0; n < action.times; n += 1) void ask(parts, action, name, MOST_TRIES);
}

/** Whatever is paused goes on once faults are over, so that it ends. */
export function resumeAll(parts: ClientParts, plan: Plan): void {
  const scheduled = plan.actions.filter((action) => action.kind === "schedule");
  const each = new Map(scheduled.map((action) => [`${action.app} ${action.key}`, action]));
  for (const action of each.values()) {
    for (const after of [0, 8 * MINUTE]) {
      parts.time.after(after, () => void ask(parts, { ...action, does: "resume", body: {} }, "", Infinity));
    }
  }
}

/** A request is repeated until it is answered. */
async function ask(parts: ClientParts, action: ScheduleAction, name: string, most: number): Promise<void> {
  const { app, key, does, body } = action;
  const appId = APPS[app] ?? "";
  const { invariants } = parts;
  const { schedules: rules } = invariants;
  const route = ROUTES[does];
  const request = {
    caller: callerOf(parts, appId),
    path: { key },
    query: {},
    body: route.body?.parse(body),
    headers: does === "run" ? { "idempotency-key": name } : {},
  } as Parameters<Route["handle"]>[0];
  const asked = rules.asks({ appId, key, does, body, name });
  for (let tries = 0; tries < most; tries += 1) {
    const answered = await parts.invoke("api", async (container) => {
      return route.handle(request, serviceIn(container)).catch((error: unknown) => {
        if (error instanceof ClientError) return { status: 400, body: { error: error.message } };
        throw error;
      });
    });
    if (answered) {
      const { data } = answered.body as { data?: { id: string; state?: string } };
      parts.trace(`a person is answered ${answered.status} to ${does} ${data?.id ?? JSON.stringify(answered.body)}`);
      rules.answered(asked, data);
      return;
    }
    await parts.time.pass(parts.random.between(1, 20) * SECOND);
  }
}
