import { getCACertificates, setDefaultCACertificates } from "node:tls";

/** Of this machine (127.0.0.1, localhost), signed by itself, for a hundred years. */
export const CERTIFICATE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgL6B8P1+Gk4bpF/FE
+56LLaTX+voDQ4KxcopES9sDk6yhRANCAAT3vXUjceIS9it60aI16BnGUr4bK2zC
o+eBQG1hdCZ17eKFnBhAAaqdxuFywjayzJChxaO9IhSpDKP1LEf9eqW3
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUI4PE20LDELDFMFcYb3rmQSWFig4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTEzNDMwNVoYDzIxMjYxMTA1
MTM0MzA1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT3vXUjceIS9it60aI16BnGUr4bK2zCo+eBQG1hdCZ17eKFnBhAAaqd
xuFywjayzJChxaO9IhSpDKP1LEf9eqW3o28wbTAdBgNVHQ4EFgQU8Cdmy2X8Nfkv
IeEBTLYUAdSNhK8wHwYDVR0jBBgwFoAU8Cdmy2X8NfkvIeEBTLYUAdSNhK8wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgKgZDVdYjIQY63Z/O5hCFRHAgxSGTg6RbrF9gyONfnccCIH96
sL0H0BAgSQnLZnyg47aouWZF4rcuNDO+Uozb6oaK
-----END CERTIFICATE-----
`,
};

/** Has the process trust the certificate. Returns how to end that. */
export function trustCertificate(): () => void {
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, CERTIFICATE.cert]);
  return () => setDefaultCACertificates(before);
}
