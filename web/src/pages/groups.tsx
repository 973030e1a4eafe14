import { useLocation } from "preact-iso/router";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer, Group, Job } from "../api/shapes.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Icon } from "../parts/icon.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { StatusBadge, isFinal } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { hasMore } from "../pages-of.ts";
import { pathOf } from "../root.ts";
import { MembersBar } from "./job/group.tsx";

/** Of so many open groups, members are counted while one looks; of the others on their own pages. */
const MOST_COUNTED = 5;

const STATES = { "": "All", open: "Open" } as const;

export default function Groups() {
  const { query } = useLocation();
  const state = query["state"] ?? "";
  const list = useQuery({
    key: ["groups", appId.value, state],
    ask: async (signal) => {
      const wanted = { ...ofApp(), executionType: "group", status: state === "open" ? "PENDING" : "", limit: 50 };
      return api<Answer<"listJobs">>(`v1/admin/jobs${queryOf(wanted)}`, { signal });
    },
    every: () => "seldom",
    keeps: true,
  });
  if (list.isPending) return <Skeleton title="Groups" />;
  const all = list.data?.items ?? [];
  const open = all.filter(({ status }) => !isFinal(status)).slice(0, MOST_COUNTED);
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Groups</h1>
        <div class="actions">
          {mayChange.value && (
            <a class="button" href={pathOf("/new?type=group")}>
              <Icon shape="plus" /> New group
            </a>
          )}
        </div>
      </div>
      <nav class="tabs" aria-label="States">
        {Object.entries(STATES).map(([each, word]) => (
          <a
            key={each}
            href={pathOf(`/groups${each === "" ? "" : `?state=${each}`}`)}
            {...(each === state && { "aria-current": "true" as const })}
          >
            {word}
          </a>
        ))}
      </nav>
      <Refreshing query={list} />
      {all.length === 0 ? (
        <div class="empty panel">
          <h2>{state === "" ? "No group" : "No open group"}</h2>
          <p>A group ends once all its members have ended, and tells it: an import in a thousand parts, for one.</p>
        </div>
      ) : (
        <div class="panel">
          <table class="table cards-on-phone lines-on-phone">
            <caption class="hidden-text">Groups, newest first</caption>
            <thead>
              <tr>
                <th class="fit">Status</th>
                <th>Group</th>
                <th class="most">Members</th>
                <th class="fit right" aria-sort="descending">
                  Age
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((job) => (
                <Row key={job.id} job={job} isCounted={open.includes(job)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {hasMore(list.data) && (
        <p>
          <a href={pathOf(`/jobs?q=type:group${state === "open" ? "%20status:waiting" : ""}`)}>
            More in the list of jobs
          </a>
        </p>
      )}
    </div>
  );
}

function Row({ job, isCounted }: { readonly job: Job; readonly isCounted: boolean }) {
  const { id, status, idempotencyKey, createdAt } = job;
  const asked = useQuery({
    key: ["group", id, "row"],
    ask: async (signal) => api<Group>(`v1/groups/${id}`, { signal }),
    enabled: isCounted,
    every: () => "seldom",
  });
  return (
    <tr>
      <td class="fit first-on-phone">
        <StatusBadge status={status} />
      </td>
      <td class="cut wide-on-phone">
        <a href={pathOf(`/jobs/${id}`)}>{idempotencyKey ?? id.slice(0, 8)}</a>
      </td>
      <td class="wide-on-phone">
        <Members job={job} group={asked.data} />
      </td>
      <td class="fit right end-on-phone">
        <Ago at={createdAt} suffix={false} />
      </td>
    </tr>
  );
}

function Members({ job, group }: { readonly job: Job; readonly group: Group | undefined }) {
  const ended = job.members && { ...job.members, ended: job.members.total };
  const members = group?.members ?? ended;
  const expected = group?.expected ?? job.expected ?? null;
  if (!members) return <span class="muted">{expected === null ? "" : plural(expected, "member")}</span>;
  return (
    <span class="row">
      <MembersBar group={{ members, expected }} />
      <span class="muted small">
        {members.ended.toLocaleString("en")} of {(expected ?? members.total).toLocaleString("en")}
      </span>
    </span>
  );
}
