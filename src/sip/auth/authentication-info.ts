import { type HeaderField, headerField } from '../message/index.ts';
import type { DigestAnswer } from './authorization.ts';
import { digestResponse } from './digest.ts';

/**
 * What proves to the phone that it speaks with somebody who knows its password (RFC 7616 §3.5, RFC 3261 §20.6), on a
 * response without a body. A phone of RFC 2069's time would not understand it.
 */
export function authenticationInfo(answer: DigestAnswer, ha1: string): readonly HeaderField[] {
  const { algorithm, nonce, uri, protection } = answer;
  if (protection === undefined) return [];
  const { qop, nc, cnonce } = protection;
  // Whoever chooses such a nonce can do without.
  if (cnonce.includes('"') || cnonce.includes('\\')) return [];
  // A2 has no method here.
  const rspauth = digestResponse({ algorithm, ha1, nonce, method: '', uri, protection });
  return [
    headerField('Authentication-Info', `qop=${qop}, rspauth="${rspauth}", cnonce="${cnonce}", nc=${nc}`),
  ];
}
