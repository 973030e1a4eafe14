import { useState } from "preact/hooks";
import { refresh, told } from "../../actions.ts";
import { ApiError, api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Schedule } from "../../api/shapes.ts";
import { ofApp } from "../../me.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Area, Choice } from "../../parts/fields.tsx";
import { Refreshing, Skeleton, sentenceOf } from "../../parts/notices.tsx";
import { toast } from "../../parts/toasts.tsx";
import { Versions } from "../../parts/versions.tsx";
import { patchOf } from "../../patch.ts";
import { pathOf } from "../../root.ts";
import { Times } from "./times.tsx";

const OVERLAP = {
  allow: "run beside it",
  skip: "skip the run",
  queue: "wait for its end",
  replace: "cancel it, and run",
} as const;
const MISSED = { once: "make up once", skip: "skip", all: "make up all, at most 100" } as const;

/** Its labels, where two versions stand side by side. */
const FIELDS = {
  expression: "Times",
  timezone: "Time zone",
  overlap: "While the last run's job is unfinished",
  missed: "Runs that were missed",
  job: "What each run sends",
} as const;

type Field = keyof typeof FIELDS;
type Texts = Readonly<Record<Field, string>>;

function textsOf({ expression, timezone, overlap, missed, job }: Schedule): Texts {
  return { expression, timezone, overlap, missed, job: JSON.stringify(job, null, 2) };
}

interface EditProps {
  readonly schedule: Schedule;
  readonly onClose: () => void;
}

/** Changes a schedule that nobody else has changed meanwhile. */
export function Edit({ schedule: { id, key }, onClose }: EditProps) {
  const path = `v1/schedules/${encodeURIComponent(key)}${queryOf(ofApp())}`;
  // A list shows of the job what it calls; all of it comes now.
  const whole = useQuery({ key: ["schedule", id], ask: async (signal) => api<Schedule>(path, { signal }) });
  return (
    <Dialog title={`Edit ${key}`} isOpen onClose={onClose} isWide>
      {whole.isPending && <Skeleton />}
      {!whole.data && <Refreshing query={whole} />}
      {whole.data && <EditForm schedule={whole.data} path={path} onClose={onClose} />}
    </Dialog>
  );
}

/** What is edited, on the version that was shown when one began. */
function useEdited(schedule: Schedule) {
  const [base, setBase] = useState(schedule);
  const [texts, setTexts] = useState(() => textsOf(schedule));
  const [theirs, setTheirs] = useState<Schedule | undefined>(undefined);
  const before = textsOf(base);
  const names = Object.keys(FIELDS) as Field[];
  const mine = Object.fromEntries(names.flatMap((name) => (texts[name] === before[name] ? [] : [[name, texts[name]]])));
  const begin = (from: Schedule, changes: Partial<Texts> = {}) => {
    setBase(from);
    setTexts({ ...textsOf(from), ...changes });
    setTheirs(undefined);
  };
  // Nothing is lost when one that nobody edits here is shown anew.
  if (schedule.version > base.version && Object.keys(mine).length === 0 && !theirs) begin(schedule);
  const set = (some: Partial<Texts>) => setTexts((now) => ({ ...now, ...some }));
  return { base, texts, before, mine: mine as Partial<Texts>, names, theirs, setTheirs, begin, set };
}

function EditForm({ schedule, path, onClose }: EditProps & { readonly path: string }) {
  const { base, texts, before, mine, names, theirs, setTheirs, begin, set } = useEdited(schedule);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const save = async (event: Event) => {
    event.preventDefault();
    setProblem(undefined);
    try {
      const { job, ...others } = mine;
      const changes = job === undefined ? {} : { job: patchOf(base.job, JSON.parse(job)) };
      await api(path, { method: "PATCH", body: { ...others, ...changes, version: base.version } });
      onClose();
      toast(`Saved ${schedule.key}`);
      await refresh();
    } catch (error) {
      setProblem(error instanceof SyntaxError ? `${FIELDS.job}: expected JSON` : sentenceOf(error));
      if (error instanceof ApiError && error.status === 409) setTheirs(await told(async () => api<Schedule>(path)));
    }
  };
  const now = theirs && textsOf(theirs);
  return (
    <form class="form" onSubmit={(event) => void save(event)}>
      <Times expression={texts.expression} timezone={texts.timezone} onChange={set} />
      <Choice
        id="overlap"
        label={FIELDS.overlap}
        value={texts.overlap}
        onChange={(overlap) => set({ overlap })}
        options={OVERLAP}
      />
      <Choice
        id="missed"
        label={FIELDS.missed}
        value={texts.missed}
        onChange={(missed) => set({ missed })}
        options={MISSED}
      />
      <Area
        id="job"
        label={FIELDS.job}
        hint="What is shown as *** stays on the server"
        value={texts.job}
        onChange={(job) => set({ job })}
      />
      {theirs && now ? (
        <Versions
          what="schedule"
          whoHref={pathOf(`/app/audit?object=schedule:${base.id}`)}
          saved={theirs.version}
          edited={base.version}
          rows={names.map((name) => ({
            label: FIELDS[name],
            before: before[name],
            theirs: now[name],
            mine: mine[name],
          }))}
          onKeepMine={() => (begin(theirs, mine), setProblem(undefined))}
          onTakeTheirs={() => (begin(theirs), setProblem(undefined))}
        />
      ) : (
        problem !== undefined && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )
      )}
      <div class="actions">
        <button type="button" class="button" onClick={onClose}>
          Keep as it is
        </button>
        {!theirs && (
          <button type="submit" class="button primary">
            Save
          </button>
        )}
      </div>
    </form>
  );
}
