import { describe, expect, test } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import {
  crossSign,
  decodeCrossSigning,
  decodeIdentityToken,
  encodeCrossSigning,
  verifyCrossSigning,
} from '../../src/tokens/index.ts';
import { identityNumber, nodeNumber, start } from './identities.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

const alice = identityNumber(1, 'jis:alice');
const node = nodeNumber(2);
const otherNode = nodeNumber(3);
const mallory = identityNumber(4, 'jis:mallory');

describe('cross-signing of node and identity', () => {
  const cross = crossSign(node, alice);

  test('seed 25: holds in both directions until the earlier of the two tokens ends', () => {
    expect(verifyCrossSigning(cross, node.token, alice.token, start)).toBe('valid');
    expect(cross.until).toBe(node.token.expires);
    expect(verifyCrossSigning(cross, node.token, alice.token, cross.until)).toBe('expired');
  });

  test('seed 24: one identity serves on two nodes', () => {
    const second = crossSign(otherNode, alice);
    expect(verifyCrossSigning(second, otherNode.token, alice.token, start)).toBe('valid');
  });

  test('seed 25: swapping the node or the identity fails', () => {
    expect(verifyCrossSigning(cross, otherNode.token, alice.token, start)).toBe('other-node');
    expect(verifyCrossSigning(cross, node.token, mallory.token, start)).toBe('other-identity');
    const renamed = { ...cross, node: otherNode.token.fingerprint };
    expect(verifyCrossSigning(renamed, otherNode.token, alice.token, start)).toBe('forged');
    const stolen = { ...cross, identity: mallory.token.fingerprint };
    expect(verifyCrossSigning(stolen, node.token, mallory.token, start)).toBe('forged');
  });

  test('seed 25: one side alone cannot claim the other', () => {
    const claimed = crossSign(node, { key: mallory.key, token: alice.token });
    expect(verifyCrossSigning(claimed, node.token, alice.token, start)).toBe('forged');
    const hosted = crossSign({ key: mallory.key, token: node.token }, alice);
    expect(verifyCrossSigning(hosted, node.token, alice.token, start)).toBe('forged');
  });

  test('seed 25: the two signatures cannot stand in for each other', () => {
    const { identitySignature, nodeSignature } = cross;
    const swapped = { ...cross, identitySignature: nodeSignature, nodeSignature: identitySignature };
    expect(verifyCrossSigning(swapped, node.token, alice.token, start)).toBe('forged');
  });

  test('a longer term than was signed fails', () => {
    expect(verifyCrossSigning({ ...cross, until: cross.until + 1 }, node.token, alice.token, start)).toBe(
      'forged',
    );
  });

  test('two identities do not cross-sign', () => {
    expect(codeOf(() => crossSign(mallory, alice))).toBe('kind');
    expect(codeOf(() => crossSign(node, otherNode))).toBe('kind');
  });

  test('seed 36: exact bytes', () => {
    const vectors = readVectors<{
      readonly valid: readonly { readonly name: string; readonly bytes: string }[];
      readonly crossSigning: { readonly bytes: string };
    }>('identity-token.json');
    const find = (name: string): Uint8Array =>
      fromHex(vectors.valid.find((vector) => vector.name === name)?.bytes ?? '');
    const decoded = decodeCrossSigning(fromHex(vectors.crossSigning.bytes));
    expect(encodeHex(encodeCrossSigning(decoded))).toBe(vectors.crossSigning.bytes);
    const [nodeToken, identity] = [find('node'), find('root identity')].map(decodeIdentityToken);
    if (!nodeToken || !identity) throw new Error('no vector');
    expect(verifyCrossSigning(decoded, nodeToken, identity, nodeToken.notBefore)).toBe('valid');
  });

  test.each(['', 'f6', '80', '8600000000000000', '86'])('malformed bytes %j are refused', (hex) => {
    expect(codeOf(() => decodeCrossSigning(fromHex(hex)))).toMatch(/^(cross-signing|cbor-malformed)$/);
  });
});
