import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Series } from "../../api/shapes.ts";
import { appId, ofApp } from "../../me.ts";
import { now } from "../../time.ts";

const HOUR = 3_600_000;

/** What the app's jobs did in the last hours, by five minutes, hour or day. */
export function useSeries(hours: number) {
  return useQuery({
    key: ["series", hours, appId.value],
    ask: async (signal) => {
      const to = now();
      const range = {
        from: new Date(to - hours * HOUR).toISOString(),
        to: new Date(to).toISOString(),
        step: hours > 48 ? "1d" : hours > 1 ? "1h" : "5m",
      };
      return api<Series>(`v1/admin/series${queryOf({ ...ofApp(), ...range })}`, { signal });
    },
    every: () => "rarely",
    keeps: true,
  });
}
