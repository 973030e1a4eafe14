import { isUtf8 } from "node:buffer";

/** A header's value as its sender wrote it: headers are read as Latin-1, and many servers write UTF-8. */
export function headerText(value: string): string {
  const bytes = Buffer.from(value, "latin1");
  return isUtf8(bytes) ? bytes.toString() : value;
}
