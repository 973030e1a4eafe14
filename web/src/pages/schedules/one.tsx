import { useState } from "preact/hooks";
import { refresh, told } from "../../actions.ts";
import { api, queryOf } from "../../api/http.ts";
import type { Schedule } from "../../api/shapes.ts";
import { mayChange, ofApp } from "../../me.ts";
import { ActButton } from "../../parts/act-button.tsx";
import { Confirm } from "../../parts/dialog.tsx";
import { plural, safeText } from "../../parts/text.tsx";
import { Ago } from "../../parts/time.tsx";
import { toast } from "../../parts/toasts.tsx";
import { pathOf } from "../../root.ts";
import { Edit } from "./edit.tsx";
import { Outcomes } from "./outcomes.tsx";
import { inWords } from "./words.ts";

const STATES = { ACTIVE: ["running", "Active"], PAUSED: ["waiting", "Paused"], ENDED: ["cancelled", "Ended"] } as const;

/** A schedule: when it runs, how it went, and what can be done to it. */
export function One({ schedule }: { readonly schedule: Schedule }) {
  const { key, id, expression, timezone, state, pauseReason } = schedule;
  const [tone, word] = STATES[state];
  const words = inWords(expression);
  return (
    <section class="panel" aria-label={`Schedule ${key}`}>
      <header>
        <h2 class="cut">
          <a href={pathOf(`/jobs/${id}`)}>{key}</a>
        </h2>
        <span class="badge" data-tone={tone}>
          {word}
        </span>
        {pauseReason !== undefined && <span class="muted cut">{safeText(pauseReason)}</span>}
        <span class="grow" />
        {mayChange.value && <Actions schedule={schedule} />}
      </header>
      <dl class="facts inside">
        <dt>Runs</dt>
        <dd>
          {words !== "" && <>{words}, </>}
          {timezone} <code class="muted small">{expression}</code>
        </dd>
        <dt>Next</dt>
        <dd>
          <Next schedule={schedule} />
        </dd>
        <dt>Last</dt>
        <dd class="row">
          <Last schedule={schedule} />
        </dd>
      </dl>
    </section>
  );
}

function Next({ schedule: { nextRuns, state } }: { readonly schedule: Schedule }) {
  const [first, ...others] = nextRuns;
  if (first === undefined) return <span class="muted">{state === "PAUSED" ? "none while it is paused" : "none"}</span>;
  return (
    <>
      <b>
        <Ago at={first} />
      </b>
      {others.length > 0 && (
        <span class="muted">
          {" "}
          then{" "}
          {others.map((at, n) => (
            <>
              {n > 0 && ", "}
              <Ago at={at} suffix={false} />
            </>
          ))}
        </span>
      )}
    </>
  );
}

function Last({ schedule }: { readonly schedule: Schedule }) {
  const { lastRun, runCount, skipped } = schedule;
  const left = Object.entries(skipped).filter(([, count]) => count > 0);
  const reasons = { overlap: "overlapping", missed: "missed", paused: "while paused" } as const;
  return (
    <>
      {lastRun ? (
        <a href={pathOf(`/jobs/${lastRun.jobId}`)}>
          <Ago at={lastRun.at} />
        </a>
      ) : (
        <span class="muted">no run yet</span>
      )}
      {lastRun && <Outcomes schedule={schedule} />}
      <span class="muted small">
        {runCount > 0 && plural(runCount, "run")}
        {left.length > 0 &&
          `; skipped ${left.map(([reason, count]) => `${count} ${reasons[reason as keyof typeof reasons]}`).join(", ")}`}
      </span>
    </>
  );
}

function Actions({ schedule }: { readonly schedule: Schedule }) {
  const { key, state } = schedule;
  const [isEnding, setEnding] = useState(false);
  const [isEditing, setEditing] = useState(false);
  const path = (below = "") => `v1/schedules/${encodeURIComponent(key)}${below}${queryOf(ofApp())}`;
  const act = async (below: string, word: string) => {
    const done = await told(async () => api(path(below), { method: "POST", body: {} }));
    const undo = { action: { word: "Undo", act: () => void act("/resume", "Resumed") } };
    if (done !== undefined) toast(`${word} ${key}`, below === "/pause" ? undo : {});
    await refresh();
  };
  const button = (word: string, onClick: () => void, tone = "") => (
    <button type="button" class={`button small ${tone}`} onClick={onClick}>
      {word}
    </button>
  );
  if (state === "ENDED") return null;
  return (
    <div class="row">
      <ActButton class="small" act={async () => act("/run", "Started a run of")}>
        Run now
      </ActButton>
      {state === "ACTIVE" ? (
        <ActButton class="small" act={async () => act("/pause", "Paused")}>
          Pause
        </ActButton>
      ) : (
        <ActButton class="small" act={async () => act("/resume", "Resumed")}>
          Resume
        </ActButton>
      )}
      {button("Edit", () => setEditing(true))}
      {button("End", () => setEnding(true), "danger")}
      <Confirm
        title={`End the schedule ${key}?`}
        yes="End it"
        no="Keep it"
        isDangerous
        isOpen={isEnding}
        onClose={() => setEnding(false)}
        act={async () => {
          await told(async () => api(path(), { method: "DELETE" }));
          await refresh();
        }}
      >
        <p>It sends no further job, and its key is free again. Jobs that it has sent go on. This cannot be undone.</p>
      </Confirm>
      {isEditing && <Edit schedule={schedule} onClose={() => setEditing(false)} />}
    </div>
  );
}
