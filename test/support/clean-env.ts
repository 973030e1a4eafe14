/** The environment without variables of another stack or a developer. */
export function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(AWS_|JWT_|JWKS_|METRICS|VITEST|NODE_OPTIONS)/.test(name),
  );
  return Object.fromEntries(kept);
}
