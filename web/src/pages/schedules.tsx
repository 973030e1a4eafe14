import { useState } from "preact/hooks";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Page, Status } from "../api/shapes.ts";
import { refresh, told } from "../actions.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { Refreshing, Skeleton, sentenceOf } from "../parts/notices.tsx";
import { SHOWN } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { toast } from "../parts/toasts.tsx";
import { pathOf } from "../root.ts";

export interface Schedule {
  readonly key: string;
  readonly id: string;
  readonly expression: string;
  readonly timezone: string;
  readonly state: "ACTIVE" | "PAUSED" | "ENDED";
  readonly nextRuns: readonly string[];
  readonly lastRun: { readonly at: string; readonly jobId: string; readonly status: Status | null } | null;
  readonly runCount: number;
  readonly skipped: { readonly overlap: number; readonly missed: number; readonly paused: number };
  readonly overlap: string;
  readonly missed: string;
  readonly version: number;
}

interface Run {
  readonly at: string;
  readonly jobId: string;
  readonly status: Status | null;
}

const pathTo = ({ key }: Pick<Schedule, "key">, below = "") =>
  `v1/schedules/${encodeURIComponent(key)}${below}${queryOf(ofApp())}`;

export default function Schedules() {
  const [state, setState] = useState("");
  const list = useQuery({
    key: ["schedules", state, appId.value],
    ask: async (signal) => api<Page<Schedule>>(`v1/schedules${queryOf({ ...ofApp(), state })}`, { signal }),
    every: () => "seldom",
    keeps: true,
  });
  if (list.isPending) return <Skeleton title="Schedules" />;
  const all = (list.data?.items ?? []).toSorted((a, b) => (a.nextRuns[0] ?? "9").localeCompare(b.nextRuns[0] ?? "9"));
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Schedules</h1>
        <div class="actions">
          {mayChange.value && (
            <a class="button" href={pathOf("/new?type=schedule")}>
              New schedule
            </a>
          )}
        </div>
      </div>
      <div class="tabs" role="group" aria-label="State">
        {(["", "ACTIVE", "PAUSED", "ENDED"] as const).map((each) => (
          <button key={each} type="button" aria-pressed={each === state} onClick={() => setState(each)}>
            {each === "" ? "All" : each[0] + each.slice(1).toLowerCase()}
          </button>
        ))}
      </div>
      <Refreshing query={list} />
      {all.length === 0 ? (
        <div class="empty panel">
          <h2>No schedule</h2>
          <p>A schedule sends a job at the times of an expression, such as every weekday at nine in Berlin.</p>
        </div>
      ) : (
        all.map((schedule) => <One key={schedule.id} schedule={schedule} />)
      )}
    </div>
  );
}

const STATES = { ACTIVE: ["running", "Active"], PAUSED: ["waiting", "Paused"], ENDED: ["cancelled", "Ended"] } as const;

function One({ schedule }: { readonly schedule: Schedule }) {
  const { key, id, expression, timezone, state, nextRuns, lastRun, runCount, skipped } = schedule;
  const [isEnding, setEnding] = useState(false);
  const [isEditing, setEditing] = useState(false);
  const [isOpen, setOpen] = useState(false);
  const act = async (below: string, word: string, body?: object) => {
    const done = await told(async () => api(pathTo(schedule, below), { method: "POST", ...(body && { body }) }));
    if (done !== undefined)
      toast(
        `${word} ${key}`,
        below === "/pause" ? { action: { word: "Undo", act: () => void act("/resume", "Resumed", {}) } } : {},
      );
    await refresh();
  };
  const [tone, word] = STATES[state];
  const left = skipped.overlap + skipped.missed + skipped.paused;
  return (
    <section class="panel" aria-label={`Schedule ${key}`}>
      <header>
        <h2 class="cut">
          <a href={pathOf(`/jobs/${id}`)}>{key}</a>
        </h2>
        <span class="badge" data-tone={tone}>
          {word}
        </span>
        <span class="muted">
          <code>{expression}</code> {timezone} · {inWords(expression)}
        </span>
        <span class="grow" />
        {mayChange.value && (
          <div class="row">
            {state === "ACTIVE" && (
              <button type="button" class="button small" onClick={() => void act("/pause", "Paused", {})}>
                Pause
              </button>
            )}
            {state === "PAUSED" && (
              <button type="button" class="button small" onClick={() => void act("/resume", "Resumed", {})}>
                Resume
              </button>
            )}
            <button type="button" class="button small" onClick={() => void act("/run", "Started a run of", {})}>
              Run now
            </button>
            <button type="button" class="button small" onClick={() => setEditing(true)}>
              Edit
            </button>
            <button type="button" class="button small danger" onClick={() => setEnding(true)}>
              End
            </button>
          </div>
        )}
      </header>
      <div class="inside row wide">
        <span>
          Next{" "}
          {nextRuns.length === 0
            ? "none"
            : nextRuns.map((at, n) => (
                <>
                  {n > 0 && ", "}
                  <Ago at={at} />
                </>
              ))}
        </span>
        <span>
          Last{" "}
          {lastRun ? (
            <>
              <a href={pathOf(`/jobs/${lastRun.jobId}`)}>
                <Ago at={lastRun.at} />
              </a>{" "}
              {lastRun.status !== null && SHOWN[lastRun.status].word.toLowerCase()}
            </>
          ) : (
            "none yet"
          )}
        </span>
        <span class="muted">
          {plural(runCount, "run")}
          {left > 0 &&
            `, ${left} skipped (${skipped.overlap} overlapping, ${skipped.missed} missed, ${skipped.paused} while paused)`}
        </span>
        <button type="button" class="button small" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          Last runs
        </button>
      </div>
      {isOpen && <Runs schedule={schedule} />}
      <Confirm
        title={`End the schedule ${key}?`}
        yes="End it"
        no="Keep it"
        isDangerous
        isOpen={isEnding}
        onClose={() => setEnding(false)}
        act={async () => {
          await told(async () => api(pathTo(schedule), { method: "DELETE" }));
          await refresh();
        }}
      >
        <p>It sends no further job. Jobs that it has sent go on.</p>
      </Confirm>
      {isEditing && <Edit schedule={schedule} onClose={() => setEditing(false)} />}
    </section>
  );
}

function Runs({ schedule }: { readonly schedule: Schedule }) {
  const runs = useQuery({
    key: ["runs", schedule.id],
    ask: async (signal) => api<Page<Run>>(pathTo(schedule, "/runs"), { signal }),
    every: () => "seldom",
  });
  const last = (runs.data?.items ?? []).slice(0, 10);
  return (
    <div class="inside row">
      {last.length === 0 && <span class="muted">No run is kept.</span>}
      {last.map(({ at, jobId, status }) => {
        const shown = status === null ? undefined : SHOWN[status];
        return (
          <a key={jobId} href={pathOf(`/jobs/${jobId}`)} title={at} class="row tight">
            <span class="dot" data-tone={shown?.tone ?? "waiting"} /> <span class="small">{shown?.word ?? "gone"}</span>
          </a>
        );
      })}
    </div>
  );
}

function Edit({ schedule, onClose }: { readonly schedule: Schedule; readonly onClose: () => void }) {
  const [expression, setExpression] = useState(schedule.expression);
  const [timezone, setTimezone] = useState(schedule.timezone);
  const [overlap, setOverlap] = useState(schedule.overlap);
  const [missed, setMissed] = useState(schedule.missed);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const preview = useQuery({
    key: ["preview", expression, timezone],
    ask: async (signal) =>
      api<{ nextRuns: readonly string[]; expression: string }>("v1/schedules/preview", {
        method: "POST",
        body: { expression, timezone },
        signal,
      }),
    keeps: true,
  });
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      await api(pathTo(schedule), {
        method: "PATCH",
        body: { expression, timezone, overlap, missed },
        headers: { "if-match": `"${schedule.version}"` },
      });
      onClose();
      await refresh();
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  };
  return (
    <Dialog title={`Edit ${schedule.key}`} isOpen onClose={onClose}>
      <form class="form" onSubmit={(event) => void save(event)}>
        <div class="field">
          <label for="expression">Times</label>
          <input
            id="expression"
            class="input mono"
            value={expression}
            onInput={(event) => setExpression(event.currentTarget.value)}
          />
          <span class="hint">0 9 * * 1-5, cron(0 9 ? * MON-FRI *) or rate(5 minutes)</span>
          {preview.error && <span class="problem">{sentenceOf(preview.error)}</span>}
          {preview.data && !preview.error && (
            <span class="hint">
              Next:{" "}
              {preview.data.nextRuns.slice(0, 3).map((at) => (
                <>
                  <Ago at={at} />{" "}
                </>
              ))}
            </span>
          )}
        </div>
        <div class="field">
          <label for="timezone">Time zone</label>
          <input
            id="timezone"
            class="input"
            value={timezone}
            onInput={(event) => setTimezone(event.currentTarget.value)}
          />
        </div>
        <Choice
          id="overlap"
          label="While the last run's job is unfinished"
          value={overlap}
          onChange={setOverlap}
          options={{
            allow: "run beside it",
            skip: "skip the run",
            queue: "wait for its end",
            replace: "cancel it, and run",
          }}
        />
        <Choice
          id="missed"
          label="Runs that were missed"
          value={missed}
          onChange={setMissed}
          options={{ once: "make up once", skip: "skip", all: "make up all, at most 100" }}
        />
        {problem !== undefined && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="actions">
          <button type="button" class="button" onClick={onClose}>
            Keep as it is
          </button>
          <button type="submit" class="button primary">
            Save
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface ChoiceProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly options: Readonly<Record<string, string>>;
  readonly onChange: (value: string) => void;
}

export function Choice({ id, label, value, options, onChange }: ChoiceProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} class="input" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {Object.entries(options).map(([each, word]) => (
          <option key={each} value={each}>
            {word}
          </option>
        ))}
      </select>
    </div>
  );
}

const DAYS: Readonly<Record<string, string>> = { "MON-FRI": "on weekdays", "2-6": "on weekdays", "*": "", "?": "" };

/** The common expressions in words; nothing for the others. */
export function inWords(expression: string): string {
  const [, rate] = /^rate\((.+)\)$/.exec(expression) ?? [];
  if (rate !== undefined) return `every ${rate.replace(/^1 /, "")}`;
  const [, minute = "", hour = "", day = "", month = "", weekday = ""] =
    /^cron\((\S+) (\S+) (\S+) (\S+) (\S+) \S+\)$/.exec(expression) ?? [];
  if (month !== "*" || !/^[*?]$/.test(day)) return "";
  const days = DAYS[weekday.toUpperCase()] ?? `on ${weekday}`;
  if (/^\d+$/.test(minute) && /^\d+$/.test(hour))
    return `${days === "" ? "every day" : days} at ${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  const [, step] = /^(?:\*|0)\/(\d+)$/.exec(minute) ?? [];
  return step !== undefined && hour === "*" ? `every ${step} minutes ${days}`.trim() : "";
}
