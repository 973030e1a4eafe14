import ipaddr from "ipaddr.js";

/** Azure's metadata and DNS address, although its block is public. */
const WIRE_SERVER = "168.63.129.16";
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/** Whether an address may be called from inside a cloud account. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== "unicast") return false;
  if (parsed.kind() === "ipv4") return parsed.toString() !== WIRE_SERVER;
  // ipaddr.js calls ::7f00:1, 4000::1 and 100:0:0:1::1 unicast; only 2000::/3 is.
  return (parsed as ipaddr.IPv6).match(GLOBAL_UNICAST);
}
