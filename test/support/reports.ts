import type { Ran, TaskWorld } from "./task-world.ts";

/** Datasets and reports of a world. `world` is made before the tests, hence the function. */
export function reportsOf(world: () => TaskWorld) {
  async function dataset(name: string, csv: string, columns: object, dateField?: string): Promise<void> {
    const file = await world().upload(csv);
    const ran = await world().run("import_csv", { dataset: name, columns, ...(dateField && { dateField }) }, { file });
    if (ran.outcome?.kind !== "done") throw notDone(ran);
  }

  /** The file of a report. */
  async function report(asked: object): Promise<Buffer> {
    return world().content(resultOf(await world().run("export_report", asked)).fileKey);
  }

  return { dataset, report };
}

export function resultOf(ran: Ran) {
  if (ran.outcome?.kind !== "done") throw notDone(ran);
  return ran.outcome.result as { fileKey: string; fileSize: number; recordCount: number; generatedAt: string };
}

function notDone({ outcome, thrown }: Ran): Error {
  return new Error(`It did not succeed: ${JSON.stringify(outcome)} ${String(thrown)}`);
}
