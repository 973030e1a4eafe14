import { useRoute } from "preact-iso/router";
import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { BulkAction } from "../api/shapes.ts";
import { refresh, told } from "../actions.ts";
import { STATES, hostOf } from "../destinations.ts";
import { searchOf } from "../filter.ts";
import { mayChange } from "../me.ts";
import { ActButton } from "../parts/act-button.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Resume } from "../parts/resume.tsx";
import { StatusBadge, isFinal } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";
import { Left } from "./bulk-left.tsx";
import { filterText } from "./bulk.tsx";
import { wholeJob } from "./job/whole.tsx";

export default function BulkActionPage() {
  const { params } = useRoute();
  const id = params["id"] ?? "";
  const asked = useQuery({
    key: ["bulk-action", id],
    ask: async (signal) => api<BulkAction>(`v1/admin/bulk-actions/${id}`, { signal }),
    every: (one) => {
      if (one === undefined || !isFinal(one.status)) return "often";
      return one.shutDestinations?.length ? "seldom" : "never";
    },
  });
  if (asked.isPending) return <Skeleton title="Bulk action" />;
  const one = asked.data;
  if (!one) {
    return (
      <div class="stack">
        <h1 tabIndex={-1}>Bulk action</h1>
        <Refreshing query={asked} />
      </div>
    );
  }
  const isRunning = !isFinal(one.status);
  const abort = async () => {
    await told(async () => api(`v1/admin/bulk-actions/${id}/abort`, { method: "POST" }));
    await refresh();
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>{one.action === "redrive" ? "Retry many" : "Cancel many"}</h1>
        <StatusBadge status={one.status} />
        <div class="actions">
          {isRunning && mayChange.value && (
            <ActButton class="danger" act={abort}>
              Stop here
            </ActButton>
          )}
          <a class="button" href={pathOf("/bulk")}>
            All bulk actions
          </a>
        </div>
      </div>
      <Refreshing query={asked} />
      <p class="why">
        {isRunning && "So far "}
        {one.changed.toLocaleString("en")} of {plural(one.matched, "job")} that fit {one.changed === 1 ? "was" : "were"}{" "}
        {one.action === "redrive" ? "set to run again" : "cancelled"}; {plural(one.looked, "job")}{" "}
        {one.looked === 1 ? "was" : "were"} looked at.
      </p>
      {isRunning && <Left one={one} />}
      <Shut all={one.shutDestinations ?? []} />
      {one.error !== null && (
        <div class="notice" data-tone="dead">
          {one.error}
        </div>
      )}
      <Facts one={one} />
      {isRunning && (
        <p class="muted">Jobs that change meanwhile are left alone. What has been changed stays so when you stop.</p>
      )}
    </div>
  );
}

/** The destinations for which redriven jobs wait. */
function Shut({ all }: { readonly all: NonNullable<BulkAction["shutDestinations"]> }) {
  if (all.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="shut">
      <header>
        <h2 id="shut">
          {all.length === 1 ? "One destination lets" : `${all.length} destinations let`} none of these jobs through
        </h2>
      </header>
      <ul role="list" class="problems">
        {all.map(({ destination, state, since, lastError }) => (
          <li key={destination}>
            <span class="badge" data-tone={STATES[state][0]}>
              {STATES[state][1]}
            </span>
            <span>
              <a href={pathOf(searchOf(`host:${hostOf({ destination })}`))}>{hostOf({ destination })}</a>
              {lastError !== null && `: ${lastError}`}, since <Ago at={since} />. Its jobs wait, and use up no retry.
            </span>
            <Resume destination={destination} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Facts({ one: { id, filter, createdAt, completedAt } }: { readonly one: BulkAction }) {
  const job = useQuery({
    key: ["whole job", id],
    ask: async (signal) => wholeJob(id, signal),
  });
  const by = job.data?.createdBy;
  return (
    <dl class="facts">
      <dt>Which</dt>
      <dd>{filterText(filter)}</dd>
      <dt>Begun</dt>
      <dd>
        <Ago at={createdAt} />
        {by && <> by {by}</>}
      </dd>
      {completedAt !== null && (
        <>
          <dt>Ended</dt>
          <dd>
            <Ago at={completedAt} />
          </dd>
        </>
      )}
      <dt>Job</dt>
      <dd>
        <a class="mono" href={pathOf(`/jobs/${id}`)}>
          {id}
        </a>
      </dd>
    </dl>
  );
}
