import { isIP } from "node:net";

/** The literal address of a URL's host, without brackets; `undefined` for a name that DNS resolves. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(bare)) return bare;
  // Names that stay on the machine, whatever a resolver answers.
  return /(^|\.)localhost\.?$/i.test(bare) ? "127.0.0.1" : undefined;
}
