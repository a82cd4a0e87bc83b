// Everything that an auditor needs, and nothing of the gateway: this folder imports no other one, so that what checks
// the log shares no code with what writes it, and runs where there is no Node.js.
export {
  type Checkpoint,
  type Cosignature,
  cosignatures,
  type LogKey,
  lastCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  type SignedCheckpoint,
} from './checkpoint.ts';
export {
  type CheckpointComparison,
  type Comparison,
  type ComparisonResult,
  compare,
  forkBetween,
  formatComparison,
  type ProofComparison,
  parseComparison,
} from './comparison.ts';
export { VerifyError, type VerifyErrorCode } from './error.ts';
export { followHandOvers, handOverHeader } from './hand-over.ts';
export { isConsistent, type TreeHead } from './merkle.ts';
export {
  cosignedMessage,
  formatSignatureLine,
  formatVkey,
  type Note,
  type NoteKey,
  type NoteKeyType,
  type NoteSignature,
  noteKey,
  parseNote,
  parseSignatureLine,
  parseVkey,
  signatureBy,
} from './note.ts';
export { type Policy, type PolicyLog, type PolicyWitness, parsePolicy } from './policy.ts';
export { openPayload, type ProvedRecord } from './proof.ts';
export {
  type Claim,
  type PlacedEntry,
  type PlacedRecord,
  type ProofFile,
  parseProofFile,
} from './proof-file.ts';
export type { Layer, OpenedRecord, ProvedParty } from './record.ts';
export {
  type Check,
  neverProved,
  type Report,
  type Verdict,
  verdictMeanings,
  type WitnessSeen,
} from './report.ts';
export { checkSignedIntent, type IntentRecord, type SignedIntent } from './signed-intent.ts';
export { type StoryLine, type ToldRecord, tellStory } from './story.ts';
export { parseTrust, type Trust, verifyFile } from './verify.ts';
