import { resumeDestination } from "../destinations.ts";
import { mayChange } from "../me.ts";
import { ActButton } from "./act-button.tsx";

/** Lets the jobs go that wait for a destination, for those who may. */
export function Resume({ destination }: { readonly destination: string }) {
  if (!mayChange.value) return null;
  return (
    <ActButton class="small" act={async () => resumeDestination(destination)}>
      Resume
    </ActButton>
  );
}
