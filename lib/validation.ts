import type * as z from "zod";
import type { ErrorDetail } from "./errors.ts";

/** What a schema finds wrong, field by field; `whole` names what was parsed. */
export function problemsIn(error: z.ZodError, whole: string): ErrorDetail[] {
  return error.issues.flatMap((issue) => detailsOf(issue, whole));
}

function detailsOf(issue: z.core.$ZodIssue, whole: string): ErrorDetail[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      field: [...issue.path, key].join("."),
      message: "is not a known field; remove it or check its spelling",
    }));
  }
  // A record's key that is not allowed: what is wrong with it stands one level down.
  const message = (issue.code === "invalid_key" && issue.issues[0]?.message) || issue.message;
  return [{ field: issue.path.join(".") || whole, message }];
}
