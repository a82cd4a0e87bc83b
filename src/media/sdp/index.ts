export * from './description.ts';
export { defaultSdpLimits, type SdpLimits } from './limits.ts';
export * from './media-address.ts';
export { parseSdp } from './parse-sdp.ts';
export { findSdp, type SdpPart, sdpOf, withSdp } from './sdp-body.ts';
export { SdpError, type SdpErrorCode } from './sdp-error.ts';
export { type Edit, splice } from './splice.ts';
