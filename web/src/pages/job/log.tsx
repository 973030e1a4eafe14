import { useEffect, useRef, useState } from "preact/hooks";
import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer } from "../../api/shapes.ts";
import { safeText } from "../../parts/text.tsx";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"] as const;
const MOST_LINES = 200;

/** What a task has logged: the last lines, oldest first, as in a terminal. */
export function Log({ id, isEnded }: { readonly id: string; readonly isEnded: boolean }) {
  const [level, setLevel] = useState("");
  const [search, setSearch] = useState("");
  const [isFollowed, setFollowed] = useState(true);
  const log = useQuery({
    key: ["log", id, level, isEnded],
    ask: async (signal) => {
      const query = queryOf({ level, order: "newest", limit: MOST_LINES });
      return api<Answer<"listJobLogs">>(`v1/admin/jobs/${id}/logs${query}`, { signal });
    },
    every: () => (isEnded || !isFollowed ? "never" : "often"),
    keeps: true,
  });
  const all = (log.data?.items ?? []).toReversed();
  const lines = all.filter(({ message }) => message.toLowerCase().includes(search.toLowerCase()));
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (isFollowed && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [isFollowed, lines.length]);
  return (
    <section class="panel" aria-label="Log">
      <header>
        <h2 class="grow">Log</h2>
        {!isEnded && (
          <label class="check">
            <input type="checkbox" checked={isFollowed} onChange={() => setFollowed(!isFollowed)} /> Follow
          </label>
        )}
        <select
          class="input short"
          aria-label="Level"
          value={level}
          onChange={(event) => setLevel(event.currentTarget.value)}
        >
          <option value="">All levels</option>
          {LEVELS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
        <input
          class="input short"
          type="search"
          placeholder="Search in the lines"
          aria-label="Search in the lines"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </header>
      <div class="inside stack tight">
        {log.data?.nextCursor && <p class="muted small">The last {MOST_LINES} lines.</p>}
        {lines.length === 0 ? (
          <p class="muted">No line.</p>
        ) : (
          <pre ref={box} class="code" tabIndex={0} aria-label="Lines of the log">
            {lines.map(
              ({ createdAt, level: of, message }) =>
                `${createdAt.slice(11, 19)} ${of.padEnd(7)} ${safeText(message)}\n`,
            )}
          </pre>
        )}
      </div>
    </section>
  );
}
