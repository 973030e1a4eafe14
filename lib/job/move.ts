import { copyFields } from "./copy-fields.ts";
import type { GroupRef } from "./group.ts";
import type { Fields, Job, JobIn } from "./job.ts";
import type { Status } from "./status.ts";

// What a move of a job is. All moves are in lib/job/moves.ts.

type Comparison = "=" | "<=" | "<" | ">=" | ">";

/** `[field, comparison, value]` holds only for a job that has the field; `absent` for one that has not. */
export type Condition =
  | readonly [field: keyof Fields, comparison: Comparison, value: number | string]
  | readonly [field: keyof Fields, comparison: "absent"];

/** A move to status `To` that may set the fields `F`, and no others. */
export interface Move<To extends Status = Status, F extends keyof Fields = keyof Fields> {
  readonly from: readonly Status[];
  readonly to: To;
  readonly when: readonly Condition[];
  readonly set: Partial<Pick<Fields, F>>;
  readonly remove: readonly (keyof Fields)[];
  /** Takes a task slot of the app, of `of` in all, or gives it back, in the same transaction. */
  readonly slot?: { readonly of: number } | "back";
  /** Tells the group in the same transaction that a member of it has not ended any more. */
  readonly rejoins?: GroupRef;
}

/** The job after a move. */
export function after<To extends Status>(job: Job, move: Move<To>): JobIn<To> {
  // Every move but the one that leads there ends the wait in a backlog.
  const gone = new Set<string>(move.remove);
  const kept: Record<string, unknown> = {};
  copyFields(job, kept, new Set([...gone, "backlog"]));
  copyFields(move.set, kept, gone);
  kept["status"] = move.to;
  return kept as unknown as JobIn<To>;
}
