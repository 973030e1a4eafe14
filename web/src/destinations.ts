import { api } from "./api/http.ts";
import { ofApp } from "./me.ts";
import { toast } from "./parts/toasts.tsx";

/** As searches name it. */
export function hostOf({ destination }: { readonly destination: string }): string {
  return destination.replace(/^https?:\/\//, "");
}

/** Lets jobs go to a destination again that is held, or whose circuit is open. */
export async function resumeDestination(destination: string): Promise<void> {
  await api("v1/admin/destinations/resume", { method: "POST", body: { destination, ...ofApp() } });
  toast(`Resumed ${destination}`);
}
