import { definitionOf } from "../../tasks/index.ts";
import type { ServiceParts } from "../../parts.ts";

/** Throws FORBIDDEN for a task whose rows its app could not keep. */
export async function admitDataset(
  appId: string,
  jobType: string,
  payload: unknown,
  { datasets }: Pick<ServiceParts, "datasets">,
): Promise<void> {
  const { writes, payload: schema } = await definitionOf(jobType);
  if (writes) await (await datasets()).admit(appId, writes(schema.parse(payload)));
}
