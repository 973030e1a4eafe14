import { refresh, told } from "./actions.ts";
import { api, queryOf } from "./api/http.ts";
import type { Answer } from "./api/shapes.ts";
import { ofApp } from "./me.ts";
import { toast } from "./parts/toasts.tsx";

/** As searches name it. */
export function hostOf({ destination }: { readonly destination: string }): string {
  return destination.replace(/^https?:\/\//, "");
}

/** How the states of a destination are shown. */
export const STATES = {
  closed: ["succeeded", "Well"],
  open: ["retrying", "Circuit open"],
  held: ["dead", "Held"],
} as const;

/** Lets jobs go to a destination again that is held, or whose circuit is open. */
export async function resumeDestination(destination: string): Promise<void> {
  await told(async () => {
    await api("v1/admin/destinations/resume", { method: "POST", body: { destination, ...ofApp() } });
    toast(`Resumed ${destination}`);
  });
  await refresh();
}

/** Lets an app's jobs to a destination wait; throws what the service says. */
export async function holdDestination(destination: string): Promise<void> {
  await api("v1/admin/destinations/hold", { method: "POST", body: { destination, ...ofApp() } });
  toast(`Holding ${destination}. Its jobs are kept, none starts.`, {
    action: { word: "Undo", act: () => void resumeDestination(destination) },
  });
  await refresh();
}

/** After a job was set to run again: says that it waits for its destination, and lets it go. */
export async function tellIfShut(destination: string): Promise<void> {
  const query = queryOf({ ...ofApp(), limit: 100 });
  const list = await told(async () => api<Answer<"listDestinations">>(`v1/admin/destinations${query}`));
  const found = list?.items.find((each) => each.destination === destination);
  if (!found || found.state === "closed") return;
  toast(`${hostOf(found)}: ${STATES[found.state][1].toLowerCase()}. The job waits for it.`, {
    action: { word: "Resume", act: () => void resumeDestination(destination) },
  });
}
