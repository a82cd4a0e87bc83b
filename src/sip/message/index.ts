export * from './auth-params.ts';
export * from './contact.ts';
export * from './create.ts';
export { type CSeq, maxCSeq, parseCSeq, serializeCSeq } from './cseq.ts';
export { isToken, splitCommaList } from './grammar.ts';
export * from './header-edit.ts';
export { canonicalHeaderName } from './header-names.ts';
export * from './header-text.ts';
export { defaultMessageLimits, type MessageLimits } from './limits.ts';
export * from './model.ts';
export { isMultipart, type MultipartFault, type MultipartLimits, multipartFault } from './multipart.ts';
export * from './name-addr.ts';
export { hasParam, type Param, paramValue, withoutParam, withParam } from './params.ts';
export { type PartialRequest, SipParseError, type SipParseErrorCode } from './parse-error.ts';
export { type ExcessBytes, parseMessage } from './parse-message.ts';
export { type RejectionOptions, serializeRejection } from './partial-request.ts';
export { serializeMessage } from './serialize.ts';
export * from './status-reasons.ts';
export * from './stream-framer.ts';
export * from './uri.ts';
export { sameUri, telDigits } from './uri-compare.ts';
export { escapeUser, unescapeUri } from './uri-escape.ts';
export {
  createVia,
  magicCookie,
  parseVia,
  serializeVia,
  type Via,
  withViaParam,
  withViaSource,
} from './via.ts';
