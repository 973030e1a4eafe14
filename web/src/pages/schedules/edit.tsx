import { useEffect, useState } from "preact/hooks";
import { refresh } from "../../actions.ts";
import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Schedule } from "../../api/shapes.ts";
import { ofApp } from "../../me.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Area, Choice } from "../../parts/fields.tsx";
import { sentenceOf } from "../../parts/notices.tsx";
import { toast } from "../../parts/toasts.tsx";
import { patchOf } from "../../patch.ts";
import { Times } from "./times.tsx";

const OVERLAP = {
  allow: "run beside it",
  skip: "skip the run",
  queue: "wait for its end",
  replace: "cancel it, and run",
} as const;
const MISSED = { once: "make up once", skip: "skip", all: "make up all, at most 100" } as const;

type Edited = Pick<Schedule, "expression" | "timezone" | "overlap" | "missed"> & { readonly job: string };

/** Changes a schedule that nobody else has changed meanwhile. */
export function Edit({ schedule, onClose }: { readonly schedule: Schedule; readonly onClose: () => void }) {
  const path = `v1/schedules/${encodeURIComponent(schedule.key)}${queryOf(ofApp())}`;
  const [edited, setEdited] = useState<Edited>({ ...schedule, job: "" });
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const set = (some: Partial<Edited>) => setEdited((now) => ({ ...now, ...some }));
  // A list shows of the job what it calls; all of it comes now.
  const whole = useQuery({ key: ["schedule", schedule.id], ask: async (signal) => api<Schedule>(path, { signal }) });
  const job = whole.data && JSON.stringify(whole.data.job, null, 2);
  useEffect(() => {
    if (job !== undefined) set({ job });
  }, [job]);
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      const { job: text, expression, timezone, overlap, missed } = edited;
      const changes = text === "" || text === job ? {} : { job: patchOf(whole.data?.job ?? {}, JSON.parse(text)) };
      const body = { ...patchOf(pick(schedule), { expression, timezone, overlap, missed }), ...changes };
      await api(path, { method: "PATCH", body: { ...body, version: schedule.version } });
      onClose();
      toast(`Saved ${schedule.key}`);
      await refresh();
    } catch (error) {
      setProblem(error instanceof SyntaxError ? "What each run sends: expected JSON" : sentenceOf(error));
    }
  };
  return (
    <Dialog title={`Edit ${schedule.key}`} isOpen onClose={onClose} isWide>
      <form class="form" onSubmit={(event) => void save(event)}>
        <Times {...edited} onChange={set} />
        <Choice
          id="overlap"
          label="While the last run's job is unfinished"
          value={edited.overlap}
          onChange={(overlap) => set({ overlap: overlap as Edited["overlap"] })}
          options={OVERLAP}
        />
        <Choice
          id="missed"
          label="Runs that were missed"
          value={edited.missed}
          onChange={(missed) => set({ missed: missed as Edited["missed"] })}
          options={MISSED}
        />
        <Area
          id="job"
          label="What each run sends"
          hint="What is shown as *** stays on the server"
          value={edited.job}
          onChange={(text) => set({ job: text })}
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

function pick({ expression, timezone, overlap, missed }: Schedule) {
  return { expression, timezone, overlap, missed };
}
