import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  cosignedMessage,
  formatSignatureLine,
  formatVkey,
  isConsistent,
  type NoteKey,
  noteKey,
  openCheckpoint,
  parseCheckpoint,
  parseVkey,
  type TreeHead,
  VerifyError,
} from '../../src/verify/index.ts';

export type WitnessAlgorithm = 'ed25519' | 'ml-dsa-44';

/** A C2SP tlog-witness of one log, as its specification wants it: add-checkpoint, and nothing else. */
export class WitnessServer {
  readonly key: NoteKey;
  readonly #log: NoteKey;
  readonly #secret: KeyObject;
  readonly #server: Server;
  /** RFC 6962 §2.1: the empty tree's root is the hash of nothing. */
  #seen: TreeHead = { size: 0, root: new Uint8Array(createHash('sha256').digest()) };
  /** Bodies of all requests. */
  readonly requests: string[] = [];
  /** What it answers to another root of the size that it saw. */
  conflictBody: string | undefined;
  /** Whether it says when it saw a checkpoint. */
  dated = true;

  private constructor(name: string, algorithm: WitnessAlgorithm, logVkey: string) {
    const { publicKey, secret } = keyPair(algorithm);
    this.#secret = secret;
    this.#log = parseVkey(logVkey);
    this.key = noteKey(
      name,
      algorithm === 'ed25519' ? 'cosignature-ed25519' : 'cosignature-ml-dsa-44',
      publicKey,
    );
    this.#server = createServer((request, response) => {
      void textOf(request).then((body) => {
        this.requests.push(body);
        const { status, text } = this.#answer(request, body);
        response.writeHead(status, { 'content-type': status === 409 ? 'text/x.tlog.size' : 'text/plain' });
        response.end(text);
      });
    });
  }

  static async start(name: string, algorithm: WitnessAlgorithm, logVkey: string): Promise<WitnessServer> {
    const witness = new WitnessServer(name, algorithm, logVkey);
    await new Promise<void>((resolve) => witness.#server.listen(0, '127.0.0.1', resolve));
    return witness;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/witness`;
  }

  /** A line of a C2SP tlog-policy. */
  get policyLine(): string {
    return `witness ${this.key.name.replaceAll('/', '-')} ${formatVkey(this.key)} ${this.url}\n`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, body: string): { readonly status: number; readonly text: string } {
    if (request.method !== 'POST' || request.url !== '/witness/add-checkpoint')
      return { status: 404, text: '' };
    const split = body.indexOf('\n\n');
    const [oldLine = '', ...proof] = body.slice(0, split).split('\n');
    const note = body.slice(split + 2);
    const old = Number(/^old (0|[1-9][0-9]*)$/.exec(oldLine)?.[1] ?? Number.NaN);
    let head: ReturnType<typeof openCheckpoint>;
    try {
      if (parseCheckpoint(note).origin !== this.#log.name) return { status: 404, text: '' };
      head = openCheckpoint(note, this.#log);
    } catch (error) {
      if (error instanceof VerifyError) return { status: 403, text: '' };
      throw error;
    }
    if (Number.isNaN(old) || old > head.size || proof.length > 63) return { status: 400, text: '' };
    if (old !== this.#seen.size) return { status: 409, text: `${this.#seen.size}\n` };
    // Two roots of one size are a conflict as well; what its answer's body says is left to the witness.
    if (old === head.size && !Buffer.from(head.root).equals(this.#seen.root))
      return { status: 409, text: this.conflictBody ?? `${old}\n` };
    const path = proof.map((line) => new Uint8Array(Buffer.from(line, 'base64')));
    if (!isConsistent(this.#seen, head, path)) return { status: 422, text: '' };
    this.#seen = head;
    const time = this.dated ? BigInt(Math.floor(Date.now() / 1000)) : 0n;
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(time);
    const signature = sign(null, cosignedMessage(this.key, head.note.text, head, time), this.#secret);
    return { status: 200, text: formatSignatureLine(this.key, Buffer.concat([stamp, signature])) };
  }
}

function keyPair(algorithm: WitnessAlgorithm): {
  readonly publicKey: Uint8Array;
  readonly secret: KeyObject;
} {
  const { publicKey, privateKey } =
    algorithm === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ml-dsa-44');
  // RFC 8410 and RFC 9881: the raw key is the end of the SPKI.
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(algorithm === 'ed25519' ? -32 : -1312)),
    secret: privateKey,
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of request) parts.push(part as Uint8Array);
  return Buffer.concat(parts).toString();
}
