import { api } from "./api/http.ts";
import { ofApp } from "./me.ts";
import { toast } from "./parts/toasts.tsx";

export interface Destination {
  readonly destination: string;
  readonly state: "closed" | "open" | "held";
  readonly since: string | null;
  readonly consecutiveFailures: number;
  readonly lastError: string | null;
  readonly nextProbeAt: string | null;
  readonly rateLimitPerSecond: number | null;
  readonly maxConcurrency: number | null;
}

/** Lets jobs go to a destination again that is held, or whose circuit is open. */
export async function resumeDestination(destination: string): Promise<void> {
  await api("v1/admin/destinations/resume", { method: "POST", body: { destination, ...ofApp() } });
  toast(`Resumed ${destination}`);
}
