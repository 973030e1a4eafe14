import { readFileSync } from "node:fs";
import { join } from "node:path";

// The CloudFormation template that `npm run package` makes.

export interface TemplateResource {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- CloudFormation's JSON, read field by field
  readonly Properties?: Readonly<Record<string, any>>;
}

export interface Template {
  readonly Resources: Readonly<Record<string, TemplateResource>>;
}

const FILE = join(import.meta.dirname, "../.serverless/cloudformation-template-update-stack.json");

/** The packaged template of a stage, with the service's name. */
export function readPackaged(stage: string): { template: Template; service: string } {
  const again = `npm run package -- --stage ${stage}`;
  let template: Template;
  try {
    template = JSON.parse(readFileSync(FILE, "utf8")) as Template;
  } catch {
    throw new Error(`There is no packaged template: ${again}`);
  }
  const names = Object.values(template.Resources).map(({ Properties }) => String(Properties?.["FunctionName"] ?? ""));
  const [, service] = names.map((name) => new RegExp(`^(.+)-${stage}-sweepJobs$`).exec(name)).find(Boolean) ?? [];
  if (service === undefined) throw new Error(`The packaged template is of another stage: ${again}`);
  return { template, service };
}
