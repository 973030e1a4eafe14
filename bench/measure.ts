import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** CPU time of a process so far, in ms. Linux counts it in hundredths of a second. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The most memory a process has held, in MB. */
export function peakMb(pid: number): number {
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(peak) / 1_024;
}

/** Real time with fractions of a millisecond, comparable between processes. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

export function total(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((sum, pid) => sum + of(pid), 0);
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? NaN;
}

export interface CountingTarget {
  readonly url: string;
  /** Resolves when that many requests have come since the last call of `reset`. */
  reached(count: number): Promise<void>;
  reset(): void;
  /** Requests that have come since the last call of `reset`. */
  count(): number;
  /** Milliseconds from when each request's job was posted (header x-started) to its arrival here. */
  readonly latencies: number[];
  close(): void;
}

export async function startCountingTarget(): Promise<CountingTarget> {
  let count = 0;
  let check = () => {};
  const latencies: number[] = [];
  const server = createServer((request, response) => {
    const started = Number(request.headers["x-started"]);
    if (started) latencies.push(wallMs() - started);
    request.resume().on("end", () => {
      response.end();
      count += 1;
      check();
    });
  });
  // A process that waits for its turn keeps its connections.
  server.keepAliveTimeout = 0;
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    reached: async (wanted) =>
      new Promise((resolve) => {
        check = () => count >= wanted && resolve();
        check();
      }),
    reset: () => {
      count = 0;
      latencies.length = 0;
    },
    count: () => count,
    latencies,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
