import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer, Group, JobDetail, Status } from "../../api/shapes.ts";
import { refresh, told } from "../../actions.ts";
import { mayChange } from "../../me.ts";
import { ActButton } from "../../parts/act-button.tsx";
import { Refreshing } from "../../parts/notices.tsx";
import { hasMore } from "../../pages-of.ts";
import { SHOWN, StatusBadge, isFinal } from "../../parts/status.tsx";
import { plural } from "../../parts/text.tsx";
import { Ago } from "../../parts/time.tsx";
import { pathOf } from "../../root.ts";
import { stateOf, whatOf } from "../../what.ts";

// A group: how many of its members have ended, and how.

/** Members by how they ended, and those that have not. */
export function membersOf({ members }: Pick<Group, "members">): readonly (readonly [status: Status, count: number])[] {
  const { total, succeeded, failed, dead, cancelled, ended } = members;
  const all = [
    ["SUCCEEDED", succeeded],
    ["FAILED", failed],
    ["DEAD", dead],
    ["CANCELLED", cancelled],
    ["PENDING", Math.max(0, total - ended)],
  ] as const;
  return all.filter(([, count]) => count > 0);
}

export function MembersBar({ group }: { readonly group: Pick<Group, "members" | "expected"> }) {
  const total = Math.max(1, group.expected ?? 0, group.members.total);
  const shown = membersOf(group);
  const text = shown.map(([status, count]) => `${count} ${wordOf(status)}`).join(", ");
  let at = 0;
  return (
    <svg class="members" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={text || "No member yet"}>
      {shown.map(([status, count]) => {
        const from = at;
        at += (count / total) * 100;
        return (
          <rect key={status} data-tone={SHOWN[status].tone} x={from} width={at - from} height="8" fill="var(--solid)">
            <title>{`${count} ${wordOf(status)}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}

function wordOf(status: Status): string {
  return status === "PENDING" ? "unfinished" : SHOWN[status].word.toLowerCase();
}

export function GroupOf({ job }: { readonly job: JobDetail }) {
  const { id } = job;
  const asked = useQuery({
    key: ["group", id, job.updatedAt],
    ask: async (signal) => api<Group>(`v1/groups/${id}`, { signal }),
    every: (group) => (group === undefined || !isFinal(group.status) ? "often" : "never"),
    keeps: true,
  });
  const group = asked.data;
  if (!group) return <Refreshing query={asked} />;
  const { members, expected, sealedAt, sealBy } = group;
  const seal = async () => {
    await told(async () => api(`v1/groups/${id}/seal`, { method: "POST", body: {} }));
    await refresh();
  };
  return (
    <section class="panel" aria-label="Members">
      <header>
        <h2 class="grow">
          {members.ended.toLocaleString("en")} of {plural(expected ?? members.total, "member")} ended
        </h2>
        <span class="muted small">
          {sealedAt === null ? (
            <>
              open, must be sealed <Ago at={sealBy} />
            </>
          ) : (
            <>
              sealed <Ago at={sealedAt} />
            </>
          )}
        </span>
        {mayChange.value && sealedAt === null && !isFinal(group.status) && (
          <ActButton class="small" title="Nothing becomes a member any more" act={seal}>
            Seal
          </ActButton>
        )}
      </header>
      <div class="inside stack tight">
        <MembersBar group={group} />
        <div class="numbers">
          {membersOf(group).map(([status, count]) => (
            <a
              key={status}
              class="number"
              href={pathOf(`/jobs?q=${encodeURIComponent(`group:${id} status:${searched(status)}`)}`)}
            >
              <span class="dot" data-tone={SHOWN[status].tone} /> <b>{count.toLocaleString("en")}</b> {wordOf(status)}
            </a>
          ))}
        </div>
      </div>
      <Members id={id} isEnded={isFinal(group.status)} />
    </section>
  );
}

const searched = (status: Status) => (status === "PENDING" ? "waiting,running,retrying" : wordOf(status));

const SHOWN_MEMBERS = 10;

function Members({ id, isEnded }: { readonly id: string; readonly isEnded: boolean }) {
  const list = useQuery({
    key: ["members", id, isEnded],
    ask: async (signal) =>
      api<Answer<"listMembers">>(`v1/groups/${id}/jobs${queryOf({ limit: SHOWN_MEMBERS })}`, { signal }),
    every: () => (isEnded ? "never" : "seldom"),
    keeps: true,
  });
  const items = list.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <>
      <table class="table cards-on-phone lines-on-phone">
        <caption class="hidden-text">The newest members</caption>
        <tbody>
          {items.map((job) => (
            <tr key={job.id}>
              <td class="fit first-on-phone">
                <StatusBadge status={job.status} />
              </td>
              <td class="cut wide-on-phone">
                <a href={pathOf(`/jobs/${job.id}`)}>{whatOf(job)}</a> <span class="muted">{stateOf(job)}</span>
              </td>
              <td class="fit right end-on-phone">
                <Ago at={job.createdAt} suffix={false} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {hasMore(list.data) && (
        <p class="inside">
          <a href={pathOf(`/jobs?q=group:${id}`)}>All members</a>
        </p>
      )}
    </>
  );
}
