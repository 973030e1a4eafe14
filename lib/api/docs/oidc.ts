import * as z from "../../zod.ts";
import { HOUR, SECOND } from "../../clock.ts";
import type { OidcConfig } from "../../config.ts";

// The issuer of tokens, where people sign in to the dashboard: its endpoints, by its own discovery document.

export interface Issuer {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
}

const DISCOVERED_FOR = HOUR;
/** An issuer that does not answer makes nobody wait again for so long. */
const MISSED_FOR = 30 * SECOND;
const LONGEST = 3 * SECOND;

const endpoint = z.url({ protocol: /^https?$/ });
const discovered = z.looseObject({ issuer: z.string(), authorization_endpoint: endpoint, token_endpoint: endpoint });

let kept: { readonly until: number; readonly issuer: Promise<Issuer | undefined> } | undefined;

/** `undefined` where nobody signs in so, and while the issuer does not answer. */
export async function issuerOf(config: OidcConfig | undefined): Promise<Issuer | undefined> {
  if (!config) return undefined;
  if (!kept || kept.until < performance.now()) {
    const issuer = discover(config);
    kept = { until: performance.now() + DISCOVERED_FOR, issuer };
    if ((await issuer) === undefined) kept = { until: performance.now() + MISSED_FOR, issuer };
    return issuer;
  }
  return kept.issuer;
}

async function discover({ issuer, clientId, scope }: OidcConfig): Promise<Issuer | undefined> {
  try {
    const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const response = await fetch(url, { signal: AbortSignal.timeout(LONGEST), redirect: "error" });
    const found = discovered.parse(await response.json());
    // Another issuer's document would lead people to sign in elsewhere.
    if (found.issuer !== issuer) return undefined;
    const { authorization_endpoint: authorizationEndpoint, token_endpoint: tokenEndpoint } = found;
    return { issuer, clientId, scope, authorizationEndpoint, tokenEndpoint };
  } catch {
    return undefined;
  }
}
