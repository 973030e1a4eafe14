import type { Group } from "./api-types.ts";
import type { JobsError } from "./errors.ts";
import { flat, secondsOf } from "./flat.ts";
import { Pages } from "./pages.ts";
import { chunksOf, sendChunk } from "./send.ts";
import type { CallOptions, Send } from "./transport.ts";
import type { BulkAction, Job, NewGroup, NewJob, Status } from "./types.ts";

/** Groups of jobs, which end when all their members have. */
export class Groups {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  async create(group: NewGroup = {}, options?: CallOptions): Promise<Group> {
    const { sealBy, onSuccess, onFailure, key = crypto.randomUUID(), ...rest } = group;
    const body = {
      ...rest,
      key,
      ...(sealBy !== undefined && { sealBy: `${secondsOf(sealBy)}s` }),
      ...(onSuccess && { onSuccess: flat(onSuccess) }),
      ...(onFailure && { onFailure: flat(onFailure) }),
    };
    return (await this.#send("POST", "/v1/groups", { ...options, body })).data;
  }

  /** No job can be added any more. `expected`: how many distinct jobs it has; left out, the service counts them. */
  async seal(id: string, expected?: number, options?: CallOptions): Promise<Group> {
    return this.#call("POST", id, "/seal", { ...options, body: { expected } });
  }

  async get(id: string, options?: CallOptions): Promise<Group> {
    return this.#call("GET", id, "", options);
  }

  jobs(id: string, filter: { readonly status?: Status | undefined } = {}, options?: CallOptions): Pages<Job> {
    return new Pages(async (cursor) => this.#call("GET", id, "/jobs", { ...options, query: { ...filter, cursor } }));
  }

  async cancel(id: string, options?: CallOptions): Promise<BulkAction> {
    return this.#call("POST", id, "/cancel", options);
  }

  /** Tries the members again that are FAILED or DEAD. */
  async redrive(id: string, options?: CallOptions): Promise<BulkAction> {
    return this.#call("POST", id, "/redrive", options);
  }

  /**
   * Makes a group of these jobs: sends them, and seals it with their number. If one is refused, the group and its jobs
   * are cancelled, and its error is thrown.
   */
  async run(
    jobs: Iterable<NewJob> | AsyncIterable<NewJob>,
    group: Omit<NewGroup, "expected"> = {},
    options: CallOptions = {},
  ): Promise<Group> {
    const { id } = await this.create(group, options);
    try {
      // Jobs of one key are one member.
      const members = new Set<string>();
      for await (const chunk of chunksOf(within(id, jobs))) {
        const sent = await sendChunk(this.#send, chunk, options);
        for (const { job, error } of sent) {
          if (error) throw refused(error);
          if (job) members.add(job.id);
        }
      }
      return await this.seal(id, members.size, options);
    } catch (error) {
      // Its end would otherwise be the end of the time in which it may be sealed.
      await this.cancel(id).catch(() => {});
      throw error;
    }
  }

  async #call<T>(method: string, id: string, action: string, request: Parameters<Send>[2] = {}): Promise<T> {
    return (await this.#send(method, `/v1/groups/${encodeURIComponent(id)}${action}`, request)).data as T;
  }
}

async function* within(group: string, jobs: Iterable<NewJob> | AsyncIterable<NewJob>): AsyncGenerator<NewJob> {
  for await (const job of jobs) yield { ...job, group };
}

function refused(error: JobsError): JobsError {
  error.message = `A job of the group was refused, so the group is cancelled: ${error.message}`;
  return error;
}
