import { expect, it } from 'vitest';
import { dialledAddress } from '../../src/softphone/dialled.ts';

it('what people dial is one SIP address: names, numbers and fingerprints, here and at other domains', () => {
  const fingerprint = 'a'.repeat(52);
  const addresses = {
    'jis:bob': 'sip:bob@sip.test',
    'jis:laptop:jasper': 'sip:laptop%3Ajasper@sip.test',
    'jis:bob@b.example': 'sip:bob@b.example',
    'jis:laptop:jasper@b.example': 'sip:laptop%3Ajasper@b.example',
    'bob@b.example': 'sip:bob@b.example',
    'sip:bob@b.example;transport=tls': 'sip:bob@b.example;transport=tls',
    '1007': 'sip:1007@sip.test',
    '+49301': 'sip:+49301@sip.test',
    'tel:+49-30-1': 'sip:+49301@sip.test',
    [fingerprint]: `sip:${fingerprint}@sip.test`,
    [`${fingerprint}@b.example`]: `sip:${fingerprint}@b.example`,
    'mail:zoe@example.org': 'sip:mail%3Azoe%40example.org@sip.test',
    'mail:zoe@example.org@b.example': 'sip:mail%3Azoe%40example.org@b.example',
    'did:web:example.org@b.example': 'sip:did%3Aweb%3Aexample.org@b.example',
    'mail:zoë@example.org': 'sip:mail%3Azo%C3%AB%40example.org@sip.test',
  };
  for (const [dialled, address] of Object.entries(addresses))
    expect(dialledAddress(dialled, 'sip.test'), dialled).toBe(address);
});
