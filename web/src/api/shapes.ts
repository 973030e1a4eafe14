import type { JobEntity, Operations } from "../../../client/src/api-types.ts";

// What the pages show, by the types that `npm run client:types` writes from the API document.

export type { BulkAction, Counts, Destination, Group, Me, Schedule, Series } from "../../../client/src/api-types.ts";

/** The data of an operation's answer, by the operation's id. */
export type Answer<Id extends keyof Operations> = Operations[Id] extends {
  readonly answer: { readonly data: infer Data };
}
  ? Data
  : Operations[Id] extends { readonly answer: infer Plain }
    ? Plain
    : never;

export type Status = JobEntity["status"];
/** A job of a list. */
export type Job = JobEntity;
/** A job with its message and attempts. */
export type JobDetail = Answer<"getJob">;
export type Attempt = JobDetail["attempts"][number];
export type AppSettings = Answer<"getApp">;
export type Entry = Answer<"listAudit">["items"][number];
