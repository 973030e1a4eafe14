import { useLocation } from "preact-iso/router";
import { useEffect, useState } from "preact/hooks";
import { actOn, actsOn, type Act } from "../../actions.ts";
import type { JobDetail } from "../../api/shapes.ts";
import { pageKeys } from "../../keys.ts";
import { mayChange } from "../../me.ts";
import { CopyButton, copy } from "../../parts/copy.tsx";
import { Confirm } from "../../parts/dialog.tsx";
import { Menu } from "../../parts/menu.tsx";
import { StatusBadge } from "../../parts/status.tsx";
import { Safe } from "../../parts/text.tsx";
import { Countdown } from "../../parts/time.tsx";
import { pathOf } from "../../root.ts";
import { whatOf } from "../../what.ts";

// A job's name, status and actions.

export function Head({ job }: { readonly job: JobDetail }) {
  const { id, idempotencyKey } = job;
  return (
    <div class="title">
      <h1 tabIndex={-1} class="grow long">
        <Safe text={whatOf(job)} />
      </h1>
      <span class="row tight">
        <StatusBadge status={job.status} />
        <NextTry job={job} />
      </span>
      <Actions job={job} />
      <span class="row tight small muted whole">
        <code title={id}>{id.slice(0, 8)}</code>
        <CopyButton text={id} what="the id" />
        {idempotencyKey !== null && (
          <>
            <span>key</span> <code class="cut">{idempotencyKey}</code>
            <CopyButton text={idempotencyKey} what="the key" />
          </>
        )}
        {job.labels?.map((label) => (
          <a class="badge" data-tone="waiting" href={pathOf(`/jobs?q=${encodeURIComponent(`label:"${label}"`)}`)}>
            {label}
          </a>
        ))}
      </span>
    </div>
  );
}

/** `try 4 of 11 in 3:12`; without the time, where the job waits for something else. */
function NextTry({ job }: { readonly job: JobDetail }) {
  const { status, attemptsStarted, maxRetries, nextRetryAt, waiting } = job;
  if (status !== "RETRYING" || nextRetryAt === null) return null;
  return (
    <span class="small">
      try {attemptsStarted + 1} of {maxRetries + 1} {waiting?.reason === "backoff" && <Countdown to={nextRetryAt} />}
    </span>
  );
}

function Actions({ job }: { readonly job: JobDetail }) {
  const [asking, setAsking] = useState<Act | undefined>(undefined);
  const [isBusy, setBusy] = useState<Act | undefined>(undefined);
  const { route } = useLocation();
  const acts = mayChange.value ? actsOn(job) : [];
  const run = async (act: Act) => {
    setBusy(act);
    const done = await actOn(job, act);
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
  const isLesser = (act: Act) => act === "deadletter" || act === "delete";
  return (
    <div class="actions below-on-phone">
      {acts
        .filter((act) => !isLesser(act))
        .map((act) => (
          <button
            key={act}
            type="button"
            class={`button ${act === "retry" ? "primary" : "danger"}`}
            aria-busy={isBusy === act}
            disabled={isBusy !== undefined}
            onClick={() => start(act)}
          >
            {isBusy === act ? "Working…" : WORDS[act](job)}
          </button>
        ))}
      {canResend(job) && mayChange.value && (
        <a class="button" href={pathOf(`/new?from=${job.id}`)}>
          <span class="not-on-phone">Edit and send again</span>
          <span class="on-phone">Send again</span>
        </a>
      )}
      {job.executionType === "schedule" && (
        <a class="button" href={pathOf("/schedules")}>
          Run, pause or edit it
        </a>
      )}
      <Menu word="More">
        {acts.filter(isLesser).map((act) => (
          <button key={act} type="button" class="danger" onClick={() => start(act)}>
            {WORDS[act](job)}
          </button>
        ))}
        <a href={pathOf(`/app/audit?object=${job.executionType === "schedule" ? "schedule" : "job"}:${job.id}`)}>
          Who changed it
        </a>
        <button type="button" onClick={() => void copy(location.href, "the address")}>
          Copy the address
        </button>
      </Menu>
      <Confirm
        title={QUESTIONS[asking ?? "cancel"]}
        yes={YES[asking ?? "cancel"]}
        no="Keep it"
        isDangerous
        isOpen={asking !== undefined}
        onClose={() => setAsking(undefined)}
        act={async () => run(asking ?? "cancel")}
      >
        <p>{job.executionType === "group" && asking === "cancel" ? GROUP_EFFECT : EFFECTS[asking ?? "cancel"]}</p>
      </Confirm>
    </div>
  );
}

function canResend({ executionType, jobType }: JobDetail): boolean {
  return executionType !== "schedule" && executionType !== "group" && jobType !== "bulk_action";
}

const WORDS: Readonly<Record<Act, (job: JobDetail) => string>> = {
  retry: ({ status, executionType }) =>
    executionType === "group"
      ? "Retry failed members"
      : status === "FAILED" || status === "DEAD"
        ? "Retry"
        : status === "RETRYING"
          ? "Retry now"
          : "Start now",
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
const GROUP_EFFECT =
  "Its unfinished members are cancelled, nothing becomes a member any more, and it ends when they have ended. This cannot be undone.";
