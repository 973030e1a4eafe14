// The resources that hold data, or an address that others know, and what a release may change of them. A resource whose
// logical id or key changes is made anew, and the one that has the data is left alone or deleted.

const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

/** The last release's, in the repository: `npm run last-release` renews it. */
const FILE = join(__dirname, "last-release.json");
const PACKAGED = join(__dirname, "../.serverless/cloudformation-template-update-stack.json");

/** By type, the properties with which CloudFormation replaces the resource. */
const KEPT = {
  "AWS::DynamoDB::Table": ["TableName", "KeySchema"],
  "AWS::S3::Bucket": ["BucketName"],
  "AWS::KMS::Key": ["KeySpec", "KeyUsage", "MultiRegion"],
  "AWS::SQS::Queue": ["QueueName", "FifoQueue"],
  "AWS::Scheduler::ScheduleGroup": ["Name"],
  // Its id is in the URL of the API.
  "AWS::ApiGatewayV2::Api": ["ProtocolType"],
};

/** The compact form of a template's data, the same for every stage. `prefix`: `unified-job-api-prod`. */
function dataOf({ Resources }, prefix) {
  const resources = Object.entries(Resources).filter(([, { Type }]) => Type in KEPT);
  return Object.fromEntries(
    resources
      .map(([id, resource]) => [id, compact(resource, prefix)])
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
}

function compact({ Type, DeletionPolicy, Properties = {} }, prefix) {
  const kept = KEPT[Type].flatMap((name) => (Properties[name] === undefined ? [] : [[name, Properties[name]]]));
  const { AttributeDefinitions, GlobalSecondaryIndexes } = Properties;
  const shown = {
    type: Type,
    ...(DeletionPolicy && { deletionPolicy: DeletionPolicy }),
    ...Object.fromEntries(kept),
    ...(AttributeDefinitions && {
      attributes: Object.fromEntries(AttributeDefinitions.map((each) => [each.AttributeName, each.AttributeType])),
    }),
    ...(GlobalSecondaryIndexes && {
      indexes: Object.fromEntries(GlobalSecondaryIndexes.map(({ IndexName, ...index }) => [IndexName, index])),
    }),
  };
  return JSON.parse(JSON.stringify(shown).replaceAll(prefix, "${prefix}"));
}

/** What a release may not change of what is there, a sentence each. */
function problemsBetween(before, now) {
  return Object.entries(before).flatMap(([id, old]) => {
    const resource = now[id];
    if (!resource) return [`${id} (${old.type}) is gone: its data would be left behind. Keep its logical id`];
    if (resource.type !== old.type) return [`${id} was ${old.type} and is ${resource.type}: keep its type`];
    return [...propertyProblems(id, old, resource), ...indexProblems(id, old, resource)];
  });
}

function propertyProblems(id, old, now) {
  const changed = KEPT[old.type].filter((name) => !same(old[name], now[name]));
  const lost = old.deletionPolicy && !now.deletionPolicy;
  return [
    ...changed.map((name) => `${name} of ${id} changes: CloudFormation would make another one, without the data`),
    ...(lost
      ? [`${id} had DeletionPolicy ${old.deletionPolicy} and has none: it would be deleted with the stack`]
      : []),
    ...Object.entries(old.attributes ?? {})
      .filter(([name, type]) => now.attributes?.[name] !== undefined && now.attributes[name] !== type)
      .map(([name]) => `The type of ${id}'s attribute ${name} changes: its items keep the old one`),
  ];
}

/** DynamoDB makes or deletes one index in an update, and changes none. */
function indexProblems(id, { indexes: before = {} }, { indexes: now = {} }) {
  const made = Object.keys(now).filter((name) => !(name in before));
  const gone = Object.keys(before).filter((name) => !(name in now));
  const changed = Object.keys(before).filter((name) => name in now && !same(before[name], now[name]));
  const several = [...made, ...gone];
  return [
    ...changed.map(
      (name) => `Index ${name} of ${id} changes: add one of another name, and drop this one a release later`,
    ),
    ...(several.length > 1
      ? [
          `${id} gets or loses ${several.length} indexes (${several.join(", ")}): DynamoDB takes one in an update, so one in a release`,
        ]
      : []),
  ];
}

/** Whatever the order of their fields. */
function same(one, other) {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, sorted(inner)])
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const lastRelease = () => JSON.parse(readFileSync(FILE, "utf8"));

/** Writes the packaged template's data as the last release's. */
function renew() {
  let template;
  try {
    template = JSON.parse(readFileSync(PACKAGED, "utf8"));
  } catch {
    throw new Error("There is no packaged template: npm run package");
  }
  const [, prefix] = /"QueueName":\s*"(.+?)-jobs-fair"/.exec(JSON.stringify(template)) ?? [];
  const data = dataOf(template, prefix);
  for (const problem of problemsBetween(lastRelease(), data)) process.stdout.write(`Beware: ${problem}\n`);
  writeFileSync(FILE, `${JSON.stringify(data, undefined, 2)}\n`);
  process.stdout.write(`${FILE} has ${Object.keys(data).length} resources\n`);
}

module.exports = { dataOf, problemsBetween, lastRelease };

if (require.main === module) renew();
