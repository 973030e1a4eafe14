import * as z from "../../zod.ts";
import packageJson from "../../../package.json" with { type: "json" };
import type { ErrorCode } from "../../errors.ts";
import { errorAnswer, gatewayAnswer, problemAnswer } from "../http/answers.ts";
import { isTagged, type Answers, type Route } from "../http/http.ts";
import { PROBLEM, STATUS_OF } from "../http/refusal.ts";
import { FILE_FIELD } from "../http/multipart.ts";

// The OpenAPI document, built from the routes and the schemas that validate their requests.

type Json = Readonly<Record<string, unknown>>;

const TAGS: readonly [begins: readonly string[], name: string, description: string][] = [
  [["/v1/send", "/v1/jobs"], "Jobs", "Asking for jobs."],
  [["/v1/schedules"], "Schedules", "Jobs at a time, or again and again."],
  [["/api/jobs"], "File jobs", "Jobs about a file that comes with them, or is uploaded before."],
  [["/quickjob", "/longjob", "/jobs", "/accounts"], "PDF", "Documents as PDFs, at once or later."],
  [["/v1/admin/apps"], "Apps", "What the administrators of an app decide about it."],
  [["/v1/admin", "/v1/me"], "Administration", "What has become of jobs, and what people do to them."],
  [["/internal"], "Internal", "For operators: without `INTERNAL_JWT_TOKEN` in the configuration, these answer 404."],
  [
    ["/metrics"],
    "Metrics",
    "For scrapers: without `METRICS_TOKEN` in the configuration of a deployment, this answers 404.",
  ],
  [["/"], "Service", "Open to anyone."],
];

const REFUSALS: Readonly<Record<ErrorCode, string>> = {
  BAD_REQUEST: "The request is not as it must be; `details` say where.",
  UNAUTHORIZED: "The token is missing or invalid.",
  FORBIDDEN: "The token does not allow it.",
  NOT_FOUND: "There is no such thing, or it belongs to others.",
  REQUEST_TIMEOUT: "It took too long; the message says what to do instead.",
  CONFLICT: "It can't be done to what is there now.",
  PAYLOAD_TOO_LARGE: "The body is over 4 MB, unpacked if it came packed.",
  UNPROCESSABLE_ENTITY: "The idempotency key belongs to a job that asks for something else.",
  TOO_MANY_REQUESTS: "The app's requests, reads or changes of settings in a second are reached.",
  INTERNAL_SERVER_ERROR: "An unexpected error.",
  SERVICE_UNAVAILABLE: "Try again, and with the same idempotency key: the request may have taken effect.",
};

/** `target`: the URL that the jobs of the examples call. */
export async function openApi(given: readonly Route[], target: string): Promise<Json> {
  const routes = await Promise.all(given.map(documented));
  const schemas = collection();
  const paths: Record<string, Record<string, Json>> = {};
  for (const each of routes) {
    // OpenAPI has no name for a path of several parts.
    const [method = "", path = ""] = each.key.replace("+}", "}").split(" ");
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation(each, path, target, schemas.of) };
  }
  const used = new Set(routes.flatMap(refusalsOf));
  return {
    openapi: "3.1.1",
    info: {
      title: "Unified Job API",
      version: packageJson.version,
      description: `${packageJson.description} Press "Authorize" and paste a token to try it out.`,
      license: { name: packageJson.license, identifier: packageJson.license },
    },
    servers: [{ url: "/" }],
    tags: TAGS.map(([, name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "Claims `sub`, `appId`, `roles`." },
        internalToken: { type: "http", scheme: "bearer", description: "The operator's `INTERNAL_JWT_TOKEN`." },
        scrapeToken: { type: "http", scheme: "bearer", description: "`METRICS_TOKEN`; the local stack needs none." },
      },
      parameters: {
        RequestId: {
          name: "x-request-id",
          in: "header",
          description: "Stands in the answer and in the log.",
          schema: { type: "string", pattern: "^[\\w.:-]{1,128}$" },
        },
        IfNoneMatch: {
          name: "If-None-Match",
          in: "header",
          description: "The `ETag` of an answer before: if nothing has changed since, 304.",
          schema: { type: "string" },
        },
      },
      headers: {
        ETag: { description: "Of the body without its `timestamp`.", schema: { type: "string" } },
        RequestId: { description: "The request's own `x-request-id`, or a new one.", schema: { type: "string" } },
        RetryAfter: { description: "Seconds.", schema: { type: "string", pattern: "^\\d+$" } },
        Replayed: { schema: { type: "string", const: "true" } },
        Differs: {
          description: "What the request says otherwise than the stored job, which stays as it is.",
          schema: { type: "string", examples: ["notBefore, headers"] },
        },
        Successor: { description: "The endpoint for new clients.", schema: { type: "string" } },
      },
      responses: {
        ...Object.fromEntries([...used].map((code) => [code, refusal(code, schemas.of)])),
        NotModified: {
          description: "The body is as it was when it had the `ETag` of `If-None-Match`.",
          headers: { "x-request-id": ref("headers/RequestId"), ETag: ref("headers/ETag") },
        },
        Gateway: { description: "From API Gateway itself.", content: json(schemas.of(gatewayAnswer)) },
      },
      schemas: schemas.named,
    },
  };
}

type Documented = Route & { readonly answers: Answers };

async function documented(route: Route): Promise<Documented> {
  const { answers } = route;
  return { ...route, answers: typeof answers === "function" ? await answers() : answers };
}

const GATEWAY = ref("responses/Gateway");

type SchemaOf = (schema: z.ZodMiniType) => Json;

function operation(route: Documented, path: string, target: string, schemaOf: SchemaOf): Json {
  const { id, summary, access, body, bodyTypes = ["application/json"], form, answers } = route;
  const parameters = parametersOf(route, path, schemaOf);
  const entries = Object.entries(answers).map(([status, schema]) => [status, success(route, status, schema, schemaOf)]);
  const refusals = refusalsOf(route).map((code) => [STATUS_OF[code], ref(`responses/${code}`)]);
  const examples = Object.entries(route.examples?.(target) ?? {}).map(([name, value]) => [name, { value }]);
  const posted = body && {
    schema: schemaOf(body),
    ...(examples.length > 0 && { examples: Object.fromEntries(examples) }),
  };
  return {
    operationId: id,
    summary,
    tags: [TAGS.find(([begins]) => begins.some((start) => path.startsWith(start)))?.[1]],
    security: access ? [{ [typeof access === "string" ? `${access}Token` : "token"]: [] }] : [],
    parameters,
    ...(body && {
      requestBody: {
        description: "May come with `Content-Encoding: gzip`.",
        required: !body.safeParse(undefined).success,
        content: {
          ...Object.fromEntries(bodyTypes.map((type) => [type, posted])),
          ...(form && { "multipart/form-data": { schema: withFile(schemaOf(form)) } }),
        },
      },
    }),
    responses: {
      ...Object.fromEntries([...entries, ...refusals]),
      ...(isTagged(route) && { 304: ref("responses/NotModified") }),
      "4XX": GATEWAY,
      "5XX": GATEWAY,
    },
  };
}

/** The fields of a form and its file. */
function withFile({ properties, required, ...schema }: Json): Json {
  const file = { type: "string", format: "binary", description: "At least one byte; the whole form up to 4 MB." };
  return {
    ...schema,
    properties: { ...(properties as Json), [FILE_FIELD]: file },
    required: [...((required as string[] | undefined) ?? []), FILE_FIELD],
  };
}

function parametersOf(route: Route, path: string, schemaOf: SchemaOf): Json[] {
  const { query, idempotent, versioned } = route;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const properties = query ? (schemaOf(query)["properties"] as Record<string, Json>) : {};
  const inQuery = Object.entries(properties).map(([name, schema]) => ({ name, in: "query", schema }));
  const inHeader = {
    name: "Idempotency-Key",
    in: "header",
    description:
      "Instead of `idempotencyKey` in the body: 1 to 255 printable ASCII characters, from space to ~; quotes around them are none of it.",
    schema: { type: "string", pattern: "^[ -~]{1,255}$" },
  };
  const conditional = isTagged(route) ? [ref("parameters/IfNoneMatch")] : [];
  const ifMatch = {
    name: "If-Match",
    in: "header",
    description: "The `version` that is to be changed: with another one, 409.",
    schema: { type: "string", pattern: '^("?\\d+"?|\\*)$' },
  };
  const more = [...(idempotent ? [inHeader] : []), ...conditional, ...(versioned ? [ifMatch] : [])];
  return [...inPath, ...inQuery, ...more, ref("parameters/RequestId")];
}

function success(route: Documented, status: string, schema: z.ZodMiniType, schemaOf: SchemaOf): Json {
  const isOk = status === "200";
  const contentTypes = (isOk && route.contentTypes) || ["application/json"];
  const { description = "", ...shape } = schemaOf(schema);
  // A replay is answered 200 where the first answer is another.
  const isReplay = isOk && route.idempotent && Object.keys(route.answers).length > 1 && !route.contentTypes;
  const replayed = isReplay && {
    "Idempotent-Replayed": ref("headers/Replayed"),
    "Idempotent-Differs": ref("headers/Differs"),
  };
  return {
    description,
    headers: {
      "x-request-id": ref("headers/RequestId"),
      ...replayed,
      ...(isOk && isTagged(route) && { ETag: ref("headers/ETag") }),
      ...(route.successor !== undefined && { Link: ref("headers/Successor") }),
    },
    content: Object.fromEntries(contentTypes.map((type) => [type, { schema: shape }])),
  };
}

function refusal(code: ErrorCode, schemaOf: SchemaOf): Json {
  const retryAfter = STATUS_OF[code] === 429 || STATUS_OF[code] === 503;
  const headers = {
    "x-request-id": ref("headers/RequestId"),
    ...(retryAfter && { "Retry-After": ref("headers/RetryAfter") }),
  };
  const content = { ...json(schemaOf(errorAnswer)), [PROBLEM]: { schema: schemaOf(problemAnswer) } };
  return { description: REFUSALS[code], headers, content };
}

/** The errors of every route of its kind, and those of this one. */
function refusalsOf(route: Route): ErrorCode[] {
  const { key, access, body, query, idempotent, refusals = [] } = route;
  const possible: readonly [ErrorCode, unknown][] = [
    ["BAD_REQUEST", body ?? query ?? idempotent],
    ["UNAUTHORIZED", access],
    ["FORBIDDEN", typeof access === "function"],
    ["NOT_FOUND", typeof access === "string" || key.includes("{")],
    ["PAYLOAD_TOO_LARGE", body],
    ["TOO_MANY_REQUESTS", typeof access === "function"],
    ["INTERNAL_SERVER_ERROR", true],
    ["SERVICE_UNAVAILABLE", true],
  ];
  return [...possible.filter(([, isPossible]) => isPossible).map(([code]) => code), ...refusals];
}

function json(schema: Json): Json {
  return { "application/json": { schema } };
}

function ref(to: string): Json {
  return { $ref: `#/components/${to}` };
}

/** JSON schemas. Those with an `id` are put into `named` once and referenced. */
function collection(): { of: SchemaOf; named: Json } {
  const named: Record<string, unknown> = {};
  const of = (schema: z.ZodMiniType): Json => {
    // Wrapped in a field, since a schema with an id is not referenced at the top level.
    const { properties, $defs } = z.toJSONSchema(z.object({ asked: schema }), { io: "input", override: plain });
    const text = JSON.stringify({ $defs, asked: properties?.["asked"] }).replaceAll(
      "#/$defs/",
      "#/components/schemas/",
    );
    const found = JSON.parse(text) as { $defs?: Json; asked: Json };
    Object.assign(named, found.$defs);
    return found.asked;
  };
  return { of, named };
}

/** Removes keywords that only repeat others. */
function plain({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format === "uuid" || jsonSchema.format === "date-time") delete jsonSchema.pattern;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
}
