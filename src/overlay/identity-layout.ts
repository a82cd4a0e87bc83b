import { packIdentityToken, unpackIdentityToken } from '../tokens/index.ts';
import { bytes, type Layout, list, number, omittable, oneOf, structure, text } from './document-layout.ts';
import type { IdentityDocument } from './documents.ts';
import { OverlayError } from './errors.ts';

/** A token of the usual form is kept as what the rest of the document does not tell already. */
type Stored = Omit<IdentityDocument, 'token'> & { readonly token?: Uint8Array; readonly packed?: Uint8Array };

const stored: Layout<Stored> = structure<Stored>({
  fingerprint: text,
  name: text,
  publicKey: bytes,
  issuedAt: number,
  notBefore: number,
  expires: number,
  custody: oneOf('device', 'gateway'),
  aliases: list(text),
  createdAtMs: number,
  status: oneOf('active', 'pending'),
  token: omittable(bytes),
  packed: omittable(bytes),
  realm: omittable(text),
  parent: omittable(text),
  successor: omittable(text),
  predecessors: omittable(list(text)),
  succession: omittable(bytes),
});

export const identityLayout: Layout<IdentityDocument> = {
  write: (out, { token, ...rest }) => {
    const packed = packIdentityToken(token, { ...rest, subject: rest.name });
    stored.write(out, { ...rest, ...(packed ? { packed } : { token }) });
  },
  read: (source) => {
    const { packed, ...rest } = stored.read(source);
    const token = packed ? unpackIdentityToken(packed, { ...rest, subject: rest.name }) : rest.token;
    if (token === undefined) throw new OverlayError('store-corrupt', 'a stored identity has no token');
    return { ...rest, token };
  },
};
