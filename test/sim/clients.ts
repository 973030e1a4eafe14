import { acceptJob } from "../../lib/api/unified/accept-job.ts";
import type { Caller } from "../../lib/api/http/auth.ts";
import type { Route } from "../../lib/api/http/http.ts";
import { createJobBody } from "../../lib/api/unified/job-request.ts";
import { submitTask } from "../../lib/api/tasks/tasks.ts";
import { cancelJob, deadletterJob, deleteJob, getJob, listAppJobs, retryJob } from "../../lib/api/unified/unified.ts";
import { SECOND, iso } from "../../lib/clock.ts";
import { ClientError } from "../../lib/errors.ts";
import type { Job } from "../../lib/job/job.ts";
import type { ServiceParts } from "../../lib/parts.ts";
import { START } from "./cloud.ts";
import type { createInvariants } from "./invariants.ts";
import type { Plant } from "./plant.ts";
import type { Random } from "./random.ts";
import { APPS } from "./requests.ts";
import type { Time } from "./time.ts";
import type { Action, PersonDoes } from "./action.ts";
import type { Container, Invoke } from "./process.ts";

// Who asks the API for something: clients that post jobs, and people who look after them, of several apps.

interface Parts {
  readonly time: Time;
  readonly random: Random;
  readonly invariants: ReturnType<typeof createInvariants>;
  readonly invoke: Invoke;
  readonly plant: Plant | undefined;
  readonly trace: (line: string) => void;
}

const ROUTES: Readonly<Record<Exclude<PersonDoes, "retry once">, Route>> = {
  read: getJob,
  cancel: cancelJob,
  deadletter: deadletterJob,
  retry: retryJob,
  delete: deleteJob,
};
/** How often a client posts what it was not answered. */
const MOST_TRIES = 4;

export function createClients({ time, random, invariants, invoke, plant, trace }: Parts) {
  /** The job of each post, once its client knows it. */
  const posted = new Map<number, string>();

  /** A client: repeats what it does not know the fate of, with the same key. */
  async function post(action: Action & { kind: "post" }): Promise<void> {
    const appId = APPS[action.app] ?? "";
    const body = dated(action.body);
    const { key, submit } = "message" in body ? asked(appId, body) : askedByUser(appId, body as TypedBody);
    for (let tries = 0; tries < (key === undefined ? 1 : MOST_TRIES); tries += 1) {
      const answered = await invoke("api", async (container) => {
        return submit(serviceIn(container)).catch((error: unknown) => {
          if (error instanceof ClientError) return { status: 400, message: error.message, job: undefined } as const;
          throw error;
        });
      });
      if (answered) {
        trace(`client is answered ${answered.status} ${answered.job?.id ?? ""}`);
        if (answered.job) posted.set(action.n, answered.job.id);
        return;
      }
      await time.pass(random.between(1, 20) * SECOND);
    }
  }

  /** A job of any type, asked for by its message. */
  function asked(appId: string, from: object): Asked {
    const body = createJobBody.parse(from);
    const key = body.message.metadata.idempotencyKey;
    const submit = async (service: ServiceParts) => {
      const answered = await acceptJob(body, callerOf(appId), undefined, service);
      invariants.accepted({ appId, body, key, ...answered });
      return answered;
    };
    return { key, submit };
  }

  /** A task that a user asks for. Their key makes the id, but is none of the job's. */
  function askedByUser(appId: string, { execution, maxRetries, startAt, key }: TypedBody): Asked {
    const at = startAt === undefined ? {} : { startAt: Date.parse(startAt) };
    const task = { appId, userId: "user", execution, maxRetries, ...(key !== undefined && { key }), ...at };
    const submit = async (service: ServiceParts) => {
      const { job } = await submitTask(task, service);
      invariants.accepted({ appId, body: { message: { execution } }, key: undefined, status: 201, job });
      return { status: 201, job } as const;
    };
    return { key, submit };
  }

  function dated(body: object): object {
    const time = (offset: number) => iso(START + Math.round(offset / SECOND) * SECOND);
    return JSON.parse(JSON.stringify(body), (_, value: unknown) => {
      if (typeof value !== "string" || value.length > LONGEST_OFFSET) return value;
      if (/^\+\d+$/.test(value)) return time(Number(value));
      return value.replace(/^at\((\+\d+)\)$/, (_all, offset: string) => `at(${time(Number(offset)).slice(0, 19)})`);
    }) as object;
  }

  /** A person of an app does something with the job that a post made, perhaps for another app. */
  async function person({ does, post: n, app }: Action & { kind: "person" }): Promise<void> {
    const id = posted.get(n);
    const appId = APPS[app] ?? "";
    if (id === undefined) return;
    await invoke("api", async (container) => {
      invariants.asked(appId, id, does);
      if (does === "retry once") return retryOnce(appId, id, container);
      const answer = await shownBy(ROUTES[does], { caller: callerOf(appId), path: { id } }, container);
      if (answer) invariants.shown(appId, [answer as Job]);
      if (does === "read") await list(appId, container);
    });
  }

  /** Of the app's own jobs: its route looks, and nothing else would. */
  async function retryOnce(appId: string, id: string, { engine }: Container): Promise<void> {
    if (!invariants.isOf(appId, id)) return;
    await engine.retryJobOnce(id).catch((error: unknown) => {
      if (!(error instanceof ClientError)) throw error;
    });
  }

  async function list(appId: string, container: Container): Promise<void> {
    const query = listAppJobs.query?.parse({});
    const page = await shownBy(listAppJobs, { caller: callerOf(appId), query }, container);
    if (page) invariants.shown(appId, (page as { items: Job[] }).items);
  }

  /** What an endpoint answers with; nothing if it refuses. */
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

  function callerOf(appId: string): Caller {
    const caller = { sub: "client", appId, roles: ["APP_ADMIN"], permissions: [] };
    return plant?.caller?.(caller) ?? caller;
  }

  async function change(appId: string, wanted: object): Promise<void> {
    for (;;) {
      const changed = await invoke("api", async ({ apps }) => {
        const before = await apps.read(appId);
        const { version: _, ...settings } = before;
        return apps.change(before, appId, { ...settings, ...wanted }, "person");
      });
      if (changed) return invariants.limited(appId, wanted);
      await time.pass(5 * SECOND);
    }
  }

  async function resume(appId: string, destination: string): Promise<void> {
    const resumed = async ({ parts }: Container) => {
      // What is down has to be found up again by a probe.
      await parts.destinations.change({ appId, destination }, (known) => (known?.state === "held" ? undefined : known));
      return true;
    };
    while (!(await invoke("api", resumed))) await time.pass(5 * SECOND);
  }

  return { post, person, change, resume };
}

/** How a job is asked for, once or again by its key. */
interface Asked {
  readonly key: string | undefined;
  readonly submit: (service: ServiceParts) => Promise<{ readonly status: number; readonly job?: Job | undefined }>;
}

/** What a user asks a task with. */
interface TypedBody {
  readonly execution: { readonly type: "task"; readonly jobType: string };
  readonly maxRetries: number;
  readonly startAt?: string;
  readonly key?: string;
}

/** Of what stands for a time in a plan. */
const LONGEST_OFFSET = 40;

/** What endpoints get; those that are asked here use no more of it. */
function serviceIn({ parts, apps, audit, engine }: Container): ServiceParts {
  return { ...parts, apps, audit, engine } as unknown as ServiceParts;
}
