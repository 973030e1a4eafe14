import { Validator } from "@seriousme/openapi-schema-validator";

// What is wrong with an OpenAPI document: by the schema of its standard, and by rules that no schema can say.

interface Described {
  readonly operationId?: string;
  readonly summary?: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses?: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly security?: Described["security"];
}

/** A sentence each. */
export async function problemsOf(document: object): Promise<string[]> {
  const given = document as Document;
  const validator = new Validator();
  // It puts what references lead to in their places, and throws for one that leads nowhere.
  const { valid, errors } = await validator.validate(structuredClone(document) as Record<string, unknown>);
  validator.resolveRefs();
  const operations = Object.entries(given.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, at: `${method} ${path}`, operation })),
  );
  return [
    ...(valid ? [] : [`is no OpenAPI document: ${JSON.stringify(errors)}`]),
    ...operations.flatMap(problemsOfOperation),
    ...repeated(operations.map(({ operation }) => operation.operationId)).map((id) => `operationId ${id} stands twice`),
    ...repeated(Object.keys(given.paths).map((path) => path.replace(/\{[^}]+\}/g, "{}"))).map(
      (path) => `${path} stands twice`,
    ),
    ...unknownSchemes(
      given,
      operations.map(({ operation }) => operation),
    ),
    ...unusedIn(given),
  ];
}

function problemsOfOperation({ path, at, operation }: { path: string; at: string; operation: Described }): string[] {
  const { operationId = "", summary = "", parameters = [], responses = {} } = operation;
  const inTemplate = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = ""]) => name);
  const declared = parameters.filter((each) => each.in === "path").map(({ name }) => name);
  const statuses = Object.keys(responses);
  return [
    ...(/^[\w-]+$/.test(operationId) ? [] : [`${at}: operationId is ${JSON.stringify(operationId)}`]),
    ...(summary === "" ? [`${at} has no summary`] : []),
    ...(statuses.some((status) => status.startsWith("2") || status.startsWith("3")) ? [] : [`${at} never succeeds`]),
    ...(statuses.some((status) => status.startsWith("4")) ? [] : [`${at} never refuses`]),
    ...(String(inTemplate.toSorted()) === String(declared.toSorted())
      ? []
      : [`${at} declares ${declared.join()} of ${inTemplate.join()}`]),
  ];
}

function repeated(values: readonly (string | undefined)[]): (string | undefined)[] {
  return values.filter((value, at) => values.indexOf(value) !== at);
}

function unknownSchemes({ security = [], components }: Document, operations: readonly Described[]): string[] {
  const known = new Set(Object.keys(components["securitySchemes"] ?? {}));
  const named = [security, ...operations.map((each) => each.security ?? [])]
    .flat()
    .flatMap((each) => Object.keys(each));
  return [...new Set(named)]
    .filter((name) => !known.has(name))
    .map((name) => `security names ${name}, which is not defined`);
}

function unusedIn(document: Document): string[] {
  const text = JSON.stringify(document);
  return Object.entries(document.components)
    .filter(([kind]) => kind !== "securitySchemes")
    .flatMap(([kind, all]) => Object.keys(all).map((name) => `#/components/${kind}/${name}`))
    .filter((ref) => !text.includes(JSON.stringify(ref)))
    .map((ref) => `${ref} is used nowhere`);
}
