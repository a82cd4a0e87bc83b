import type { OverlayErrorCode } from '../overlay/index.ts';
import type { ProvenanceErrorCode } from '../provenance/index.ts';
import type { TransportErrorCode } from '../sip/index.ts';
import type { TokenErrorCode } from '../tokens/index.ts';
import type { ExitReason } from './exit-codes.ts';

type AreaCode = TokenErrorCode | OverlayErrorCode | ProvenanceErrorCode | TransportErrorCode;

/** How a command ends on the areas' own errors; what is not listed is a plain failure. */
export const areaReasons: Readonly<Partial<Record<AreaCode, ExitReason>>> = {
  file: 'storage',
  'file-exists': 'conflict',
  attribute: 'usage',
  lifetime: 'usage',
  subject: 'usage',
  passphrase: 'refused',
  alg: 'refused',
  typ: 'refused',
  kid: 'refused',
  claims: 'refused',
  'too-large': 'refused',
  'cbor-malformed': 'refused',
  'cbor-not-canonical': 'refused',
  'cbor-unsupported': 'refused',
  'cose-malformed': 'refused',
  signature: 'refused',
  'core-signature': 'refused',
  'issuer-proof': 'refused',
  'key-invalid': 'refused',

  'name-invalid': 'usage',
  'alias-invalid': 'usage',
  'capability-invalid': 'usage',
  'name-taken': 'conflict',
  'alias-taken': 'conflict',
  'username-taken': 'conflict',
  'unknown-identity': 'notFound',
  'not-an-identity': 'refused',
  'token-expired': 'refused',
  'token-not-yet-valid': 'refused',
  revoked: 'refused',
  'record-malformed': 'refused',
  'record-signature': 'refused',
  'record-expired': 'refused',
  'record-from-future': 'refused',
  'record-lifetime': 'refused',
  'record-replayed': 'refused',
  'proof-failed': 'refused',
  'store-open': 'storage',
  'store-corrupt': 'storage',
  'store-unavailable': 'unavailable',

  locked: 'unavailable',
  storage: 'storage',
  origin: 'config',
  vkey: 'usage',
  'note-malformed': 'refused',
  'note-signature': 'refused',
  'checkpoint-malformed': 'refused',
  'checkpoint-contradicted': 'refused',
  'checkpoint-missing': 'notFound',
  'tile-damaged': 'refused',
  'bundle-damaged': 'refused',
  'receipt-malformed': 'refused',
  'journal-damaged': 'refused',
  'rolled-back': 'refused',
  'index-foreign': 'storage',
  'proof-malformed': 'refused',
  'record-unknown': 'notFound',
  'record-ambiguous': 'usage',
  'record-pending': 'unavailable',

  'address-in-use': 'unavailable',
  'address-not-available': 'unavailable',
  'name-not-found': 'unavailable',
  'permission-denied': 'storage',
  'tls-material': 'storage',
  'connection-refused': 'unavailable',
  unreachable: 'unavailable',
  timeout: 'unavailable',
};

/** What to do about it, where the message alone doesn't say. */
export const areaHints: Readonly<Partial<Record<AreaCode, string>>> = {
  passphrase: 'give it in TIBET_SIP_PASSPHRASE or with --passphrase-file',
  'file-exists': 'choose another file, or renew it with: tibet-sip identity renew',
  'address-in-use': 'stop the program that has it, or choose another address with --set listen=…',
  'permission-denied': 'ports below 1024 need CAP_NET_BIND_SERVICE',
  locked: 'stop the other gateway, or choose another directory with --data-dir',
  'record-pending': 'try again in a second',
  'record-ambiguous': 'tibet-sip audit list --json shows whole ids',
  'index-foreign': 'remove the index directory: it is built again from the log',
  'store-unavailable': 'is Redis running, and overlay.store right?',
};
