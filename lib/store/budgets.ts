import { ClientError } from "../errors.ts";
import type { LimitName } from "./app-settings.ts";
import type { ItemKey, Write } from "./table.ts";

// What an app has of the things that the operator limits, counted in the transactions that make and remove them. The
// counts have a partition of their own: the app's has the settings that deliveries read.

export type Counted = "SCHEDULES" | "DATASETS" | "UPLOADS";

export function budgetKey(appId: string, counted: Counted): ItemKey {
  return { pk: `BUDGET#${appId}`, sk: counted };
}

/** The change of one count: it grows by `by`, and is then at most `most`. Null: no limit. */
export interface Spending {
  readonly by: number;
  readonly most?: number | null;
}

/** The write of changes of counts, whose condition fails if one of them would pass its limit. */
export function spend(
  appId: string,
  counted: Counted,
  counts: Readonly<Record<string, Spending>>,
): Extract<Write, { update: ItemKey }> {
  const names = Object.keys(counts);
  const limited = names.flatMap((name, at) => {
    const { by = 0, most = null } = counts[name] ?? {};
    return by > 0 && most !== null ? [{ at, room: most - by }] : [];
  });
  // What is too much by itself does not fit into an absent count either.
  const fits = ({ at, room }: { at: number; room: number }) =>
    room < 0 ? `#c${at} <= :r${at}` : `(attribute_not_exists(#c${at}) OR #c${at} <= :r${at})`;
  const condition = limited.map(fits).join(" AND ");
  return {
    update: budgetKey(appId, counted),
    by: {
      UpdateExpression: `ADD ${names.map((_, at) => `#c${at} :c${at}`).join(", ")}`,
      ...(condition !== "" && { ConditionExpression: condition }),
      ExpressionAttributeNames: Object.fromEntries(names.map((name, at) => [`#c${at}`, name])),
      values: {
        ...Object.fromEntries(names.map((name, at) => [`:c${at}`, counts[name]?.by])),
        ...Object.fromEntries(limited.map(({ at, room }) => [`:r${at}`, room])),
      },
    },
  };
}

/** The refusal of what would pass a limit. `todo`: what the app can do. */
export function overBudget(name: LimitName, most: number | null, todo: string): ClientError {
  return new ClientError("FORBIDDEN", refusal(name, most, todo), [], { reason: "limit_reached" });
}

/** The same in words, for what is no request. */
export function refusal(name: LimitName, most: number | null, todo: string): string {
  return `The app's limit ${name} of ${most} is reached: ${todo}, or ask the operator to allow more`;
}
