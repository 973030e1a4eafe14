import { createHash } from "node:crypto";
import * as z from "../../zod.ts";
import { badRequest } from "../../errors.ts";
import type { JobFilter } from "../../job/job-filter.ts";
import type { Position } from "../../store/merge.ts";

const cursorContent = z.strictObject({
  of: z.string(),
  at: z.int().check(z.minimum(0)),
  ids: z.record(z.string().check(z.maxLength(64)), z.guid()),
});

/** An opaque cursor, valid for the same app and filter only. */
export function encodeCursor(at: Position, filter: object): string {
  return Buffer.from(JSON.stringify({ of: digest(filter), ...at })).toString("base64url");
}

export function decodeCursor(cursor: string, filter: Pick<JobFilter, "created">): Position {
  const parsed = cursorContent.safeParse(fromJson(cursor));
  const { from = 0, to = Infinity } = filter.created;
  if (parsed.success && parsed.data.of === digest(filter) && parsed.data.at >= from && parsed.data.at <= to) {
    const { at, ids } = parsed.data;
    return { at, ids };
  }
  const message = "is not a cursor of this list; take nextCursor of the page before and leave the filters as they were";
  throw badRequest([{ field: "cursor", message }]);
}

function fromJson(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    return undefined;
  }
}

function digest(filter: object): string {
  return createHash("sha256").update(JSON.stringify(filter)).digest("base64url").slice(0, 16);
}
