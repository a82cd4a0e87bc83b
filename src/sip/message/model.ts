import type { CSeq } from './cseq.ts';
import type { NameAddr } from './name-addr.ts';
import type { Via } from './via.ts';

/** One header field. All text is latin1 (one char code = one byte on the wire), so UTF-8 passes untouched. */
export interface HeaderField {
  /** Canonical long name in lower case; compact forms are expanded (RFC 3261 §7.3.3). */
  readonly name: string;
  /** The name as written, or as to be written. */
  readonly rawName: string;
  /** Unfolded and trimmed. */
  readonly value: string;
}

export interface MessageCore {
  /** In wire order, without Content-Length: that belongs to framing and is always written from `body`. */
  readonly headers: readonly HeaderField[];
  readonly body: Uint8Array;
  readonly callId: string;
  readonly cseq: CSeq;
  readonly from: NameAddr;
  readonly to: NameAddr;
  /** The topmost Via value. */
  readonly via: Via;
}

export interface SipRequest extends MessageCore {
  readonly kind: 'request';
  readonly method: string;
  /** The Request-URI exactly as on the wire. */
  readonly uri: string;
  readonly maxForwards: number | undefined;
  /** Of one that came over UDP: what the datagram measured. */
  readonly wireBytes?: number;
}

export interface SipResponse extends MessageCore {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
}

export type SipMessage = SipRequest | SipResponse;

export const emptyBody: Uint8Array = new Uint8Array(0);
