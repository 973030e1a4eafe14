import type { JobDetail } from "./api/shapes.ts";
import { configText } from "./what.ts";

/** A job's request as a command for a shell. Credentials are not shown to this page: `$TOKEN` stands in their place. */
export function curlOf(job: JobDetail): string | undefined {
  const { lambdaProxyMessage: request, executionType } = job;
  if (!request || (executionType !== "rest-api" && executionType !== "lambda-url")) return undefined;
  const base = configText(job, "baseUrl", "functionUrl");
  const lines = [`curl -X ${request.httpMethod} ${quoted(base.replace(/\/$/, "") + request.path)}`];
  for (const [name, value] of Object.entries(request.headers)) lines.push(`  -H ${header(name, value)}`);
  if (request.body !== null) {
    if (request.isBase64Encoded)
      return `printf %s ${quoted(request.body)} | base64 -d | ${[...lines, "  --data-binary @-"].join(" \\\n")}`;
    lines.push(`  --data-binary ${quoted(request.body)}`);
  }
  return lines.join(" \\\n");
}

function header(name: string, value: string): string {
  return value.includes("***")
    ? `"${name}: ${value.replaceAll(/[\\"$`]/g, "\\$&").replaceAll("***", "$TOKEN")}"`
    : quoted(`${name}: ${value}`);
}

/** For a POSIX shell. Control characters by their numbers, so that pasting runs nothing. */
export function quoted(text: string): string {
  if (!/\p{Cc}/u.test(text.replaceAll("\n", ""))) return `'${text.replaceAll("'", `'\\''`)}'`;
  const escaped = [...new TextEncoder().encode(text)].map((byte) =>
    byte >= 32 && byte < 127 && byte !== 92 && byte !== 39
      ? String.fromCharCode(byte)
      : `\\${byte.toString(8).padStart(3, "0")}`,
  );
  return `$'${escaped.join("")}'`;
}
