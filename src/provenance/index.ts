export { addressParty } from './address-party.ts';
export { AuditLog } from './audit-log.ts';
export { type AuditReader, type AuditReaderOptions, openAuditReader } from './audit-reader.ts';
export { DiskStorage } from './disk-storage.ts';
export * from './durability.ts';
export type { Erasure } from './erasure.ts';
export * from './error.ts';
export { csvHeader, jsonValue, recordToCsv, recordToJson } from './export.ts';
export { headsEvent } from './identity-heads.ts';
export {
  followSuccessions,
  handOver,
  type KeySuccession,
  keySuccessionEvent,
  nodeRevocationEvent,
  readSuccessions,
  type SuccessionReason,
} from './key-succession.ts';
export type { Layer } from './layer.ts';
export * from './limits.ts';
export { type AuditLogOptions, nodeStartEvent } from './open-log.ts';
export { type PartyReceipt, readPartyReceipt } from './party-receipt.ts';
export type { AppendResult } from './pending-record.ts';
export {
  compareCheckpoints,
  type PublishedFiles,
  PublishedLog,
  type VerifyPublishedOptions,
} from './published-log.ts';
export type { RecordQuery } from './query.ts';
export type { ReceiptBatch } from './receipt-access.ts';
export * from './receipt-file.ts';
export type {
  CallPhase,
  DraftParty,
  OpenCall,
  Party,
  PartyRole,
  RecordDraft,
  RecordId,
  StoredParty,
  StoredRecord,
} from './record.ts';
export { maxProvedRecords, type ProofOptions, type ProofSubject } from './record-proof.ts';
export {
  logReceiptType,
  openingLabel,
  statementType,
  type TransparentStatementOptions,
  transparentStatement,
} from './scitt.ts';
export { formatVkey, type NoteVerifier, parseVkey } from './signed-note.ts';
export { canonicalJson, TibetExporter, type TibetToken } from './tibet-token.ts';
export { callToVcon, type Vcon } from './vcon.ts';
export type { LogVerdict, Problem, ProblemKind } from './verdict.ts';
export { type VerifyLogOptions, verifyLog } from './verify-log.ts';
