import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer, BulkAction } from "../api/shapes.ts";
import { ofApp } from "../me.ts";
import { plural } from "../parts/text.tsx";
import { durationText, now } from "../time.ts";

/** What is still to do: jobs that are changed fit the action's filter no more. */
export function Left({ one: { id, action, filter, changed, createdAt } }: { readonly one: BulkAction }) {
  const left = useQuery({
    key: ["bulk-left", id],
    ask: async (signal) => {
      const status =
        filter["status"] ?? (action === "redrive" ? ["FAILED", "DEAD"] : ["PENDING", "RUNNING", "RETRYING"]);
      const query = {
        ...(filter as Readonly<Record<string, string>>),
        status: status as readonly string[],
        ...ofApp(),
      };
      return api<Answer<"countJobs">>(`v1/admin/jobs/count${queryOf(query)}`, { signal });
    },
    every: () => "seldom",
  });
  if (!left.data) return <progress class="whole" aria-label="Progress" />;
  const { count, isLowerBound } = left.data;
  const percent = Math.round((100 * changed) / Math.max(1, changed + count));
  const tookMs = now() - Date.parse(createdAt);
  const time = changed > 0 && !isLowerBound ? `, about ${durationText((tookMs * count) / changed)}` : "";
  return (
    <div class="row">
      {isLowerBound ? (
        <progress class="grow" aria-label="Progress" />
      ) : (
        <progress class="grow" max={100} value={percent} aria-label="Progress" />
      )}
      <span>
        {plural(count, "job")} {isLowerBound && "or more "}left{time}
      </span>
    </div>
  );
}
