import { ApiError } from "../api/http.ts";
import type { Answered } from "../api/query.ts";
import { absoluteText, countdownText, tick } from "../time.ts";

/** While the first answer is awaited: the title, and after a moment bars. */
export function Skeleton({ title, rows = 5 }: { readonly title?: string; readonly rows?: number }) {
  return (
    <div class="stack tight">
      {title !== undefined && <h1 tabIndex={-1}>{title}</h1>}
      <div class="stack tight" role="status" aria-label="Loading">
        {Array.from({ length: rows }, (_, at) => (
          <div class="skeleton" key={at} />
        ))}
      </div>
    </div>
  );
}

/** What went wrong with a request whose last answer may still be shown. */
export function Refreshing({ query }: { readonly query: Answered<unknown> }) {
  const { error, dataUpdatedAt, nextTryAt } = query;
  if (!error) return null;
  const status = error.status === 0 ? "" : ` (${error.status})`;
  const since =
    dataUpdatedAt > 0 ? `Not refreshed since ${absoluteText(dataUpdatedAt, "local")}` : "It could not be loaded";
  return (
    <div class="notice" data-tone={error.status === 404 ? "waiting" : "dead"} role="alert">
      <span class="grow">
        {error.status === 404
          ? "There is no such thing: deleted, or of another app."
          : error.status === 403
            ? `Your token does not allow this (403): ${error.message}.`
            : `${since}${status}: ${error.message}.`}
        {error.status !== 404 && error.status !== 403 && nextTryAt !== undefined && <NextTry at={nextTryAt} />}
        {error.requestId !== undefined && <span class="small mono"> request {error.requestId}</span>}
      </span>
      <button type="button" class="button small" onClick={() => void query.refetch()}>
        Try now
      </button>
    </div>
  );
}

/** To the second, which a screen reader is not told each time. */
function NextTry({ at }: { readonly at: number }) {
  void tick.value;
  return <span aria-hidden="true"> Next try in {countdownText(at - Date.now())}.</span>;
}

/** The service's sentence about a refused action. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  const details = error.details.map(({ field, message }) => `${field} ${message}`).join("; ");
  return details === "" ? error.message : `${error.message}: ${details}`;
}
