import type { AppendResult, OpenCall, RecordDraft } from '../provenance/index.ts';

/** What the gateway needs of an audit log. */
export interface Audit {
  /** False while records cannot be made durable: no call may begin then. */
  readonly healthy: boolean;
  append(draft: RecordDraft): AppendResult;
  openCalls(): readonly OpenCall[];
  /** Entries under the newest checkpoint. */
  readonly size: number;
  checkpoint(): string | undefined;
  close(): Promise<void>;
}

/** `audit.enabled: false`: the operator decided that nothing is recorded. */
export const noAudit: Audit = {
  healthy: true,
  append: () => ({ id: '', durability: { state: 'durable', whenSettled: (settled) => settled('durable') } }),
  openCalls: () => [],
  size: 0,
  checkpoint: () => undefined,
  close: async () => {},
};
