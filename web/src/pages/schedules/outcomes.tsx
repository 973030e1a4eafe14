import { useEffect, useRef, useState } from "preact/hooks";
import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer, Schedule } from "../../api/shapes.ts";
import { ofApp } from "../../me.ts";
import { Icon } from "../../parts/icon.tsx";
import { SHOWN } from "../../parts/status.tsx";
import { pathOf } from "../../root.ts";

const SHOWN_RUNS = 10;

/** The last ten runs of a schedule, the newest first. They are asked for once the schedule is seen, and after a run. */
export function Outcomes({ schedule: { key, id, lastRun } }: { readonly schedule: Schedule }) {
  const [isSeen, setSeen] = useState(false);
  const place = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) =>
      setSeen((was) => was || entries.some((e) => e.isIntersecting)),
    );
    if (place.current) observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  const runs = useQuery({
    key: ["runs", id, lastRun?.jobId, lastRun?.status],
    ask: async (signal) => {
      const path = `v1/schedules/${encodeURIComponent(key)}/runs`;
      return api<Answer<"listRuns">>(`${path}${queryOf({ ...ofApp(), limit: SHOWN_RUNS })}`, { signal });
    },
    enabled: isSeen,
    keeps: true,
  });
  return (
    <span ref={place} class="outcomes" role="group" aria-label="Last runs, the newest first">
      {(runs.data?.items ?? []).map((job) => {
        const { tone, shape, word } = SHOWN[job.status];
        return (
          <a key={job.id} href={pathOf(`/jobs/${job.id}`)} data-tone={tone} title={`${word}, ${job.createdAt}`}>
            <Icon shape={shape} label={word} />
          </a>
        );
      })}
    </span>
  );
}
