import { quoted } from "../../curl.ts";
import type { Answer } from "../../api/shapes.ts";
import { me } from "../../me.ts";
import { Code } from "../../parts/json.tsx";
import { Ago } from "../../parts/time.tsx";
import { API, pathOf } from "../../root.ts";
import type { Rows } from "./rows.ts";

interface NoneProps {
  readonly text: string;
  readonly end: Answer<"listJobs">;
  readonly rows: Rows;
  readonly onClear: () => void;
}

/** In place of a list without rows: how far it looked, or how the first job is sent. */
export function None({ text, end: { lookedBackTo, nextCursor }, rows, onClear }: NoneProps) {
  if (text === "") return <First />;
  return (
    <div class="empty panel">
      <h2>No job fits</h2>
      <p>
        {lookedBackTo === null ? (
          "All jobs were looked at."
        ) : (
          <>
            Looked back to <Ago at={lookedBackTo} />.
          </>
        )}
      </p>
      <div class="row">
        {nextCursor !== null && (
          <button type="button" class="button" disabled={rows.isLooking} onClick={() => void rows.lookFurther()}>
            {rows.isLooking ? "Looking…" : "Look further"}
          </button>
        )}
        <button type="button" class="button" onClick={onClear}>
          Clear the search
        </button>
      </div>
    </div>
  );
}

function First() {
  const job = { url: me.value?.local?.echoUrl ?? "https://hooks.example.com/orders", body: { hello: "world" } };
  const command = [
    `curl -X POST ${quoted(new URL("v1/send", API).href)}`,
    `  -H "Authorization: Bearer $TOKEN"`,
    `  -H 'content-type: application/json'`,
    `  -d ${quoted(JSON.stringify(job))}`,
  ].join(" \\\n");
  return (
    <div class="empty panel">
      <h2>No jobs yet</h2>
      <p>Send the first one by a form, or so:</p>
      <div class="from-left">
        <Code text={command} isJson={false} isCommand label="curl" />
      </div>
      <a class="button primary" href={pathOf("/new")}>
        Send a job
      </a>
    </div>
  );
}
