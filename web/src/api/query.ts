import {
  QueryClient,
  QueryObserver,
  hashKey,
  type QueryObserverOptions,
  type QueryObserverResult,
} from "@tanstack/query-core";
import { effect } from "@preact/signals";
import { useEffect, useMemo, useReducer } from "preact/hooks";
import { ApiError } from "./http.ts";
import { isPaused, pace, waitAfter, type Pace } from "./live.ts";
import { identity } from "./session.ts";

// Answers that are kept, shared by what shows them, and asked for again at the pace of the page.

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What is asked for again anyway needs no second kind of retry: `useQuery` leaves it out there.
      retry: (failures, error) => failures < 2 && isPassing(error) && !isPaused.value,
      retryDelay: (failures, error) => waitAfter(error, failures, 500),
      staleTime: 1_000,
      // Whoever goes back finds the rows as they were.
      gcTime: 600_000,
      refetchOnWindowFocus: false,
      // `onLive` does that.
      refetchOnReconnect: false,
      networkMode: "always",
    },
  },
});

/** Whether another try may go better. */
export function isPassing(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/** The errors since the last answer, by the hash of what was asked for. */
const failures = new Map<string, number>();

let of = identity.peek();
// Nobody sees what another person, or another app, was shown in this tab.
effect(() => {
  if (identity.value === of) return;
  of = identity.value;
  client.clear();
  failures.clear();
});

/** What the queries that are shown want, each by an object of its own. */
const shown = new Map<object, Pace>();

export interface Query<T> {
  readonly key: readonly unknown[];
  readonly ask: (signal: AbortSignal) => Promise<T>;
  /** How often it is asked for again. Default: not at all. */
  readonly every?: (data: T | undefined) => Pace;
  readonly enabled?: boolean;
  /** Keeps showing the answer to the last key until that to a new one is there. */
  readonly keeps?: boolean;
}

/** `nextTryAt`: after an error, when it is asked for again by itself, in ms since 1970. */
export type Answered<T> = QueryObserverResult<T, ApiError> & { readonly nextTryAt?: number | undefined };

/** Shows an answer, and asks for it again while the page is live. */
export function useQuery<T>({ key, ask, every, enabled = true, keeps = false }: Query<T>): Answered<T> {
  const [, render] = useReducer<number, void>((n) => n + 1, 0);
  const self = useMemo(() => ({}), []);
  const hash = hashKey(key);
  const paceOf = ({ data, error }: { readonly data: T | undefined; readonly error: ApiError | null }) => {
    const beside = [...shown].flatMap(([each, wanted]) => (each === self ? [] : [wanted]));
    return pace(every?.(data) ?? "never", { error, count: failures.get(hash) ?? 0 }, beside);
  };
  const options: QueryObserverOptions<T, ApiError> = {
    queryKey: key,
    queryFn: async ({ signal }) => counted(hash, async () => ask(signal)),
    enabled,
    ...(every && { retry: false }),
    ...(keeps && { placeholderData: (before: T | undefined) => before as never }),
    refetchInterval: ({ state }) => paceOf(state),
    refetchIntervalInBackground: false,
  };
  const observer = useMemo(() => new QueryObserver<T, ApiError>(client, options), []);
  observer.setOptions(options);
  useEffect(() => observer.subscribe(() => render()), [observer]);
  useEffect(() => () => void shown.delete(self), [self]);
  // The pace may have changed: paused, hidden, or something unfinished has come into view.
  const result = observer.getOptimisticResult(client.defaultQueryOptions(options) as never);
  shown.set(self, enabled ? (every?.(result.data) ?? "never") : "never");
  if (!result.error) return result;
  const wait = paceOf(result);
  return { ...result, nextTryAt: wait === false ? undefined : result.errorUpdatedAt + wait };
}

async function counted<T>(hash: string, ask: () => Promise<T>): Promise<T> {
  try {
    const answer = await ask();
    failures.delete(hash);
    return answer;
  } catch (error) {
    if (error instanceof ApiError) failures.set(hash, (failures.get(hash) ?? 0) + 1);
    throw error;
  }
}
