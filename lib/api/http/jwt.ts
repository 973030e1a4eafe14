// What verifies tokens, in one piece, which a function loads with its first token.

export { jwtVerify } from "jose/jwt/verify";
export { createRemoteJWKSet } from "jose/jwks/remote";
export * as errors from "jose/errors";
