import type { JobDetail } from "../../api/shapes.ts";

/** How far a task is. */
export function Progress({ job: { status, progress } }: { readonly job: JobDetail }) {
  if (status !== "RUNNING" || !progress) return null;
  const percent = Math.round(progress.percent);
  return (
    <div class="row">
      <progress class="grow" max={100} value={percent} aria-label="Progress" />
      <span>
        {percent} % · step {progress.step} of {progress.totalSteps}
        {progress.label !== undefined && `: ${progress.label}`}
      </span>
    </div>
  );
}
