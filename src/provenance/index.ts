export { AuditLog, type AuditLogOptions, nodeStartEvent } from './audit-log.ts';
export { type AuditReader, type AuditReaderOptions, openAuditReader } from './audit-reader.ts';
export * from './durability.ts';
export * from './error.ts';
export type { Layer } from './layer.ts';
export * from './limits.ts';
export type { AppendResult } from './log-writer.ts';
export type { RecordQuery } from './query.ts';
export type {
  CallPhase,
  OpenCall,
  Party,
  PartyRole,
  RecordDraft,
  RecordId,
  StoredParty,
  StoredRecord,
} from './record.ts';
export { type ProofFault, type ProofOptions, type ProofVerdict, verifyProof } from './record-proof.ts';
export { formatVkey, type NoteVerifier, parseVkey } from './signed-note.ts';
export { type LogVerdict, type Problem, type ProblemKind } from './verdict.ts';
export { verifyLog, type VerifyLogOptions } from './verify-log.ts';
