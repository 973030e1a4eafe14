import { QueryClient, QueryObserver, type QueryObserverOptions, type QueryObserverResult } from "@tanstack/query-core";
import { useEffect, useMemo, useReducer } from "preact/hooks";
import { ApiError } from "./http.ts";
import { pace, type Pace } from "./live.ts";

// Answers that are kept, shared by what shows them, and asked for again at the pace of the page.

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) =>
        failures < 2 &&
        error instanceof ApiError &&
        (error.status === 0 || error.status === 429 || error.status >= 500),
      retryDelay: (failures, error) =>
        Math.max(error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0, 500 * 2 ** failures),
      staleTime: 1_000,
      gcTime: 120_000,
      refetchOnWindowFocus: false,
      refetchOnReconnect: true,
      networkMode: "online",
    },
  },
});

export interface Query<T> {
  readonly key: readonly unknown[];
  readonly ask: (signal: AbortSignal) => Promise<T>;
  /** How often it is asked for again. Default: not at all. */
  readonly every?: (data: T | undefined) => Pace;
  readonly enabled?: boolean;
  /** Keeps showing the answer to the last key until that to a new one is there. */
  readonly keeps?: boolean;
}

/** Shows an answer, and asks for it again while the page is live. */
export function useQuery<T>({
  key,
  ask,
  every,
  enabled = true,
  keeps = false,
}: Query<T>): QueryObserverResult<T, ApiError> {
  const [, render] = useReducer<number, void>((n) => n + 1, 0);
  const options: QueryObserverOptions<T, ApiError> = {
    queryKey: key,
    queryFn: async ({ signal }) => ask(signal),
    enabled,
    ...(keeps && { placeholderData: (before: T | undefined) => before as never }),
    refetchInterval: (query) => pace(every?.(query.state.data) ?? "never", query.state),
    refetchIntervalInBackground: false,
  };
  const observer = useMemo(() => new QueryObserver<T, ApiError>(client, options), []);
  observer.setOptions(options);
  useEffect(() => observer.subscribe(() => render()), [observer]);
  // The pace may have changed: paused, hidden, or something unfinished has come into view.
  return observer.getOptimisticResult(client.defaultQueryOptions(options) as never);
}
