export * from './errors.ts';
export * from './foreign-identities.ts';
export { isPublicAddress, openGuard } from './public-addresses.ts';
export {
  encodePublished,
  homeRequest,
  maxPredecessors,
  type PublishedIdentity,
  type PublishedPredecessor,
  readPublished,
  type VerifiedIdentity,
  verifyPublished,
} from './published-identity.ts';
export {
  defaultRecordClientLimits,
  RecordClient,
  type RecordClientLimits,
  type RecordNames,
} from './record-client.ts';
export { RecordServer } from './record-server.ts';
