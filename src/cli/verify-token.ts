import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { decodeHex, encodeBase64Url, encodeHex } from '../base/index.ts';
import { type Config, dataPaths } from '../config/index.ts';
import { intentRequestOf } from '../intent/index.ts';
import { defaultMessageLimits, headerValue, parseMessage, type SipRequest } from '../sip/index.ts';
import {
  type Assurance,
  carriedIdentity,
  decodeIntentToken,
  type IntentToken,
  legDigest,
  mediaDigest,
  sha256,
  verifyIntentToken,
} from '../tokens/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { formatAttributes, showValue } from './identity-attributes.ts';
import { readPublicToken } from './identity-source.ts';
import { formatTime } from './output.ts';
import { withOverlay } from './overlay-access.ts';
import type { Terminal } from './terminal.ts';

interface VerifyTokenOptions extends CommonOptions {
  readonly key?: string;
  readonly request?: string;
}

/** The key that a signature is checked with, and where it was found. */
interface FoundKey {
  readonly publicKey: Uint8Array;
  readonly source: string;
  /** The name that belongs to the key, as the source tells it. */
  readonly name: string | undefined;
}

const assuranceMeanings: Readonly<Record<Assurance, string>> = {
  0: 'nobody has checked who called',
  1: 'the phone knew a password (digest)',
  2: 'the phone showed a certificate',
  3: "signed by the caller's own key",
};

export function registerVerifyToken(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'verify-token [token]',
    summary: 'check an intent token as it arrived in an Intent-Token header field; works offline',
    example: 'audit verify-token --request invite.txt --key alice.json',
  })
    .option('--key <key>', 'the signer: an identity file, or its public key in hexadecimal')
    .option('--request <file>', 'the SIP request as it arrived: its token is checked, and that it fits')
    .action(async (text: string | undefined, options: VerifyTokenOptions) => {
      const { output, config } = openContext(terminal, options);
      const request = options.request === undefined ? undefined : readRequest(options.request);
      const token = decodeIntentToken(tokenText(text, request));
      const key = await findKey(token, options.key, config);
      const signed = verifyIntentToken(token, key.publicKey);
      const misfit = request && misfitOf(token, request);
      output.document(
        {
          ...describeToken(token),
          reference: encodeBase64Url(sha256(token.bytes)),
          signatureValid: signed,
          fitsRequest: request && !misfit,
          key: key.source,
        },
        [
          ['signature', signed ? `valid (key: ${key.source})` : `NOT VALID with the key of ${key.source}`],
          [
            'request',
            request && (misfit === undefined ? 'the token belongs to it' : `DOES NOT FIT: ${misfit}`),
          ],
          ['in records as', encodeBase64Url(sha256(token.bytes))],
          ['signer', key.name === undefined ? token.signer : `${key.name} (${token.signer})`],
          ['on behalf of', token.onBehalfOf],
          ['method', token.method],
          ['audience', token.audience],
          ['callee', 'fingerprint' in token.callee ? token.callee.fingerprint : 'an address (hashed)'],
          ['intent', `${token.intent.text} [${token.intent.code}]`],
          ['assurance', `${token.assurance}: ${assuranceMeanings[token.assurance]}`],
          ['node', token.node],
          ['attributes', formatAttributes(token.attributes)],
          ['issued', `${formatTime(token.issuedAt)}, good until ${formatTime(token.expires)}`],
        ],
      );
      if (!signed) throw new CliError('refused', 'the signature is not valid');
      if (misfit !== undefined)
        throw new CliError('refused', `the token does not belong to this request: ${misfit}`);
    });
}

/** The text itself, a whole header line, a file that holds either, or the header field of `request`. */
function tokenText(argument: string | undefined, request: SipRequest | undefined): string {
  const text =
    argument === undefined
      ? request && headerValue(request, 'intent-token')
      : existsSync(argument)
        ? readFileSync(argument, 'utf8')
        : argument;
  if (text === undefined)
    throw new CliError(
      'usage',
      request ? 'the request has no Intent-Token header field' : 'no token given',
      'give the header value, or --request FILE',
    );
  return text.trim().replace(/^intent-token:\s*/i, '');
}

function readRequest(file: string): SipRequest {
  const bytes = readFileSync(file);
  const firstLine = bytes.subarray(0, bytes.indexOf('\n'));
  // A message that was pasted into a file has lost its carriage returns.
  const message = parseMessage(
    firstLine.includes('\r')
      ? bytes
      : Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'),
    defaultMessageLimits,
  );
  if (message.kind !== 'request') throw new CliError('usage', `${file} holds a response, not a request`);
  return message;
}

async function findKey(
  token: IntentToken,
  given: string | undefined,
  config: () => Config,
): Promise<FoundKey> {
  if (given !== undefined) {
    const publicKey = decodeHex(given);
    if (publicKey?.length === 32) return { publicKey, source: 'the given key', name: undefined };
    const identity = readPublicToken(given);
    return { publicKey: identity.publicKey, source: given, name: identity.subject };
  }
  const carried = carriedIdentity(token);
  if (carried)
    return { publicKey: carried.publicKey, source: 'the token that came along', name: carried.subject };
  const { gatewayKey } = dataPaths(config().dataDir);
  const gateway = existsSync(gatewayKey) ? readPublicToken(gatewayKey) : undefined;
  if (gateway?.fingerprint === token.signer)
    return { publicKey: gateway.publicKey, source: 'this gateway', name: gateway.subject };
  const known = await withOverlay(config(), (overlay) => overlay.lookup(token.signer));
  if (known) return { publicKey: known.publicKey, source: 'the overlay', name: known.name };
  throw new CliError('notFound', `the signer ${token.signer} is not known here`, 'give its key with --key');
}

/** What of the request is not what was signed. */
function misfitOf(token: IntentToken, request: SipRequest): string | undefined {
  const actual = intentRequestOf(request);
  if (token.method !== actual.method) return `it was signed for ${token.method}`;
  if (!sameBytes(token.legDigest, legDigest(actual)))
    return 'From, To, Call-ID or CSeq are not those that were signed';
  return sameBytes(token.mediaDigest, mediaDigest(actual.dtlsFingerprints))
    ? undefined
    : 'the DTLS fingerprints are not those that were signed';
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}

function describeToken(token: IntentToken): object {
  const { signer, onBehalfOf, audience, method, intent, assurance, sessionId, cti, callee } = token;
  return {
    signer,
    onBehalfOf,
    audience,
    method,
    callee:
      'fingerprint' in callee
        ? callee.fingerprint
        : { hash: encodeHex(callee.hash), salt: encodeHex(callee.salt) },
    intent,
    assurance,
    node: token.node,
    topic: token.subject,
    attributes: token.attributes.map(({ name, value }) => ({ name, value: showValue(value) })),
    issuedAt: formatTime(token.issuedAt),
    expires: formatTime(token.expires),
    id: encodeHex(cti),
    sessionId,
    parents: token.parents.map(encodeHex),
  };
}
