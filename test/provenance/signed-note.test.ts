import { describe, expect, test } from 'vitest';
import { openCheckpoint, parseCheckpointText, signCheckpoint } from '../../src/provenance/checkpoint.ts';
import { emptyRoot } from '../../src/provenance/merkle-tree.ts';
import { formatVkey, openNote, parseNote, parseVkey, signNote } from '../../src/provenance/signed-note.ts';
import { signingKeyFromSeed } from '../../src/tokens/index.ts';

/** From the documentation of Go's golang.org/x/mod/sumdb/note. */
const goVkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const goNote =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n" +
  '\n' +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';

describe('C2SP signed notes', () => {
  test("reads and verifies the note of Go's implementation", () => {
    const verifier = parseVkey(goVkey);
    expect(verifier.name).toBe('PeterNeumann');
    expect(formatVkey(verifier)).toBe(goVkey);
    expect(openNote(goNote, [verifier])).toContain('cryptography');
  });

  test('refuses every changed byte of a note', () => {
    const verifier = parseVkey(goVkey);
    const bytes = Buffer.from(goNote);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      expect(() => openNote(changed.toString(), [verifier]), `byte ${at}`).toThrow();
    }
  });

  test('ignores signatures by unknown keys and refuses a note without a known one', () => {
    const key = signingKeyFromSeed(new Uint8Array(32).fill(3));
    const other = signingKeyFromSeed(new Uint8Array(32).fill(4));
    const ours = { name: 'example.com/log', publicKey: key.publicKey };
    const theirs = signNote('text\n', 'example.com/witness', other);
    expect(() => openNote(theirs, [ours])).toThrow(/known key/);
    const witnessLine = theirs.slice(theirs.indexOf('—'));
    expect(openNote(signNote('text\n', 'example.com/log', key) + witnessLine, [ours])).toBe('text\n');
  });

  test.each([
    '',
    'no signatures\n',
    'x\n\n',
    'x\n\n— name\n',
    'x\n\n— na+me AAAAAAAA\n',
    'x\u0007\n\n— name AAAAAAAA\n',
  ])('refuses %j as malformed', (note) => {
    expect(() => parseNote(note)).toThrow(expect.objectContaining({ code: 'note-malformed' }));
  });

  test.each(['', 'a', 'a+b', 'PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'])(
    'refuses %j as a verifier key',
    (vkey) => {
      expect(() => parseVkey(vkey)).toThrow(expect.objectContaining({ code: 'vkey' }));
    },
  );
});

describe('C2SP tlog-checkpoint', () => {
  const key = signingKeyFromSeed(new Uint8Array(32).fill(3));
  const log = { name: 'example.com/log', publicKey: key.publicKey };

  test('signs exactly these bytes', () => {
    const note = signCheckpoint({ origin: log.name, size: 0, root: emptyRoot }, key);
    expect(note.split('\n').slice(0, 4)).toEqual([
      'example.com/log',
      '0',
      '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      '',
    ]);
    expect(openCheckpoint(note, log)).toMatchObject({ origin: log.name, size: 0 });
  });

  test.each([
    'x\n',
    'x\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n',
    'x\n1\nAAAA\n',
    'x\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n',
    'x\n9007199254740993\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n',
  ])('refuses %j', (text) => {
    expect(() => parseCheckpointText(text)).toThrow(
      expect.objectContaining({ code: 'checkpoint-malformed' }),
    );
  });
});
