import { useLocation, useRoute } from "preact-iso/router";
import { useEffect } from "preact/hooks";
import { announce } from "../announced.ts";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { JobDetail } from "../api/shapes.ts";
import { SHOWN_AT_FIRST } from "../parts/json.tsx";
import { later } from "../parts/later.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { SHOWN, isFinal } from "../parts/status.tsx";
import { Timeline } from "../parts/timeline.tsx";
import { pathOf } from "../root.ts";
import { whatOf } from "../what.ts";
import { Attempts } from "./job/attempts.tsx";
import { Head } from "./job/head.tsx";
import { Facts, Message } from "./job/message.tsx";
import { Relatives } from "./job/relatives.tsx";
import { Progress } from "./job/progress.tsx";
import { Why } from "./job/why.tsx";

// What few jobs have.
const GroupOf = later(async () => (await import("./job/group.tsx")).GroupOf);
const Log = later(async () => (await import("./job/log.tsx")).Log);
const TaskResult = later(async () => (await import("./job/result.tsx")).TaskResult);
const KeptResponse = later(async () => (await import("./job/result.tsx")).KeptResponse);

/** An answer that is older than what is shown is dropped. */
let shownLast: JobDetail | undefined;

export default function JobPage() {
  const { params } = useRoute();
  const id = params["id"] ?? "";
  const asked = useQuery({
    key: ["job", id],
    ask: async (signal) => {
      const job = await api<JobDetail>(`v1/admin/jobs/${id}?bodyUpTo=${SHOWN_AT_FIRST}`, { signal });
      if (shownLast?.id === job.id && shownLast.updatedAt > job.updatedAt) return shownLast;
      shownLast = job;
      return job;
    },
    every: (job) => (job === undefined || !isFinal(job.status) ? "often" : "never"),
  });
  const { status } = asked.data ?? {};
  useEffect(() => {
    if (asked.data) announce(`${whatOf(asked.data)}: ${SHOWN[asked.data.status].word}`);
  }, [id, status]);
  if (asked.isPending) return <Skeleton title="Job" rows={10} />;
  if (!asked.data) {
    return (
      <div class="stack">
        <h1 tabIndex={-1}>Job {id.slice(0, 8)}</h1>
        <Refreshing query={asked} />
      </div>
    );
  }
  return (
    <div class="stack">
      <Head job={asked.data} />
      <Refreshing query={asked} />
      <Body job={asked.data} />
    </div>
  );
}

/** The selected attempt and tab stand in the address. */
function Body({ job }: { readonly job: JobDetail }) {
  const { query, route } = useLocation();
  const { id, attempts, executionType } = job;
  const at = Number(query["attempt"] ?? attempts.at(-1)?.number ?? 0);
  const tab = query["tab"] ?? "response";
  const show = (next: { readonly attempt?: number; readonly tab?: string }) => {
    const attempt = next.attempt ?? (query["attempt"] === undefined ? undefined : at);
    route(pathOf(`/jobs/${id}${queryOf({ attempt, tab: next.tab ?? query["tab"] })}`), true);
  };
  const isTask = executionType === "task";
  const isRun = executionType !== "schedule" && executionType !== "group";
  return (
    <>
      <Why job={job} />
      {isTask && <Progress job={job} />}
      {isRun && <Timeline job={job} selected={at} onSelect={(attempt) => show({ attempt })} />}
      {executionType === "group" && <GroupOf job={job} />}
      {isTask && job.status === "SUCCEEDED" && <TaskResult id={id} />}
      {attempts.length > 0 && <Attempts attempts={attempts} at={at} tab={tab} job={job} onShow={show} />}
      {job.response && <KeptResponse id={id} response={job.response} />}
      <Relatives job={job} />
      {isTask && <Log id={id} isEnded={isFinal(job.status)} />}
      <Message job={job} />
      <Facts job={job} />
    </>
  );
}
