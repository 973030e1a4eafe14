import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer, Counts } from "../api/shapes.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { searchOf } from "../filter.ts";
import { Icon } from "../parts/icon.tsx";
import { later } from "../parts/later.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { SHOWN, isFinal } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { pathOf } from "../root.ts";
import { WAITING_MANY } from "../what.ts";
import { Lately } from "./overview/lately.tsx";
import { Problems } from "./overview/problems.tsx";

export default function Overview() {
  const counts = useQuery({
    key: ["counts", appId.value],
    ask: async (signal) => api<Counts>(`v1/admin/counts${queryOf(ofApp())}`, { signal }),
    every: (now) => (now === undefined || isBusy(now) ? "often" : "seldom"),
  });
  if (counts.isPending) return <Skeleton title="Overview" rows={8} />;
  return (
    <div class="stack wide">
      <div class="title">
        <h1 tabIndex={-1}>Overview</h1>
        <div class="actions">
          {mayChange.value && (
            <a class="button" href={pathOf("/new")}>
              <Icon shape="plus" /> New job
            </a>
          )}
        </div>
      </div>
      <Refreshing query={counts} />
      {counts.data && <Problems counts={counts.data} />}
      {counts.data && <Now counts={counts.data} />}
      <RunningBulk />
      <Lately />
    </div>
  );
}

/** Whether anything is about to change: jobs that wait for a time of their own are not. */
function isBusy({ byStatus: { PENDING, RUNNING, RETRYING }, byType, waiting }: Counts): boolean {
  const idle = waiting.delayed + (byType["schedule"]?.PENDING ?? 0) + (byType["group"]?.PENDING ?? 0);
  return RUNNING + RETRYING > 0 || PENDING > idle;
}

/** Unfinished jobs, by what becomes of them. Each number leads to the list that proves it. */
function Now({ counts: { byStatus, byType, waiting } }: { readonly counts: Counts }) {
  const scheduled = byType["schedule"]?.PENDING ?? 0;
  const groups = byType["group"]?.PENDING ?? 0;
  const of = {
    RUNNING: byStatus.RUNNING,
    RETRYING: byStatus.RETRYING,
    // Schedules and groups have lists of their own.
    PENDING: Math.max(0, byStatus.PENDING - scheduled - groups),
  };
  const waits = Object.entries(waiting).filter(([, count]) => count > 0);
  return (
    <section class="stack tight" aria-label="Now">
      <div class="numbers">
        {(["RUNNING", "RETRYING", "PENDING"] as const).map((status) => {
          const { word, shape, tone } = SHOWN[status];
          const search = `status:${word.toLowerCase()}${status === "PENDING" ? ` type:${JOBS}` : ""}`;
          return (
            <a key={status} class="number" href={pathOf(searchOf(search))} data-tone={tone}>
              <Icon shape={shape} /> <b>{of[status].toLocaleString("en")}</b> {word.toLowerCase()}
            </a>
          );
        })}
        <a class="number" href={pathOf("/schedules?state=ACTIVE,PAUSED")} data-tone="waiting">
          <Icon shape="clock" /> <b>{scheduled.toLocaleString("en")}</b> {scheduled === 1 ? "schedule" : "schedules"}
        </a>
        {groups > 0 && (
          <a class="number" href={pathOf("/groups?state=open")} data-tone="waiting">
            <Icon shape="group" /> <b>{groups.toLocaleString("en")}</b> open {groups === 1 ? "group" : "groups"}
          </a>
        )}
      </div>
      {waits.length > 0 && (
        <p class="muted small">
          Waiting:{" "}
          {waits.map(([reason, count], at) => (
            <span key={reason}>
              {at > 0 && " · "}
              <a href={pathOf(searchOf(`waiting:${reason}`))}>{count.toLocaleString("en")}</a>{" "}
              {WAITING_MANY[reason] ?? reason}
            </span>
          ))}
        </p>
      )}
    </section>
  );
}

const JOBS = "rest-api,lambda-invoke,lambda-url,task";

const Left = later(async () => (await import("./bulk-left.tsx")).Left);

function RunningBulk() {
  const bulk = useQuery({
    key: ["bulk", appId.value],
    ask: async (signal) =>
      api<Answer<"listBulkActions">>(`v1/admin/bulk-actions${queryOf({ ...ofApp(), limit: 5 })}`, { signal }),
    every: (page) => (page?.items.some(({ status }) => !isFinal(status)) ? "seldom" : "rarely"),
  });
  const running = bulk.data?.items.find(({ status }) => !isFinal(status));
  if (!running) return null;
  return (
    <div class="notice">
      <Icon shape="layers" />
      <span>
        {running.action === "redrive" ? "Retrying" : "Cancelling"} many jobs: {plural(running.changed, "job")} so far.
      </span>
      <div class="grow">
        <Left key={running.id} one={running} />
      </div>
      <a class="button small" href={pathOf(`/bulk/${running.id}`)}>
        Watch
      </a>
    </div>
  );
}
