import { encodeHex } from '../base/index.ts';
import { sha256 } from './digest.ts';
import { jsonValue } from './export.ts';
import type { StoredRecord } from './record.ts';

/** draft-ietf-vcon-vcon-core-04: one call as a conversation container, without the conversation. */
export interface Vcon {
  readonly vcon: '0.4.0';
  readonly uuid: string;
  readonly created_at: string;
  readonly subject: string;
  readonly parties: readonly VconParty[];
  readonly dialog: readonly VconDialog[];
  readonly attachments: readonly VconAttachment[];
}

interface VconParty {
  readonly name?: string;
  readonly sip?: string;
  readonly tel?: string;
  readonly did?: string;
  readonly mailto?: string;
  readonly type?: 'organization';
  /** The identity's fingerprint: a free-form identifier here. */
  readonly uuid?: string;
}

/** §4.3: a set of no recordings for a call that was set up, `incomplete` for one that was not. */
type VconDialog = {
  readonly start: string;
  /** The one who called is the first, and so the originator. */
  readonly parties: readonly number[];
} & (
  | { readonly type: 'recording-set'; readonly recordings: readonly []; readonly duration?: number }
  | { readonly type: 'incomplete'; readonly disposition: VconDisposition }
);

/** §4.3.11. */
type VconDisposition = 'no-answer' | 'failed' | 'busy' | 'hung-up';

interface VconAttachment {
  readonly purpose: 'tibet-records' | 'tlog-proof';
  readonly start: string;
  readonly party: 2;
  readonly dialog: 0;
  readonly mediatype: string;
  readonly filename: string;
  readonly encoding: 'json' | 'none';
  readonly body: unknown;
}

const dispositions: Readonly<Record<string, VconDisposition>> = {
  busy: 'busy',
  cancelled: 'hung-up',
  unanswered: 'no-answer',
};

/**
 * The records of one call, in the order of the log, and the file that proves them, if there is one yet. Undefined when
 * there is no attempt among them.
 */
export function callToVcon(records: readonly StoredRecord[], proof: string | undefined): Vcon | undefined {
  const attempt = records.find(({ call }) => call?.phase === 'attempt');
  if (!attempt?.call) return undefined;
  const start = new Date(attempt.timeMs).toISOString();
  // §4.4.3: the gateway has contributed it.
  const about = { start, party: 2, dialog: 0 } as const;
  const attachments: VconAttachment[] = [
    {
      purpose: 'tibet-records',
      ...about,
      mediatype: 'application/json',
      filename: 'records.json',
      encoding: 'json',
      body: records.map((record) => jsonValue(record)),
    },
  ];
  if (proof !== undefined)
    attachments.push({
      purpose: 'tlog-proof',
      ...about,
      mediatype: 'text/plain',
      filename: 'call.tlog-proof',
      encoding: 'none',
      body: proof,
    });
  return {
    vcon: '0.4.0',
    uuid: uuidOf(attempt.id),
    created_at: start,
    subject: attempt.erachter,
    parties: [
      partyOf(attempt, 'caller', 'from'),
      partyOf(attempt, 'callee', 'to'),
      { name: 'the gateway that logged the call', uuid: attempt.node, type: 'organization' },
    ],
    dialog: [dialogOf(records, start)],
    attachments,
  };
}

function dialogOf(records: readonly StoredRecord[], start: string): VconDialog {
  const answer = records.find(({ call }) => call?.phase === 'answer');
  const closing = records.find(({ call }) => call?.phase === 'close');
  const common = { parties: [0, 1] } as const;
  if (!answer) {
    const outcome = closing?.erin['outcome'];
    const disposition = (typeof outcome === 'string' && dispositions[outcome]) || 'failed';
    return { type: 'incomplete', start, ...common, disposition };
  }
  const talkedMs = closing?.erin['talkedMs'];
  return {
    type: 'recording-set',
    recordings: [],
    start: new Date(answer.timeMs).toISOString(),
    ...common,
    ...(typeof talkedMs === 'number' && { duration: talkedMs / 1000 }),
  };
}

function partyOf(
  { erin, parties }: StoredRecord,
  role: 'caller' | 'callee',
  address: 'from' | 'to',
): VconParty {
  const [name, sip] = [erin[role], erin[address]];
  const identity = parties.find((party) => party.role === role)?.fingerprint;
  return {
    ...(typeof name === 'string' && { name }),
    ...(typeof sip === 'string' && { sip, ...numberIn(sip) }),
    ...(typeof name === 'string' && addressIn(name)),
    ...(identity !== undefined && { uuid: identity }),
  };
}

/** §4.2.1, of a SIP address whose user is an E.164 number. */
function numberIn(sip: string): { readonly tel?: string } {
  const tel = /^sips?:(\+\d{1,15})@/.exec(sip)?.[1];
  return tel === undefined ? {} : { tel };
}

/** §4.2.4, §4.2.6: subjects of identities may be such. */
function addressIn(name: string): Pick<VconParty, 'did' | 'mailto'> {
  if (name.startsWith('did:')) return { did: name };
  return name.startsWith('mail:') ? { mailto: name.slice('mail:'.length) } : {};
}

/** RFC 9562 §5.8: a UUID of our own making, the same one for the same call each time. */
function uuidOf(attempt: string): string {
  const bytes = Uint8Array.from(sha256(Buffer.from(`tibet-sip vcon ${attempt}`)).subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = encodeHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
