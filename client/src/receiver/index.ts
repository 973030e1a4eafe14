export { Final, SignatureError, verify, type ReceivedJob, type VerifyOptions } from "./receiver.ts";
