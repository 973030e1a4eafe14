import { useState } from "preact/hooks";
import { told } from "../../actions.ts";
import { api, bytesOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer, JobDetail } from "../../api/shapes.ts";
import { Code } from "../../parts/json.tsx";
import { OutLink, plural } from "../../parts/text.tsx";
import { saved } from "../../saved.ts";

// What came of a job: a task's result and file, and the answer that a webhook has kept.

/** The result is in the view of tasks alone, with a link to its file that is made anew. */
export function TaskResult({ id }: { readonly id: string }) {
  const asked = useQuery({
    key: ["result", id],
    ask: async (signal) => api<Answer<"getTypedJobStatus">>(`v1/jobs/${id}/status`, { signal }),
  });
  const result = asked.data?.job.result;
  if (!result) return null;
  const { downloadUrl, ...others } = result;
  return (
    <section class="panel" aria-label="Result">
      <header>
        <h2 class="grow">Result</h2>
        {typeof downloadUrl === "string" && <OutLink href={downloadUrl}>Download the file</OutLink>}
      </header>
      <div class="inside">
        <Code text={JSON.stringify(others)} label="Result" />
      </div>
    </section>
  );
}

const MISSING = {
  "too large": "It was too large to be kept.",
  incomplete: "It ended early, so it was not kept.",
} as const;

export function KeptResponse({
  id,
  response,
}: {
  readonly id: string;
  readonly response: NonNullable<JobDetail["response"]>;
}) {
  const [isBusy, setBusy] = useState(false);
  const { bytes, contentType, excerpt, missing } = response;
  const load = async () => {
    setBusy(true);
    const body = await told(async () => bytesOf(`v1/admin/jobs/${id}/response`));
    setBusy(false);
    if (body) saved(body, `response-${id.slice(0, 8)}`);
  };
  return (
    <section class="panel" aria-label="Kept answer">
      <header>
        <h2 class="grow">Kept answer</h2>
        <span class="muted small">
          {contentType} {bytes !== null && plural(bytes, "byte")}
        </span>
        {missing === null && (
          <button type="button" class="button small" disabled={isBusy} onClick={() => void load()}>
            Download
          </button>
        )}
      </header>
      <div class="inside">
        {missing !== null ? <p>{MISSING[missing]}</p> : <Code text={excerpt ?? ""} label="Kept answer" />}
      </div>
    </section>
  );
}
