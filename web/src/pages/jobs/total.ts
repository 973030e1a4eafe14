import { api, queryOf } from "../../api/http.ts";
import type { Pace } from "../../api/live.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer } from "../../api/shapes.ts";
import type { Filter } from "../../filter.ts";
import { appId, ofApp } from "../../me.ts";

/** How many jobs fit a search, counted to 1,000. The service may read thousands for it, so it is seldom asked again. */
export function useTotal(text: string, filter: Filter, every: Pace = "never") {
  return useQuery({
    every: () => every,
    key: ["count", text, appId.value],
    ask: async (signal) =>
      api<Answer<"countJobs">>(`v1/admin/jobs/count${queryOf({ ...filter, ...ofApp() })}`, { signal }),
  });
}
