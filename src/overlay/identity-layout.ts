import { packIdentityToken, unpackIdentityToken } from '../tokens/index.ts';
import type { DocumentReader } from './document-bytes.ts';
import { bytes, type Layout, list, number, omittable, oneOf, structure, text } from './document-layout.ts';
import type { IdentityDocument } from './documents.ts';
import { OverlayError } from './errors.ts';

/** A token of the usual form is kept as what the rest of the document does not tell already. */
type Stored = Omit<IdentityDocument, 'token'> & { readonly token?: Uint8Array; readonly packed?: Uint8Array };

const custody = oneOf('device', 'gateway');
const status = oneOf('active', 'pending');
const texts = list(text);

const stored: Layout<Stored> = structure<Stored>({
  fingerprint: text,
  name: text,
  publicKey: bytes,
  issuedAt: number,
  notBefore: number,
  expires: number,
  custody,
  aliases: texts,
  createdAtMs: number,
  status,
  token: omittable(bytes),
  packed: omittable(bytes),
  realm: omittable(text),
  parent: omittable(text),
  successor: omittable(text),
  predecessors: omittable(texts),
  succession: omittable(bytes),
});
/** Which of the members that may be left out are there. */
const has = { token: 1, packed: 2, realm: 4, parent: 8, successor: 16, predecessors: 32, succession: 64 };
const heads = 128;

export const identityLayout: Layout<IdentityDocument> = {
  write: (out, { token, ...rest }) => {
    const packed = packIdentityToken(token, { ...rest, subject: rest.name });
    stored.write(out, { ...rest, ...(packed ? { packed } : { token }) });
  },
  // What `stored` reads, in its order, member by member: with each call of somebody who is not called often.
  read: (source) => {
    const head = source.head(heads);
    const document = {
      fingerprint: source.text(),
      name: source.text(),
      publicKey: source.bytes(),
      issuedAt: source.number(),
      notBefore: source.number(),
      expires: source.number(),
      custody: custody.read(source),
      aliases: texts.read(source),
      createdAtMs: source.number(),
      status: status.read(source),
    };
    const whole = head & has.token ? source.bytes() : undefined;
    const packed = head & has.packed ? source.bytes() : undefined;
    const token = packed ? unpackIdentityToken(packed, { ...document, subject: document.name }) : whole;
    if (token === undefined) throw new OverlayError('store-corrupt', 'a stored identity has no token');
    return head < has.realm ? { ...document, token } : { ...document, token, ...readRare(source, head) };
  },
};

function readRare(
  source: DocumentReader,
  head: number,
): Pick<IdentityDocument, 'realm' | 'parent' | 'successor' | 'predecessors' | 'succession'> {
  return {
    ...(head & has.realm && { realm: source.text() }),
    ...(head & has.parent && { parent: source.text() }),
    ...(head & has.successor && { successor: source.text() }),
    ...(head & has.predecessors && { predecessors: texts.read(source) }),
    ...(head & has.succession && { succession: source.bytes() }),
  };
}
