export { requestBytes } from './datagram-size.ts';
export { defaultLocatingLimits, type LocatingLimits } from './limits.ts';
export { LocatingError, type LocatingErrorCode } from './locating-error.ts';
export { Locator, type LocatorOptions } from './locator.ts';
export { DnsNames, type DnsOptions, type Names } from './names.ts';
export { defaultPort, type HopTransport, type LocatedTarget, type NextHop, nextHopOf } from './next-hop.ts';
export { type FlowOpener, type Reached, type ReachOptions, reach } from './reach.ts';
export { ReturnRouting, type ReturnRoutingOptions, type ReturnTransport } from './return-route.ts';
