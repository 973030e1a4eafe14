import type { JobCount } from "./api-types.ts";
import { ConflictError, JobFailedError } from "./errors.ts";
import { flat } from "./flat.ts";
import { Destinations } from "./destinations.ts";
import { Groups } from "./groups.ts";
import { Pages } from "./pages.ts";
import { Schedules } from "./schedules.ts";
import { chunksOf, keyed, sendChunk, sentJob } from "./send.ts";
import { refuseEmpty, repeated, sleep, transport, type CallOptions, type JobsOptions, type Send } from "./transport.ts";
import type {
  BulkAction,
  BulkOptions,
  Counts,
  Job,
  JobWithAttempts,
  ListOptions,
  NewJob,
  ResendChanges,
  Sent,
  SentJob,
} from "./types.ts";

/** The job service, for one app. */
export class Jobs {
  readonly schedules: Schedules;
  readonly groups: Groups;
  readonly bulk: Bulk;
  readonly destinations: Destinations;
  readonly #send: Send;

  constructor(options: JobsOptions = {}) {
    this.#send = transport(options);
    this.schedules = new Schedules(this.#send);
    this.groups = new Groups(this.#send);
    this.bulk = new Bulk(this.#send);
    this.destinations = new Destinations(this.#send);
  }

  /** Sends a job; in mode `sqs` there is none to answer. Of many, each is accepted or refused by itself, in their order. */
  async send(job: NewJob & { readonly mode: "sqs" }, options?: CallOptions): Promise<null>;
  async send(job: NewJob & { readonly mode?: "both" | "db" | undefined }, options?: CallOptions): Promise<SentJob>;
  async send(jobs: readonly NewJob[], options?: CallOptions): Promise<Sent[]>;
  async send(jobs: NewJob | readonly NewJob[], options: CallOptions = {}): Promise<SentJob | null | Sent[]> {
    if (!isMany(jobs)) {
      const { data, isReplay } = await this.#send("POST", "/v1/send", { ...options, body: flat(keyed(jobs)) });
      return sentJob(data, isReplay, jobs.key !== undefined);
    }
    const sent: Sent[] = [];
    for await (const chunk of chunksOf(jobs)) sent.push(...(await sendChunk(this.#send, chunk, options)));
    return sent;
  }

  /** A job with its message and attempts. */
  async get(id: string, options?: CallOptions): Promise<JobWithAttempts> {
    return this.#call("GET", pathOf(id), options);
  }

  /** The jobs that fit, newest first. */
  list(filter: ListOptions = {}, options?: CallOptions): Pages<Job> {
    const read = async (cursor = filter.cursor) =>
      this.#call<{ items: Job[]; nextCursor: string | null }>("GET", "/v1/admin/jobs", {
        ...options,
        query: { ...filter, cursor },
      });
    return new Pages(read);
  }

  /** Ends an unfinished job; a running attempt is let end first. */
  async cancel(id: string, options?: CallOptions): Promise<Job> {
    return this.#act(id, "cancel", options);
  }

  /** Tries a job again that is FAILED or DEAD, with fresh retries; one that is RETRYING, at once. */
  async retry(id: string, options?: CallOptions): Promise<Job> {
    return this.#act(id, "retry", options);
  }

  /** Sends a job once more, as a new one, with these changes. */
  async resend(id: string, changes: ResendChanges = {}, options?: CallOptions): Promise<Job> {
    return this.#call("POST", `${pathOf(id)}/resend`, { ...options, body: flat(keyed(changes)) });
  }

  /** Waits until a job or a group has succeeded. Throws a JobFailedError if it ends otherwise. */
  async wait(id: string, options: CallOptions = {}): Promise<Job> {
    for (;;) {
      const { data, retryAfter } = await this.#send("GET", `${pathOf(id)}/wait`, {
        ...options,
        query: { seconds: 20 },
      });
      const job = data as Job;
      if (job.status === "SUCCEEDED") return job;
      if (["FAILED", "DEAD", "CANCELLED"].includes(job.status)) throw new JobFailedError(job);
      if (retryAfter !== undefined) await sleep(retryAfter * 1_000, options.signal);
    }
  }

  /** How many jobs there are now, by status, by what they wait for, by type and by destination. */
  async counts(options?: CallOptions): Promise<Counts> {
    return this.#call("GET", "/v1/admin/counts", options);
  }

  /** A conflict that a lost answer of this very call may have made is no error: the job shows what came of it. */
  async #act(id: string, action: string, options?: CallOptions): Promise<Job> {
    try {
      return await this.#call<Job>("POST", `${pathOf(id)}/${action}`, options);
    } catch (error) {
      if (error instanceof ConflictError && repeated.has(error)) return this.get(id, options);
      throw error;
    }
  }

  async #call<T>(method: string, path: string, request: Parameters<Send>[2] = {}): Promise<T> {
    return (await this.#send(method, path, request)).data as T;
  }
}

type DryRun = { readonly dryRun: true };
type NoDryRun = { readonly dryRun?: false };

/** What is done to all jobs that fit a filter. */
class Bulk {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Tries the jobs again that fit, by default those that are FAILED or DEAD. A dry run counts them, and changes none. */
  async redrive(filter: BulkOptions & DryRun, options?: CallOptions): Promise<JobCount>;
  async redrive(filter: BulkOptions & NoDryRun, options?: CallOptions): Promise<BulkAction>;
  async redrive(filter: BulkOptions, options?: CallOptions): Promise<BulkAction | JobCount> {
    return this.#act("redrive", filter, options);
  }

  /** Ends the jobs that fit as CANCELLED. A dry run counts them, and changes none. */
  async cancel(filter: BulkOptions & DryRun, options?: CallOptions): Promise<JobCount>;
  async cancel(filter: BulkOptions & NoDryRun, options?: CallOptions): Promise<BulkAction>;
  async cancel(filter: BulkOptions, options?: CallOptions): Promise<BulkAction | JobCount> {
    return this.#act("cancel", filter, options);
  }

  /** How far an action is. */
  async get(id: string, options?: CallOptions): Promise<BulkAction> {
    return (await this.#send("GET", `/v1/admin/bulk-actions/${encodeURIComponent(id)}`, options)).data;
  }

  async #act(action: string, filter: BulkOptions, options?: CallOptions): Promise<BulkAction | JobCount> {
    refuseEmpty(filter);
    // JSON leaves such a field out, and the action would be done to more jobs.
    for (const [name, value] of Object.entries(filter))
      if (value === undefined) throw new TypeError(`${name} is undefined: expected a value; leave it out for all`);
    return (await this.#send("POST", `/v1/admin/jobs/${action}`, { ...options, body: filter })).data;
  }
}

function pathOf(id: string): string {
  return `/v1/admin/jobs/${encodeURIComponent(id)}`;
}

function isMany(jobs: NewJob | readonly NewJob[]): jobs is readonly NewJob[] {
  return Array.isArray(jobs);
}
