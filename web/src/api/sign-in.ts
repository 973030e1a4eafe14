import { signal } from "@preact/signals";
import { API } from "../root.ts";
import type { Answer } from "./shapes.ts";

// How one can sign in here.

export type SignInOptions = Answer<"getSignInOptions">;

/** Whether the issuer has led to this page: its answer goes before whatever token there is, and before the page. */
export const isAnswered = signal(isAnswer(new URLSearchParams(location.search)));

export function isAnswer(query: URLSearchParams): boolean {
  return query.has("state") && (query.has("code") || query.has("error"));
}

export async function signInOptions(): Promise<SignInOptions> {
  const response = await fetch(new URL("dashboard/sign-in.json", API));
  return response.ok ? ((await response.json()) as SignInOptions) : { local: false, oidc: null };
}
