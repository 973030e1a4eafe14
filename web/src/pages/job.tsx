import { useLocation, useRoute } from "preact-iso/router";
import { useEffect, useState } from "preact/hooks";
import { actOn, actsOn, type Act } from "../actions.ts";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Attempt, Job, Page } from "../api/shapes.ts";
import { curlOf } from "../curl.ts";
import { pageKeys } from "../keys.ts";
import { mayChange } from "../me.ts";
import { CopyButton, copy } from "../parts/copy.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Code } from "../parts/json.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { StatusBadge, isFinal } from "../parts/status.tsx";
import { OutLink, Safe } from "../parts/text.tsx";
import { Ago, Countdown } from "../parts/time.tsx";
import { Timeline } from "../parts/timeline.tsx";
import { pathOf } from "../root.ts";
import { durationText } from "../time.ts";
import { whatOf } from "../what.ts";

/** An answer that is older than what is shown is dropped. */
let shownLast: Job | undefined;

export default function JobPage() {
  const { params } = useRoute();
  const { query, route } = useLocation();
  const id = params["id"] ?? "";
  const asked = useQuery({
    key: ["job", id],
    ask: async (signal) => {
      const job = await api<Job>(`v1/admin/jobs/${id}`, { signal });
      if (shownLast?.id === job.id && shownLast.updatedAt > job.updatedAt) return shownLast;
      shownLast = job;
      return job;
    },
    every: (job) => (job === undefined || !isFinal(job.status) ? "often" : "never"),
  });
  if (asked.isPending) return <Skeleton title="Job" rows={10} />;
  const job = asked.data;
  if (!job) {
    return (
      <div class="stack">
        <h1 tabIndex={-1}>Job {id.slice(0, 8)}</h1>
        <Refreshing query={asked} />
      </div>
    );
  }
  const attempts = job.attempts ?? [];
  const at = Number(query["attempt"] ?? attempts.at(-1)?.number ?? 0);
  const tab = query["tab"] ?? "response";
  const show = (next: { attempt?: number; tab?: string }) =>
    route(
      pathOf(
        `/jobs/${id}${queryOf({ attempt: next.attempt ?? (query["attempt"] ? at : undefined), tab: next.tab ?? query["tab"] })}`,
      ),
      true,
    );
  return (
    <div class="stack">
      <Head job={job} />
      <Refreshing query={asked} />
      <Why job={job} />
      <Timeline job={job} selected={at} onSelect={(number) => show({ attempt: number })} />
      {attempts.length > 0 && <Attempts attempts={attempts} at={at} tab={tab} job={job} onShow={show} />}
      <Relatives job={job} />
      {job.executionType === "task" && <Log id={id} isEnded={isFinal(job.status)} />}
      <Message job={job} />
      <Facts job={job} />
    </div>
  );
}

function Head({ job }: { readonly job: Job }) {
  const [asking, setAsking] = useState<Act | undefined>(undefined);
  const [isBusy, setBusy] = useState<Act | undefined>(undefined);
  const { route } = useLocation();
  const acts = mayChange.value ? actsOn(job) : [];
  const run = async (act: Act) => {
    setBusy(act);
    const done = await actOn(job.id, act);
    setBusy(undefined);
    if (done && act === "delete") route(pathOf("/jobs"));
  };
  const start = (act: Act) => (act === "retry" ? void run(act) : setAsking(act));
  useEffect(
    () =>
      pageKeys({
        r: () => acts.includes("retry") && void run("retry"),
        c: () => acts.includes("cancel") && setAsking("cancel"),
      }),
    [job.status, job.id, mayChange.value],
  );
  const canResend = job.executionType !== "schedule" && job.executionType !== "group";
  return (
    <div class="title">
      <h1 tabIndex={-1} class="grow">
        <Safe text={whatOf(job)} />
      </h1>
      <StatusBadge status={job.status} />
      <span class="row tight small muted">
        <code title={job.id}>{job.id.slice(0, 8)}</code>
        <CopyButton text={job.id} what="the id" />
        {job.idempotencyKey !== null && (
          <>
            key <code class="cut">{job.idempotencyKey}</code>
            <CopyButton text={job.idempotencyKey} what="the key" />
          </>
        )}
      </span>
      <div class="actions">
        {acts.map((act) => (
          <button
            key={act}
            type="button"
            class={`button${act === "retry" ? " primary" : act === "delete" || act === "cancel" ? " danger" : ""}`}
            aria-busy={isBusy === act}
            disabled={isBusy !== undefined}
            onClick={() => start(act)}
          >
            {isBusy === act ? "Working…" : WORDS[act](job)}
          </button>
        ))}
        {canResend && mayChange.value && (
          <a class="button" href={pathOf(`/new?from=${job.id}`)}>
            Edit and send again
          </a>
        )}
      </div>
      <Confirm
        title={QUESTIONS[asking ?? "cancel"]}
        yes={YES[asking ?? "cancel"]}
        no="Keep it"
        isDangerous
        isOpen={asking !== undefined}
        onClose={() => setAsking(undefined)}
        act={async () => run(asking ?? "cancel")}
      >
        <p>{EFFECTS[asking ?? "cancel"]}</p>
      </Confirm>
    </div>
  );
}

const WORDS: Readonly<Record<Act, (job: Job) => string>> = {
  retry: ({ status }) =>
    status === "FAILED" || status === "DEAD" ? "Retry" : status === "RETRYING" ? "Retry now" : "Start now",
  cancel: () => "Cancel",
  deadletter: () => "Give up",
  delete: () => "Delete",
};
const QUESTIONS: Readonly<Record<Act, string>> = {
  retry: "Retry this job?",
  cancel: "Cancel this job?",
  deadletter: "Give this job up?",
  delete: "Delete this job?",
};
const YES: Readonly<Record<Act, string>> = {
  retry: "Retry",
  cancel: "Cancel the job",
  deadletter: "Give it up",
  delete: "Delete the job",
};
const EFFECTS: Readonly<Record<Act, string>> = {
  retry: "",
  cancel: "A running attempt is let finish; if it succeeds, the job counts as succeeded. This cannot be undone.",
  deadletter:
    "It ends as dead, and its callbacks for failures are sent. A running attempt is let finish. It can be retried later.",
  delete: "The job goes with its payload, attempts and log, and its key is free again. This cannot be undone.",
};

/** Why it is as it is: the first thing that is said. */
function Why({ job }: { readonly job: Job }) {
  const { status, waiting, lastError, nextRetryAt } = job;
  if (job.stopRequestedAt !== undefined && status === "RUNNING")
    return (
      <p class="why">
        It is to stop: the running attempt is let finish. Asked <Ago at={job.stopRequestedAt} />.
      </p>
    );
  switch (status) {
    case "PENDING":
    case "RETRYING":
      return (
        <p class="why">
          {status === "RETRYING" && lastError !== null && (
            <>
              <Safe text={lastError} />.{" "}
            </>
          )}
          {waiting ? <Safe text={waiting.detail} /> : "It waits"}
          {(waiting?.until ?? nextRetryAt) !== null && status === "RETRYING" && (
            <>
              : the next try is in <Countdown to={waiting?.until ?? nextRetryAt ?? ""} />
            </>
          )}
          .
        </p>
      );
    case "RUNNING":
      return (
        <p class="why">
          An attempt is running.
          {job.progress &&
            ` ${Math.round(job.progress.percent)} % done${job.progress.label === undefined ? "" : `: ${job.progress.label}`}.`}
        </p>
      );
    case "SUCCEEDED":
      return (
        <p class="why">
          It succeeded <Ago at={job.updatedAt} />.
        </p>
      );
    case "CANCELLED":
      return (
        <p class="why">
          It was cancelled <Ago at={job.updatedAt} />.
        </p>
      );
    case "FAILED":
    case "DEAD":
      return (
        <p class="why">
          {status === "DEAD" ? "No retry is left: " : "It failed for good: "}
          <Safe text={lastError ?? "nothing is known of why"} />, <Ago at={job.updatedAt} />.
        </p>
      );
    default:
      return status satisfies never;
  }
}

interface AttemptsProps {
  readonly job: Job;
  readonly attempts: readonly Attempt[];
  readonly at: number;
  readonly tab: string;
  readonly onShow: (next: { attempt?: number; tab?: string }) => void;
}

const TABS = ["response", "request", "headers", "curl"] as const;

function Attempts({ job, attempts, at, tab, onShow }: AttemptsProps) {
  const attempt = attempts.find(({ number }) => number === at) ?? attempts.at(-1);
  useEffect(
    () =>
      pageKeys({
        "[": () => onShow({ attempt: Math.max(1, at - 1) }),
        "]": () => onShow({ attempt: Math.min(attempts.length, at + 1) }),
      }),
    [at, attempts.length, tab],
  );
  return (
    <div class="split">
      <section class="panel" aria-label="Attempts">
        <table class="table">
          <caption class="hidden-text">Attempts, the last one first</caption>
          <thead>
            <tr>
              <th class="fit">#</th>
              <th>Outcome</th>
              <th class="fit right">Took</th>
              <th class="fit right">Started</th>
            </tr>
          </thead>
          <tbody>
            {attempts.toReversed().map(({ number, outcome, httpStatus, durationMs, startedAt }) => (
              <tr key={number} aria-selected={number === attempt?.number} onClick={() => onShow({ attempt: number })}>
                <td class="fit">
                  <button type="button" class="button plain small" aria-label={`Show attempt ${number}`}>
                    {number}
                  </button>
                </td>
                <td class="cut">{httpStatus ?? outcome}</td>
                <td class="fit right">{durationMs === null ? "–" : durationText(durationMs)}</td>
                <td class="fit right">
                  <Ago at={startedAt} suffix={false} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {attempt && (
        <section class="panel" aria-label={`Attempt ${attempt.number}`}>
          <header>
            <h2>
              Attempt {attempt.number}
              {attempt.httpStatus !== null && ` · ${attempt.httpStatus}`}
              {attempt.durationMs !== null && ` · ${durationText(attempt.durationMs)}`}
            </h2>
            <div class="tabs" role="tablist">
              {TABS.map((each) => (
                <button
                  key={each}
                  type="button"
                  role="tab"
                  aria-selected={each === tab}
                  onClick={() => onShow({ tab: each })}
                >
                  {each === "curl" ? "curl" : each[0]?.toUpperCase() + each.slice(1)}
                </button>
              ))}
            </div>
          </header>
          <div class="inside stack" role="tabpanel">
            {attempt.error !== null && (
              <p>
                <Safe text={attempt.error} />
              </p>
            )}
            <AttemptTab job={job} attempt={attempt} tab={tab} />
            {attempt.timings && <Timings timings={attempt.timings} />}
          </div>
        </section>
      )}
    </div>
  );
}

function AttemptTab({ job, attempt, tab }: { readonly job: Job; readonly attempt: Attempt; readonly tab: string }) {
  const request = job.lambdaProxyMessage;
  switch (tab) {
    case "request":
      return (
        <div class="stack tight">
          <code>
            {attempt.request?.method ?? request?.httpMethod} <Safe text={attempt.request?.url ?? whatOf(job)} />
          </code>
          {request && request.body !== null ? (
            <Code text={request.body} isJson={!request.isBase64Encoded} label="Body" />
          ) : (
            <p class="muted">Without a body.</p>
          )}
        </div>
      );
    case "headers":
      return (
        <div class="stack">
          <Headers title="Sent" headers={attempt.request?.headers ?? request?.headers ?? {}} />
          <Headers title="Answered" headers={attempt.responseHeaders ?? {}} />
        </div>
      );
    case "curl": {
      const text = curlOf(job);
      return text === undefined ? (
        <p class="muted">This kind of job has no request over HTTP.</p>
      ) : (
        <Code text={text} isJson={false} label="curl" />
      );
    }
    default:
      return attempt.responseExcerpt === null || attempt.responseExcerpt === "" ? (
        <p class="muted">
          {attempt.outcome === "lost"
            ? "Nothing was heard of this attempt."
            : "The answer had no body, or none is kept."}
        </p>
      ) : (
        <Code text={attempt.responseExcerpt} label="Response" />
      );
  }
}

function Headers({ title, headers }: { readonly title: string; readonly headers: Readonly<Record<string, string>> }) {
  const all = Object.entries(headers);
  return (
    <div class="stack tight">
      <h3>{title}</h3>
      {all.length === 0 ? (
        <p class="muted">None is kept.</p>
      ) : (
        <dl class="facts mono small">
          {all.map(([name, value]) => (
            <>
              <dt>
                <Safe text={name} />
              </dt>
              <dd>
                <Safe text={value} />
              </dd>
            </>
          ))}
        </dl>
      )}
    </div>
  );
}

function Timings({ timings }: { readonly timings: Readonly<Record<string, number>> }) {
  return (
    <p class="row wide small muted">
      {Object.entries(timings).map(([name, ms]) => (
        <span key={name}>
          {name.replace(/Ms$/, "")} {Math.round(ms)} ms
        </span>
      ))}
    </p>
  );
}

function Relatives({ job }: { readonly job: Job }) {
  const { parentJobId, followUpJobIds = [] } = job;
  const owed = (["onSuccess", "onFailure", "onComplete"] as const).filter((name) => job[name] !== undefined);
  if (parentJobId === undefined && followUpJobIds.length === 0 && owed.length === 0) return null;
  return (
    <p class="row">
      {parentJobId !== undefined && (
        <>
          <a href={pathOf(`/jobs/${parentJobId}`)}>Parent</a> →
        </>
      )}
      <b>this</b>
      {followUpJobIds.map((id) => (
        <>
          → <a href={pathOf(`/jobs/${id}`)}>{id.slice(0, 8)}</a>
        </>
      ))}
      {followUpJobIds.length === 0 && owed.map((name) => <span class="muted">→ {name}</span>)}
    </p>
  );
}

interface Line {
  readonly number: number;
  readonly level: string;
  readonly message: string;
  readonly createdAt: string;
}

function Log({ id, isEnded }: { readonly id: string; readonly isEnded: boolean }) {
  const [level, setLevel] = useState("");
  const [search, setSearch] = useState("");
  const log = useQuery({
    key: ["log", id, level],
    ask: async (signal) =>
      api<Page<Line>>(`v1/admin/jobs/${id}/logs${queryOf({ level, order: "newest", limit: 200 })}`, { signal }),
    every: () => (isEnded ? "never" : "often"),
    keeps: true,
  });
  const lines = (log.data?.items ?? []).filter(({ message }) => message.toLowerCase().includes(search.toLowerCase()));
  return (
    <section class="panel" aria-label="Log">
      <header>
        <h2 class="grow">Log</h2>
        <select
          class="input"
          aria-label="Level"
          value={level}
          onChange={(event) => setLevel(event.currentTarget.value)}
        >
          <option value="">All levels</option>
          {["DEBUG", "INFO", "WARNING", "ERROR"].map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
        <input
          class="input"
          type="search"
          placeholder="Search in the lines"
          aria-label="Search in the lines"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </header>
      <div class="inside">
        {lines.length === 0 ? (
          <p class="muted">No line.</p>
        ) : (
          <pre class="code" tabIndex={0}>
            {lines.map(
              ({ createdAt, level: of, message }) => `${createdAt.slice(11, 19)} ${of.padEnd(7)} ${message}
`,
            )}
          </pre>
        )}
      </div>
    </section>
  );
}

function Message({ job }: { readonly job: Job }) {
  const { executionConfig: config, onComplete, onSuccess, onFailure } = job;
  const file = config?.["result"];
  return (
    <details class="panel">
      <summary class="inside">Message</summary>
      <div class="inside stack">
        {typeof file === "string" && <OutLink href={file}>Result</OutLink>}
        <Code
          text={JSON.stringify({
            ...config,
            ...(onComplete && { onComplete }),
            ...(onSuccess && { onSuccess }),
            ...(onFailure && { onFailure }),
          })}
          label="Message"
        />
      </div>
    </details>
  );
}

function Facts({ job }: { readonly job: Job }) {
  return (
    <dl class="facts small">
      <dt>Created</dt>
      <dd>
        <Ago at={job.createdAt} /> {job.createdBy !== null && <>by {job.createdBy}</>}
      </dd>
      <dt>Changed</dt>
      <dd>
        <Ago at={job.updatedAt} />
      </dd>
      <dt>Retries</dt>
      <dd>
        {job.retryCount} of {job.maxRetries}
      </dd>
      <dt>Id</dt>
      <dd class="mono">{job.id}</dd>
      <dt>Address</dt>
      <dd>
        <button type="button" class="button small" onClick={() => void copy(location.href, "the address")}>
          Copy the link to this page
        </button>{" "}
        <a href={pathOf(`/app/audit?object=job:${job.id}`)}>Who changed it</a>
      </dd>
    </dl>
  );
}
