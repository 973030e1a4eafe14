import type { Template } from "./packaged.ts";
import type { Names, Permission } from "./resource-types.ts";

// What the template's roles may do, with names in place of references: the most that a role of the service may get.

interface RoleStatement {
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: Permission["condition"];
}

/** The union of all roles' permissions: for each service and condition one, to be short enough for a policy. */
export function grantedByRoles(template: Template, names: Names): Permission[] {
  const union = new Map<string, { actions: Set<string>; resources: Set<string>; condition: Permission["condition"] }>();
  for (const { Action, Resource, Condition } of allowedIn(template)) {
    const condition = Condition && (substituted(Condition, template, names) as Permission["condition"]);
    for (const action of [Action].flat()) {
      const [service] = action.split(":");
      const key = JSON.stringify([service, condition]);
      const entry = union.get(key) ?? { actions: new Set(), resources: new Set(), condition };
      entry.actions.add(action);
      for (const each of [Resource].flat()) entry.resources.add(shortened(arnIn(each, template, names), names));
      union.set(key, entry);
    }
  }
  return [...union.values()].map(({ actions, resources, condition }) => ({
    actions: [...actions],
    resources: uncovered([...resources]),
    ...(condition && { condition }),
  }));
}

function allowedIn({ Resources }: Template): RoleStatement[] {
  const roles = Object.values(Resources).filter(({ Type }) => Type === "AWS::IAM::Role");
  const policies = roles.flatMap(({ Properties }) => (Properties?.["Policies"] ?? []) as readonly unknown[]);
  return policies
    .flatMap((policy) => (policy as { PolicyDocument: { Statement: RoleStatement[] } }).PolicyDocument.Statement)
    .filter(({ Effect }) => Effect === "Allow");
}

/** Each function's log by one name. */
function shortened(arn: string, { prefix }: Names): string {
  const log = `log-group:/aws/lambda/${prefix}-`;
  return arn.includes(log) ? `${arn.slice(0, arn.indexOf(log))}${log}*:*` : arn;
}

/** Without those that another one of the list covers. */
function uncovered(resources: readonly string[]): string[] {
  const covers = (pattern: string, other: string) => pattern.endsWith("*") && other.startsWith(pattern.slice(0, -1));
  return resources.filter((each) => !resources.some((other) => other !== each && covers(other, each)));
}

/** The ARN that a resource of a statement will have, with `*` for what is not known yet. */
function arnIn(value: unknown, template: Template, names: Names): string {
  const arn = substituted(value, template, names);
  if (typeof arn === "string") return arn;
  throw new Error(`A role names ${JSON.stringify(value)}: expected text, Ref, Fn::GetAtt or Fn::Sub`);
}

function substituted(value: unknown, template: Template, names: Names): unknown {
  if (Array.isArray(value)) return value.map((each) => substituted(each, template, names));
  if (typeof value !== "object" || value === null) return value;
  const [[key, inner] = []] = Object.entries(value);
  if (key === "Ref") return nameOf(String(inner), template, names);
  if (key === "Fn::GetAtt")
    return arnOf(
      [inner]
        .flat()
        .join(".")
        .replace(/\.Arn$/, ""),
      template,
      names,
    );
  if (key === "Fn::Sub")
    return String(inner).replaceAll(/\$\{([\w:]+)(\.Arn)?\}/g, (_, name: string, isArn?: string) =>
      isArn ? arnOf(name, template, names) : nameOf(name, template, names),
    );
  return Object.fromEntries(Object.entries(value).map(([each, of]) => [each, substituted(of, template, names)]));
}

function nameOf(id: string, { Resources }: Template, { account, region, prefix }: Names): string {
  const pseudo = { "AWS::Partition": "aws", "AWS::AccountId": account, "AWS::Region": region }[id];
  if (pseudo !== undefined) return pseudo;
  const { Name, QueueName, TopicName } = Resources[id]?.Properties ?? {};
  return String(Name ?? QueueName ?? TopicName ?? `${prefix}-${id}-*`);
}

function arnOf(id: string, template: Template, names: Names): string {
  const { account, region } = names;
  const name = nameOf(id, template, names);
  const type = template.Resources[id]?.Type ?? "no type";
  const arn = ARNS[type]?.(name, `${region}:${account}`, account);
  if (arn !== undefined) return arn;
  throw new Error(`A role names ${id}, of ${type}: add how its ARN reads to deploy/role-statements.ts`);
}

/** How the ARN of a resource reads, by its type. `at`: region and account. */
const ARNS: Readonly<Record<string, (name: string, at: string, account: string) => string>> = {
  "AWS::DynamoDB::Table": (name, at) => `arn:aws:dynamodb:${at}:table/${name}`,
  "AWS::SQS::Queue": (name, at) => `arn:aws:sqs:${at}:${name}`,
  "AWS::SNS::Topic": (name, at) => `arn:aws:sns:${at}:${name}`,
  "AWS::S3::Bucket": (name) => `arn:aws:s3:::${name.toLowerCase()}`,
  "AWS::KMS::Key": (_name, at) => `arn:aws:kms:${at}:key/*`,
  "AWS::IAM::Role": (name, _at, account) => `arn:aws:iam::${account}:role/${name}`,
};
