import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer, Job, JobDetail } from "../../api/shapes.ts";
import { Icon } from "../../parts/icon.tsx";
import { SHOWN, isFinal } from "../../parts/status.tsx";
import { pathOf } from "../../root.ts";
import { whatOf } from "../../what.ts";

const FOLLOW_UPS = ["onSuccess", "onFailure", "onComplete"] as const;

/** The jobs before and after this one: parent → this → callbacks. What is still to be sent is hollow. */
export function Relatives({ job }: { readonly job: JobDetail }) {
  const { id, parentJobId, followUpJobIds = [], resentFrom, group, status } = job;
  const ids = [parentJobId, resentFrom, group, ...followUpJobIds].filter((each) => each !== undefined).slice(0, 50);
  const found = useQuery({
    key: ["relatives", id, ids.join()],
    ask: async (signal) => api<Answer<"listJobs">>(`v1/admin/jobs${queryOf({ ids, limit: 50 })}`, { signal }),
    enabled: ids.length > 0,
    every: (page) => (page?.items.some((each) => !isFinal(each.status)) ? "seldom" : "never"),
  });
  const owed = isFinal(status) && followUpJobIds.length > 0 ? [] : FOLLOW_UPS.filter((name) => Boolean(job[name]));
  if (ids.length === 0 && owed.length === 0) return null;
  const known = new Map(found.data?.items.map((each) => [each.id, each]));
  const one = (of: string | undefined, word: string) =>
    of !== undefined && (
      <>
        <Relative id={of} word={word} job={known.get(of)} /> <span class="muted">→</span>
      </>
    );
  return (
    <p class="row relatives" aria-label="Related jobs">
      {one(group, "Group")}
      {one(resentFrom, "Copy of")}
      {one(parentJobId, "Parent")}
      <b class="badge" data-tone={SHOWN[status].tone}>
        this
      </b>
      {followUpJobIds.slice(0, 50).map((each) => (
        <>
          <span class="muted">→</span> <Relative key={each} id={each} job={known.get(each)} />
        </>
      ))}
      {owed.map((name) => (
        <span class="muted row tight" key={name} title="Sent when the job has ended so">
          → <Icon shape="circle" /> {name}
        </span>
      ))}
    </p>
  );
}

function Relative({ id, word, job }: { readonly id: string; readonly word?: string; readonly job: Job | undefined }) {
  const shown = job && SHOWN[job.status];
  return (
    <a class="row tight" href={pathOf(`/jobs/${id}`)} data-tone={shown?.tone}>
      {shown && <Icon shape={shown.shape} label={shown.word} />}
      <span>
        {word} {job ? whatOf(job) : id.slice(0, 8)}
      </span>
    </a>
  );
}
