import type { Answer } from "../../api/shapes.ts";
import { later } from "../../parts/later.tsx";
import { Ago } from "../../parts/time.tsx";
import type { Rows } from "./rows.ts";

const First = later(async () => (await import("./first.tsx")).First);

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
