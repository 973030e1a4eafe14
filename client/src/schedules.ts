import type { Schedule } from "./api-types.ts";
import { expressionOf, flat } from "./flat.ts";
import { Pages } from "./pages.ts";
import type { CallOptions, Send } from "./transport.ts";
import type { Job, NewSchedule, Preview, ScheduleChanges, ScheduleFilter, Time, When } from "./types.ts";

export interface PutOptions extends CallOptions {
  /** Throws a ConflictError unless the schedule has this version. */
  readonly version?: number | undefined;
}

/** Schedules, each by the key that names it. */
export class Schedules {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Makes a schedule, or replaces the one of this key. */
  async put(key: string, schedule: NewSchedule, { version, ...options }: PutOptions = {}): Promise<Schedule> {
    const headers = version === undefined ? {} : { "if-match": `"${version}"` };
    return this.#call("PUT", key, "", { ...options, headers, body: written(schedule) });
  }

  async get(key: string, options?: CallOptions): Promise<Schedule> {
    return this.#call("GET", key, "", options);
  }

  list(filter: ScheduleFilter = {}, options?: CallOptions): Pages<Schedule> {
    return new Pages(async (cursor = filter.cursor) => {
      return (await this.#send("GET", "/v1/schedules", { ...options, query: { ...filter, cursor } })).data;
    });
  }

  /** Changes what is given, and nothing else. */
  async patch(key: string, changes: ScheduleChanges, { version, ...options }: PutOptions = {}): Promise<Schedule> {
    const headers = version === undefined ? {} : { "if-match": `"${version}"` };
    return this.#call("PATCH", key, "", { ...options, headers, body: written(changes) });
  }

  async delete(key: string, options?: CallOptions): Promise<void> {
    await this.#call("DELETE", key, "", options);
  }

  async pause(key: string, reason?: string, options?: CallOptions): Promise<Schedule> {
    return this.#call("POST", key, "/pause", { ...options, body: { reason } });
  }

  /** Runs that the pause has missed are skipped, unless `missed` says otherwise. */
  async resume(key: string, missed?: NewSchedule["missed"], options?: CallOptions): Promise<Schedule> {
    return this.#call("POST", key, "/resume", { ...options, body: { missed } });
  }

  /** Runs it now, beside its times. */
  async run(key: string, at?: Time, options?: CallOptions): Promise<Job> {
    const headers = { "idempotency-key": crypto.randomUUID() };
    return this.#call("POST", key, "/run", { ...options, headers, body: { at } });
  }

  /** The next runs of an expression, without a schedule. */
  async preview(when: When, options?: CallOptions): Promise<Preview> {
    return (await this.#send("POST", "/v1/schedules/preview", { ...options, body: expressionOf(when) })).data;
  }

  /** The jobs that it has made, newest first. */
  runs(key: string, options?: CallOptions): Pages<Job> {
    return new Pages(async (cursor) => this.#call("GET", key, "/runs", { ...options, query: { cursor } }));
  }

  async #call<T>(method: string, key: string, action: string, request: Parameters<Send>[2] = {}): Promise<T> {
    return (await this.#send(method, `/v1/schedules/${encodeURIComponent(key)}${action}`, request)).data as T;
  }
}

function written({ job, ...schedule }: NewSchedule | ScheduleChanges): object {
  return { ...expressionOf(schedule), ...(job && { job: flat(job) }) };
}
